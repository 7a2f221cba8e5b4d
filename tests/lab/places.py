"""Where the lab keeps things on this machine, and how two labs stay out of each other's way."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import LabError

SOURCE = Path(__file__).resolve().parent

# There on every machine, emptied at boot, and never removed: a lock that leaves no file.
_HOST = Path("/run")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def labs() -> Path:
    """One folder below it for each lab that is up, or was interrupted."""
    return Path(os.environ.get("EDGEFLEET_LAB_DIR") or "/var/tmp/edgefleet-lab").absolute()


def state_dir(name: str) -> Path:
    """The folder of one lab."""
    return labs() / checked_name(name)


def checked_name(name: str) -> str:
    """The name of a lab or a node, which must do as a host name and as part of a path."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot be a name here: at most 20 of a-z, 0-9 and '-', a letter first"
        )
    return name


def token(state: Path) -> str:
    """Six characters that stand for this lab in names that must be short."""
    return hashlib.sha256(str(state).encode()).hexdigest()[:6]


@contextmanager
def locked(folder: Path = _HOST) -> Iterator[None]:
    """Hold an exclusive lock on a folder; by default the one that all labs share."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
