# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what people write for nodes: sets, from files, folders and variables, and locks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from ..documents.checksum import (
    check_content,
    checksum_of,
    parse_checksum_file,
    parse_checksum_value,
)
from ..documents.lock import InvalidLock, Lock
from ..documents.lock_file import parse_lock
from ..documents.pinned_image_set import PinnedImageSet, parse_pinned_image_sets
from ..documents.readable import readable_names
from ..documents.shape import check_set_names
from ..documents.yaml_text import load_documents
from ..errors import EdgefleetError
from ..node.control_host import ControlHost
from ..node.host import Host

_ENDINGS = (".yaml", ".yml", ".json")
# How many images that a set names twice are worth a warning's line.
_SHOWN_MAX = 5
_LOCK_NEEDED = "Check the path, or make the lock with lock_images."


class UnreadableSource(EdgefleetError):
    """A path that holds no sets, or something that is neither path nor set."""


def read_sets(host: Host, sources: Sequence[Any], folders: Sequence[str]) -> list[PinnedImageSet]:
    """Read every set of ``sources``: paths of files or folders, or sets as values.

    :param folders: where a relative path is looked for, in this order; absolute paths.
    :raises EdgefleetError: naming what cannot be read and why.
    """
    found: list[PinnedImageSet] = []
    for number, source in enumerate(sources, start=1):
        if isinstance(source, str):
            found += sets_at(host, find(host, source, folders))
        else:
            found += parse_pinned_image_sets(source, f"entry {number} of the sets")
    if not found:
        raise UnreadableSource(
            "reading the sets",
            "there are none",
            "Name one at least in pin_images_sets; what is in pin_images_sources is taken from a"
            " lock of lock_images.yml, named in pin_images_lock.",
        )
    check_set_names((one.name, one.origin) for one in found)
    return found


def twice_named(one: PinnedImageSet) -> str:
    """Return what is said of a set that names images twice."""
    names = readable_names(one.repeated, _SHOWN_MAX)
    return f"{one.origin}: set {one.name!r} names images twice: {names}"


@dataclass(frozen=True)
class LockFile:
    """A lock as it was read.

    ``path`` is absolute, ``sha256`` the value of the file's content in hexadecimal digits.
    """

    lock: Lock
    path: str
    sha256: str


def read_lock(host: ControlHost, path: str, folders: Sequence[str], checksum: str = "") -> LockFile:
    """Read a lock file. Where its content must have a checksum, nothing of it is parsed before.

    :param checksum: a SHA-256 value, or the path of a file as ``sha256sum`` writes it.
    :raises EdgefleetError: when it is not there, has another checksum, is of a newer version or
        contradicts itself.
    """
    located = find(host, path, folders, _LOCK_NEEDED)
    value, origin = parse_checksum_value(checksum), "pin_images_lock_checksum"
    if checksum and value is None:
        origin = find(host, checksum, folders)
        value = parse_checksum_file(host.read(origin) or "", located.rpartition("/")[2], origin)
    content = b"".join(host.read_chunks(located))
    sha256 = checksum_of(content)
    if value:
        check_content(sha256, value, located, origin)
    text = content.decode("utf-8", errors="backslashreplace")
    lock = parse_lock(load_documents(text, located), located)
    _refuse_emptied(lock, located)
    return LockFile(lock, located, sha256)


def find(host: Host, path: str, folders: Sequence[str], needed: str = "Check the path.") -> str:
    """Return where ``path`` lies.

    :param needed: what to do when it is nowhere.
    :raises UnreadableSource: when it is nowhere.
    """
    candidates = [path] if path.startswith("/") else [f"{folder}/{path}" for folder in folders]
    for candidate in candidates:
        if host.exists(candidate):
            return candidate
    cause = f"there is no {' and no '.join(candidates)}"
    raise UnreadableSource(f"reading {path!r}", cause, needed)


def files_at(host: Host, path: str) -> list[str]:
    """Return a file as it is, and of a folder the YAML and JSON files below it."""
    below = host.files_below(path)
    return [one for one in below if one.endswith(_ENDINGS)] if below else [path]


def sets_at(host: Host, path: str) -> list[PinnedImageSet]:
    """Read the sets of a file, or of the files of a folder.

    :raises EdgefleetError: when one holds something else, or none holds anything.
    """
    documents = [
        (document, file)
        for file in files_at(host, path)
        for document in load_documents(host.read(file) or "", file)
    ]
    if not documents:
        raise UnreadableSource(
            f"reading {path}", "it holds no document", "A PinnedImageSet is needed there."
        )
    return [one for document, file in documents for one in parse_pinned_image_sets(document, file)]


def _refuse_emptied(lock: Lock, located: str) -> None:
    """Refuse a lock with a set that wants nothing: its nodes would unpin everything.

    A lock made within a run may lack what no registry has.
    """
    wanted = {name for image in lock.images for name in image.sets}
    empty = [name for name in lock.sets if name not in wanted]
    if empty:
        cause = f"no image is asked for by set {min(empty)!r}"
        raise InvalidLock(f"reading the lock {located}", cause, "Lock again.")
