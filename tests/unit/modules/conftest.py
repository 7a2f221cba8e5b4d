# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's main() as Ansible does, on a node that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.edgefleet.crio.plugins.modules import (
    crio_pinned_file,
    crio_reload,
    image_content,
    image_content_info,
    image_store_info,
    node_storage_check,
    pinned_image_set,
    pinned_image_set_info,
)
from unit.fake_host import FakeHost

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:
    # ansible-core before 2.19.
    patch_module_args = None

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        crio_pinned_file,
        crio_reload,
        image_content,
        image_content_info,
        image_store_info,
        node_storage_check,
        pinned_image_set,
        pinned_image_set_info,
    )
}


@pytest.fixture
def run_module(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Return what runs a module by its name and returns its result."""

    def run(name: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        module = MODULES[name]
        (kind,) = {"LocalHost", "LocalReader", "LocalContentHost"} & set(vars(module))
        monkeypatch.setattr(module, kind, lambda: host)
        arguments = {"_ansible_diff": True, **options}
        arguments.update({"_ansible_check_mode": check_mode, "_ansible_remote_tmp": "/tmp"})
        with pytest.raises(SystemExit) as ended:
            _main(module, arguments, monkeypatch)
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (ended.value.code != 0) == bool(result.get("failed"))
        assert "\n" not in result.get("msg", "")
        return result

    return run


def _main(module: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    if patch_module_args:
        with patch_module_args(arguments):
            module.main()
    else:
        text = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", text.encode())
        module.main()
