# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries serve, asked for once."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.manifests import Manifests
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    CommandFailed,
    HostError,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import (
    classify_failure,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import Manifest
from unit.fake_host import FakeHost
from unit.registry_images import CACHE, inspect, manifest

APP = manifest("app")
PLACE = f"{CACHE}/example.com/app/{APP.digest.replace(':', '-')}"


def registry(host: FakeHost, ask: bool = False) -> Manifests:
    """Return what a run has."""
    return Manifests(host, Skopeo(host, ""), CACHE, ask=ask)


def test_once_in_its_life(host: FakeHost) -> None:
    """The second run reads what the first one kept."""
    host.expect(APP.call())
    assert registry(host).manifest(APP.reference) == APP.text
    assert host.files == {PLACE: APP.text}
    assert host.scratches == [f"{PLACE}.new"]
    assert host.events[-1] == ("write", f"{PLACE} 644")
    assert registry(host).manifest(APP.reference) == APP.text


@pytest.mark.parametrize("torn", ["", APP.text[:-1], "{}"])
def test_torn(host: FakeHost, torn: str) -> None:
    """What is not what its digest says is asked for again, and replaced."""
    host.files[PLACE] = torn
    host.expect(APP.call())
    assert registry(host).manifest(APP.reference) == APP.text
    assert host.files[PLACE] == APP.text


def test_of_one_repository(host: FakeHost) -> None:
    """Another repository may lack what one had."""
    host.files[PLACE] = APP.text
    other = f"example.com/other@{APP.digest}"
    host.expect(inspect("--raw", other, stderr="manifest unknown"))
    with pytest.raises(EdgefleetError, match="manifest unknown"):
        registry(host).manifest(other)


def test_asking(host: FakeHost) -> None:
    """Registries are asked whatever is kept, once."""
    host.files[PLACE] = APP.text
    host.expect(APP.call())
    asking = registry(host, ask=True)
    assert asking.manifest(APP.reference) == asking.manifest(APP.reference) == APP.text


def test_a_tag(host: FakeHost) -> None:
    """Asked for once a run; its manifest then is there by digest."""
    host.expect(APP.call(tag="v1"))
    asking = registry(host, ask=True)
    assert asking.digest("example.com/app:v1") == asking.digest("example.com/app:v1") == APP.digest
    assert asking.manifest(APP.reference) == APP.text
    host.expect(APP.call(tag="v1"))
    assert registry(host).digest("example.com/app:v1") == APP.digest
    # Where the tag has not moved, the disk is not waited for again.
    assert [name for name, _detail in host.events].count("write") == 1


def test_configuration(host: FakeHost) -> None:
    """Kept by its own digest."""
    described = Manifest("sha256:" + "1" * 64, ())
    host.expect(APP.config(), APP.config())
    assert registry(host).config(APP.reference, described)["os"] == "linux"
    assert registry(host).config(APP.reference, described)["architecture"] == "amd64"
    assert host.files == {}


def test_nowhere_to_keep(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locking goes on."""

    def refuse(*_args: object) -> None:
        raise HostError("writing", "read-only file system")

    monkeypatch.setattr(host, "write_atomic", refuse)
    host.expect(APP.call())
    asking = registry(host)
    assert asking.manifest(APP.reference) == asking.manifest(APP.reference) == APP.text


def test_what_cannot_be_read_there(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another user left is replaced where the folder allows it."""
    host.files[PLACE] = APP.text

    def refuse(path: str) -> None:
        raise HostError(f"reading {path}", "permission denied")

    monkeypatch.setattr(host, "read", refuse)
    host.expect(APP.call(tag="v1"))
    assert registry(host).digest("example.com/app:v1") == APP.digest
    assert host.events[-1] == ("write", f"{PLACE} 644")


BROKEN = 'Get "https://example.com/v2/": read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset'
UPSTREAM = (
    "reading manifest v1 in example.com/app: received unexpected HTTP status: 502 Bad Gateway"
)


@pytest.mark.parametrize("said", [BROKEN, UPSTREAM, 'Get "https://example.com/v2/": EOF'])
def test_what_passes(host: FakeHost, said: str) -> None:
    """One answer in two hundred that is none costs a second, and not the lock."""
    host.expect(inspect("--raw", APP.reference, stderr=said), APP.call())
    assert registry(host).manifest(APP.reference) == APP.text
    assert host.slept == [1.0]
    host.assert_all_called()


def test_what_does_not_pass(host: FakeHost) -> None:
    """After the third time it is told, and counts once."""
    failed = [inspect("--raw", APP.reference, stderr=UPSTREAM)] * 3
    asking = registry(host, ask=True)
    for _silence in range(8):
        host.expect(*failed)
        host.slept.clear()
        with pytest.raises(CommandFailed, match="502 Bad Gateway"):
            asking.manifest(APP.reference)
        assert host.slept == [1.0, 2.0]
        host.assert_all_called()
    with pytest.raises(CommandFailed, match="not asked, as example"):
        asking.manifest(APP.reference)


@pytest.mark.parametrize(
    "said",
    [
        "manifest unknown",
        "unauthorized: authentication required",
        "dial tcp 10.0.0.1:443: connect: connection refused",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "read tcp 10.0.0.2:1->10.0.0.1:443: i/o timeout",
        "context deadline exceeded",
    ],
)
def test_what_is_not_worth_another_try(host: FakeHost, said: str) -> None:
    """An answer is one, and whoever is down or silent makes everybody wait."""
    host.expect(inspect("--raw", APP.reference, stderr=said))
    with pytest.raises(CommandFailed):
        registry(host).manifest(APP.reference)
    assert host.slept == []


def test_a_registry_that_stays_silent(host: FakeHost) -> None:
    """After eight silences in a row nothing more is asked of it; an answer between them counts."""
    silent, others = "dial tcp 10.0.0.1:443: i/o timeout", [manifest(str(n)) for n in range(17)]
    said = [silent] * 7 + ["manifest unknown"] + [silent] * 8
    calls = zip(others, said, strict=False)
    host.expect(*(inspect("--raw", one.reference, stderr=why) for one, why in calls))
    asking = registry(host)
    causes = []
    for one in others:
        with pytest.raises(CommandFailed) as caught:
            asking.manifest(one.reference)
        causes.append(caught.value.cause)
    host.assert_all_called()
    assert causes[-1] == f"not asked, as example.com did not answer 8 times in a row: {silent}"
    assert classify_failure(causes[-1]) == "unreachable"
