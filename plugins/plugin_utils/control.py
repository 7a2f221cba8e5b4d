# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control-side plugins have in common: places, values from strings, warnings."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible import constants
from ansible.utils.display import Display

from ..module_utils.documents.yaml_text import load_documents
from ..module_utils.errors import EdgefleetError

_CACHE = "edgefleet-crio"


def search_folders(playbook_folder: str) -> list[str]:
    """Return where relative paths are looked for: the current directory, then the playbook's."""
    return list(dict.fromkeys([os.getcwd(), os.path.abspath(playbook_folder)]))


def cache_folder() -> str:
    """Return where what registries served is kept (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(
        given if os.path.isabs(given) else os.path.expanduser("~/.cache"),
        _CACHE,
    )


def standard_input() -> str:
    """Return the path of the standard input of the command that was typed.

    Ansible gives its workers another one; that of the process that started them is still open.
    """
    return f"/proc/{os.getppid()}/fd/0"


def source_list(value: Any) -> list[Any]:
    """Return the entries of a list that may be given as one string, as surveys and ``-e`` do.

    Such a string is YAML of lists and mappings, or paths, separated by commas or line breaks. Of
    entries that are strings, and so paths, ``~`` is a home.
    """
    if value is None:
        return []
    if isinstance(value, str):
        value = _entries_of(value)
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    return [os.path.expanduser(one) if isinstance(one, str) else one for one in entries]


def _entries_of(text: str) -> list[Any]:
    try:
        documents = _documents_of(text, "a string")
    except EdgefleetError:
        documents = []
    if documents and all(isinstance(one, (list, dict)) for one in documents):
        return [entry for one in documents for entry in (one if isinstance(one, list) else [one])]
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def folder_to_write(path: str, problem: str, needed: str) -> str:
    """Return the folder of a file to write: made for a slip of the pen, it would hide the slip.

    :param problem: what fails without it, as in :class:`.EdgefleetError`; so is ``needed``.
    :raises EdgefleetError: when it is not there.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise EdgefleetError(problem, f"there is no folder {folder}", needed)
    return folder


def structure(value: Any, origin: str) -> Any:
    """Return lists and mappings as they are, and what a string of YAML or JSON says.

    :raises EdgefleetError: when the string is no YAML.
    """
    if not isinstance(value, str):
        return value
    documents = _documents_of(value, origin)
    return documents[0] if documents else None


def _documents_of(text: str, origin: str) -> list[Any]:
    # Ansible tags its strings, and the YAML parser in C takes plain ones only.
    return load_documents(str(text), origin)


def warn(text: str) -> None:
    """Show a warning, also where tasks that are ok are hidden: Ansible hides theirs with them."""
    Display().display(f"[WARNING]: {text}", color=constants.COLOR_WARN, stderr=True)
