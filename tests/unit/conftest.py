# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import settings
from unit.fake_host import FakeHost

_DOC_FRAGMENTS = "ansible_collections.edgefleet.crio.plugins.doc_fragments"
# The same examples every time, and no deadline on machines that are shared.
settings.register_profile("gates", derandomize=True, deadline=None)
settings.load_profile("gates")


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """Give a node that is not there, and see that every expected command came."""
    fake = FakeHost()
    yield fake
    fake.assert_all_called()


@pytest.fixture
def pool_sizes(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[int]]:
    """Return what makes a list into which each thread pool of a module puts its size."""

    def listen(module: ModuleType) -> list[int]:
        sizes: list[int] = []

        class Pool(ThreadPoolExecutor):
            def __init__(self, max_workers: int) -> None:
                sizes.append(max_workers)
                super().__init__(max_workers)

        monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
        return sizes

    return listen


@pytest.fixture
def documented_options() -> Callable[[Any], dict[str, Any]]:
    """Return what turns a module's documentation, with its fragments, into an argument spec."""
    return _documented_options


def _documented_options(module: Any) -> dict[str, Any]:
    document = yaml.safe_load(module.DOCUMENTATION)
    options: dict[str, Any] = {}
    for fragment in document.get("extends_documentation_fragment", ()):
        file, _dot, part = fragment.removeprefix("edgefleet.crio.").partition(".")
        fragments = import_module(f"{_DOC_FRAGMENTS}.{file}").ModuleDocFragment
        text = getattr(fragments, part.upper() or "DOCUMENTATION")
        options.update(yaml.safe_load(text).get("options", {}))
    for name, option in document["options"].items():
        options[name] = {**options.get(name, {}), **option}
    return _argument_spec(options)


def _argument_spec(options: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name, option in options.items():
        spec[name] = {key: value for key, value in option.items() if key != "description"}
        if "suboptions" in option:
            spec[name]["options"] = _argument_spec(spec[name].pop("suboptions"))
    return spec
