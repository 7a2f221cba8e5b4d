# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask registries, through skopeo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import lock
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.lock import (
    Resolution,
    Unresolved,
    resolve,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import LockedPlatform
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from unit.fake_host import SKOPEO, Call, FakeHost

AMD, ARM = "linux/amd64", "linux/arm64"


class Image:
    """A document as a registry has it."""

    def __init__(self, name: str, document: Any) -> None:
        """Name it by its digest."""
        self.text = json.dumps(document)
        self.digest = f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"
        self.reference = f"example.com/{name}@{self.digest}"

    def call(self, *auth: str, text: str | None = None) -> Call:
        """Return the question for its manifest."""
        return inspect("--raw", *auth, self.reference, stdout=self.text if text is None else text)

    def config(self, architecture: str) -> Call:
        """Return the question for its configuration."""
        config = json.dumps({"os": "linux", "architecture": architecture})
        return inspect("--config", "--raw", self.reference, stdout=config)


def inspect(*words: str, stdout: str = "", stderr: str = "") -> Call:
    """Return a call of skopeo."""
    *options, reference = words
    argv = (SKOPEO, "--command-timeout", "60s", "inspect", *options, f"docker://{reference}")
    return Call(argv, stdout=stdout, stderr=stderr, rc=1 if stderr else 0)


def manifest(name: str, *layers: tuple[str, int]) -> Image:
    """Return an image for one platform."""
    return Image(name, {"layers": [{"digest": digest, "size": size} for digest, size in layers]})


APP = manifest("app", ("l1", 10), ("l2", 20))
ON_ARM = manifest("both", ("l3", 30))
ON_AMD = manifest("both", ("l1", 10))
BOTH = Image(
    "both",
    {
        "manifests": [
            {"digest": ON_ARM.digest, "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": ON_AMD.digest, "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    },
)


def ask(
    host: FakeHost, *images: Image, platforms: tuple[str, ...] = (AMD,), auth: str = ""
) -> Resolution:
    """Resolve the references of images."""
    seen: list[int] = []
    found = resolve(host, [one.reference for one in images], platforms, auth, seen.append)
    assert seen == list(range(1, len(images) + 1))
    return found


def test_single_manifest(host: FakeHost) -> None:
    """Its layers with sizes; its configuration says for which platform it is."""
    host.expect(APP.call(), APP.config("amd64"))
    found = ask(host, APP)
    assert found.resolved == {APP.reference: {AMD: LockedPlatform(APP.digest, ("l1", "l2"))}}
    assert found.layers == {"l1": LockedLayer(10), "l2": LockedLayer(20)}
    assert found.unresolved == ()


def test_index(host: FakeHost) -> None:
    """Only the manifests of the platforms asked for are read."""
    host.expect(BOTH.call(), ON_AMD.call())
    assert ask(host, BOTH).resolved[BOTH.reference] == {AMD: LockedPlatform(ON_AMD.digest, ("l1",))}
    host.expect(BOTH.call(), ON_AMD.call(), ON_ARM.call())
    both = ask(host, BOTH, platforms=(AMD, ARM))
    assert both.resolved[BOTH.reference][ARM] == LockedPlatform(ON_ARM.digest, ("l3",))
    assert both.layers == {"l1": LockedLayer(10), "l3": LockedLayer(30)}


def test_auth_file(host: FakeHost) -> None:
    """Its path is handed on, never its content."""
    nested = inspect("--config", "--raw", "--authfile", "/a.json", APP.reference, stdout="{}")
    host.expect(APP.call("--authfile", "/a.json"), nested)
    found = ask(host, APP, auth="/a.json")
    assert found.unresolved[0].message == "the image was built for / only"


@pytest.mark.parametrize(
    ("image", "calls", "cause", "message"),
    [
        (
            APP,
            [
                inspect(
                    "--raw", APP.reference, stderr='time="x" level=fatal msg="manifest unknown"\n'
                )
            ],
            "not_found",
            "manifest unknown",
        ),
        (
            APP,
            [inspect("--raw", APP.reference, stderr="dial tcp: connection refused")],
            "unreachable",
            "dial tcp: connection refused",
        ),
        (APP, [APP.call(text="{}")], "corrupt", "what the registry served does not match"),
        (
            APP,
            [APP.call(), inspect("--config", "--raw", APP.reference, stdout="<html>")],
            "corrupt",
            "it is no JSON, ",
        ),
        (
            APP,
            [APP.call(), APP.config("arm64")],
            "not_found",
            "the image was built for linux/arm64",
        ),
    ],
)
def test_unresolved(
    host: FakeHost, image: Image, calls: list[Call], cause: str, message: str
) -> None:
    """The cause has the class that a failed pull would have."""
    host.expect(*calls)
    (one,) = ask(host, image).unresolved
    assert (one.reference, one.cause) == (image.reference, cause)
    assert message in one.message


def test_an_index_in_an_index(host: FakeHost) -> None:
    """It is refused."""
    inner = Image("deep", {"manifests": []})
    listed = [{"digest": inner.digest, "platform": {"os": "linux", "architecture": "amd64"}}]
    outer = Image("deep", {"manifests": listed})
    host.expect(outer.call(), inner.call())
    expected = Unresolved(outer.reference, "corrupt", "an index lies inside an index")
    assert ask(host, outer).unresolved == (expected,)


def test_several_at_once(host: FakeHost, pool_sizes: Callable[[ModuleType], list[int]]) -> None:
    """Eight questions at a time, and answers under the right name, in the order asked for."""
    sizes = pool_sizes(lock)
    wanted = [manifest(f"app{number}", (f"l{number}", number)) for number in range(3)]
    failed = [inspect("--raw", one.reference, stderr="manifest unknown") for one in wanted[:2]]
    host.expect_in_any_order(*failed, wanted[2].call()).expect(wanted[2].config("amd64"))
    found = ask(host, *wanted)
    assert [one.reference for one in found.unresolved] == [one.reference for one in wanted[:2]]
    assert (list(found.resolved), found.layers) == ([wanted[2].reference], {"l2": LockedLayer(2)})
    assert sizes == [8]


def test_no_skopeo(host: FakeHost) -> None:
    """It is said what is needed."""
    del host.programs["skopeo"]
    with pytest.raises(EdgefleetError, match="looking for skopeo: it is not installed"):
        resolve(host, [], [AMD], "", print)
