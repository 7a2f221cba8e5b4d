# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every import contract catches what it forbids: a violation is planted in a throwaway copy and seen caught."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.edgefleet.crio.plugins"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
# e.g. "The core knows no Ansible KEPT", "Only the hosts touch the system BROKEN (8 ignored imports)"
VERDICT = re.compile(r"^(.+) (KEPT|BROKEN)(?: \(.+\))?$", re.MULTILINE)


@dataclass(frozen=True)
class Violation:
    """An import that a contract forbids, and the file below plugins/ that it is planted in."""

    contract: str
    file: str
    statement: str


VIOLATIONS = [
    Violation(
        "Plugins see the core, and the core sees no plugin",
        "module_utils/actions/planted.py",
        "from ...modules import crio_reload",
    ),
    Violation(
        "Plugins see the core, and the core sees no plugin",
        "modules/crio_reload.py",
        "from ..filter import layers_on_platform",
    ),
    Violation(
        "Plugins see the core, and the core sees no plugin",
        "helpers/planted.py",
        "import re",
    ),
    Violation(
        "In the core imports go down only",
        "module_utils/decisions/planted.py",
        "from ..actions import pull",
    ),
    Violation(
        "In the core imports go down only",
        "module_utils/node/planted.py",
        "from ..decisions import budget",
    ),
    Violation(
        "In the core imports go down only",
        "module_utils/helpers.py",
        "import re",
    ),
    Violation(
        "Decisions see only documents and observed",
        "module_utils/decisions/planted.py",
        "from ..node.host import Host",
    ),
    Violation(
        "Node knows no lock and no set",
        "module_utils/node/planted.py",
        "from ..documents.lock import Lock",
    ),
    Violation(
        "Documents and observed see none of the other rooms",
        "module_utils/documents/planted.py",
        "from ..observed import store",
    ),
    Violation(
        "Documents and observed see none of the other rooms",
        "module_utils/observed/planted.py",
        "from ..documents import reference",
    ),
    Violation(
        "The core knows no Ansible",
        "module_utils/actions/planted.py",
        "from ansible.module_utils.basic import AnsibleModule",
    ),
    Violation(
        "Only the hosts touch the system",
        "module_utils/node/planted.py",
        "import subprocess",
    ),
    Violation(
        "Only the hosts touch the system",
        "module_utils/decisions/planted.py",
        "from os.path import exists",
    ),
    Violation(
        "Only the hosts touch the system",
        "modules/crio_reload.py",
        "import tempfile",
    ),
]


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """Return a copy of what the contracts look at."""
    collection = tmp_path / "ansible_collections" / "edgefleet" / "crio"
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "plugins", collection / "plugins", ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(collections: Path) -> list[str]:
    """Return the names of the contracts that a copy breaks; all contracts are checked."""
    result = subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=collections,
        env={**os.environ, "PYTHONPATH": str(collections), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(VERDICT.findall(result.stdout))
    assert sorted(verdicts) == sorted(contract_names()), result.stdout + result.stderr
    broken = [name for name, verdict in verdicts.items() if verdict == "BROKEN"]
    assert result.returncode == (1 if broken else 0), result.stdout + result.stderr
    return broken


def contract_names() -> list[str]:
    """Return every contract's name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


def test_the_tree_as_it_is_keeps_all_contracts(collections: Path) -> None:
    assert broken_contracts(collections) == []


def test_every_contract_has_a_planted_violation() -> None:
    assert {violation.contract for violation in VIOLATIONS} == set(contract_names())


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda v: f"{v.file}: {v.statement}")
def test_a_planted_violation_is_caught(collections: Path, violation: Violation) -> None:
    file = collections / "ansible_collections/edgefleet/crio/plugins" / violation.file
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as source:
        source.write(f"\n{violation.statement}\n")
    assert violation.contract in broken_contracts(collections)
