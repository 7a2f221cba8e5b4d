# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what people wrote: sets from files, folders and variables, and locks."""

from __future__ import annotations

from typing import Any, Sequence

from ..documents.lock import Lock, parse_lock
from ..documents.pinned_image_set import PinnedImageSet, check_names, parse_pinned_image_sets
from ..documents.yaml_text import load_documents
from ..errors import EdgefleetError
from ..node.host import Host

_ENDINGS = (".yaml", ".yml", ".json")


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
            found += _read_path(host, find(host, source, folders))
        else:
            found += parse_pinned_image_sets(source, f"entry {number} of the sets")
    if not found:
        raise UnreadableSource(
            "reading the sets", "there are none", "Name at least one in pin_images_sets."
        )
    check_names(found)
    return found


def read_lock(host: Host, path: str, folders: Sequence[str]) -> Lock:
    """Read a lock file.

    :raises EdgefleetError: when it is not there, of a newer version or contradicts itself.
    """
    located = find(host, path, folders)
    return parse_lock(load_documents(host.read(located) or "", located), located)


def find(host: Host, path: str, folders: Sequence[str]) -> str:
    """Return where ``path`` lies.

    :raises UnreadableSource: when it is nowhere.
    """
    candidates = [path] if path.startswith("/") else [f"{folder}/{path}" for folder in folders]
    for candidate in candidates:
        if host.exists(candidate):
            return candidate
    raise UnreadableSource(
        f"reading {path!r}", f"there is no {' and no '.join(candidates)}", "Check the path."
    )


def _read_path(host: Host, path: str) -> list[PinnedImageSet]:
    below = host.files_below(path)
    files = [one for one in below if one.endswith(_ENDINGS)] if below else [path]
    documents = [
        (document, file)
        for file in files
        for document in load_documents(host.read(file) or "", file)
    ]
    if not documents:
        raise UnreadableSource(
            f"reading {path}", "it holds no document", "A PinnedImageSet is needed there."
        )
    return [one for document, file in documents for one in parse_pinned_image_sets(document, file)]
