# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a node."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.look import look_at
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from unit.fake_host import (
    CRICTL,
    CRIO,
    DROP_IN,
    IMAGES_JSON,
    JOURNAL,
    FakeHost,
    crictl,
    daemon_down,
    images,
    images_json,
    pins_of,
    status_config,
)

LATER = "/etc/crio/crio.conf.d/60-x"


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """Give a node with the images a, b and c, of which a and b are committed; we once pinned c."""
    host.files.update(
        {
            IMAGES_JSON: images_json("abc"),
            DROP_IN: render_drop_in("ab"),
            JOURNAL: '{"event": "pin", "phase": "before", "added": ["a", "b", "c"]}\n',
        }
    )
    return host


def kinds(look) -> list[tuple[str, str]]:
    """Return the deviations by kind and subject."""
    return [(one.kind, one.subject) for one in look.deviations]


def test_converged(node: FakeHost) -> None:
    """Two questions to CRI-O, nothing written; what we once pinned and is still there is named."""
    node.expect(status_config("ab"), images("abc", pinned="ab"))
    look = look_at(node, DROP_IN, ["a", "b"], "fail")
    assert (look.deviations, look.removable, look.platform) == ((), ("c",), "linux/amd64")
    assert [event[0] for event in node.events] == ["run", "run"]
    assert node.events[0][1].startswith(CRIO)
    assert node.events[1][1].startswith(CRICTL)


def test_every_kind(node: FakeHost) -> None:
    """File, override, missing, unpinned, stale."""
    node.files[LATER] = 'pinned_images = ["c*"]'
    node.files[DROP_IN] = "# mine\n"
    node.expect(pins_of(LATER, ["x"]), status_config("ab"), images("abc", pinned="bc"))
    look = look_at(node, DROP_IN, ["a", "b", "d"], "fail")
    assert kinds(look) == [
        ("file_differs", DROP_IN),
        ("overridden", LATER),
        ("unpinned", "a"),
        ("missing", "d"),
        ("stale_pin", "c"),
    ]
    assert look.deviations[-1].detail == "CRI-O reports it pinned, no set wants it"


def test_what_can_be_removed_is_sorted(host: FakeHost) -> None:
    """The same node gives the same answer; what is gone from the store is not named."""
    host.files[IMAGES_JSON] = images_json("zyxwvuts")
    host.files[JOURNAL] = '{{"event": "pin", "phase": "before", "added": [{}]}}\n'.format(
        ", ".join(f'"{one}"' for one in "abxsuvwyzt")
    )
    host.expect(status_config(), images("zyxwvuts"))
    assert look_at(host, DROP_IN, ["z"], "fail").removable == tuple("stuvwxy")


def test_what_another_file_pins_is_not_stale(node: FakeHost) -> None:
    """And where nothing is wanted, nothing can be overridden."""
    node.files[LATER] = 'pinned_images = ["c"]'
    node.expect(pins_of(LATER, ["c"]), status_config("ab"), images("abc", pinned="abc"))
    assert kinds(look_at(node, DROP_IN, ["a", "b"], "fail")) == [("overridden", LATER)]
    node.files.pop(DROP_IN)
    node.expect(pins_of(LATER, ["c"]), status_config("c"), images("abc", pinned="c"))
    assert kinds(look_at(node, DROP_IN, [], "fail")) == []
    earlier = "/etc/crio/crio.conf.d/40-x"
    node.files[earlier] = node.files.pop(LATER)
    node.expect(pins_of(earlier, ["c"]), status_config("c"), images("abc", pinned="c"))
    assert kinds(look_at(node, DROP_IN, [], "fail")) == []


@pytest.mark.parametrize("folder", ["/etc", "/run"])
def test_a_masked_unit(node: FakeHost, folder: str) -> None:
    """It is empty, or leads to where nothing is read; one that somebody wrote is no mask."""
    unit = f"{folder}/systemd/system/crio.service"
    for text, found in (("", [("masked", unit)]), ("[Service]\n", [])):
        node.files[unit] = text
        node.expect(status_config("ab"), images("abc", pinned="ab"))
        assert kinds(look_at(node, DROP_IN, ["a", "b"], "fail")) == found


@pytest.mark.parametrize("at", ["config", "images"])
def test_a_daemon_that_does_not_answer(node: FakeHost, at: str) -> None:
    """It is a deviation; what the store holds is then not guessed at."""
    down = crictl("images", "-o", "json", rc=1, stderr='level=fatal msg="no such file"')
    node.expect(*([daemon_down()] if at == "config" else [status_config(), down]))
    look = look_at(node, DROP_IN, ["a", "b"], "fail")
    assert kinds(look) == [("daemon_unreachable", "unix:///var/run/crio/crio.sock")]
    assert "CRI-O must be running" in look.deviations[0].detail
    assert look.removable == ()


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm"),
        ("i686", "linux/386"),
        ("s390x", "linux/s390x"),
    ],
)
def test_platform(
    node: FakeHost, monkeypatch: pytest.MonkeyPatch, machine: str, platform: str
) -> None:
    """As images name it."""
    monkeypatch.setattr(node, "machine", lambda: machine)
    node.expect(status_config("ab"), images("abc", pinned="ab"))
    assert look_at(node, DROP_IN, ["a", "b"], "fail").platform == platform


def test_pins_that_were_merged(node: FakeHost) -> None:
    """What an earlier file pins belongs into the drop-in where it was merged, and only there."""
    earlier = "/etc/crio/crio.conf.d/40-x"
    node.files[earlier] = 'pinned_images = ["c*"]'
    node.files[DROP_IN] = render_drop_in(["a", "b", "c*"])
    asked = (pins_of(earlier, ["c*"]), status_config(["a", "b", "c*"]), images("abc", pinned="abc"))
    node.expect(*asked)
    assert kinds(look_at(node, DROP_IN, ["a", "b"], "merge")) == []
    node.expect(*asked)
    assert kinds(look_at(node, DROP_IN, ["a", "b"], "fail")) == [("staged", DROP_IN)]


def test_a_list_that_nobody_noted(node: FakeHost) -> None:
    """What CRI-O still has in its list, and no file any more, is stale without any journal."""
    del node.files[DROP_IN], node.files[JOURNAL]
    node.expect(status_config("ab"), images("abc", pinned="ab"))
    look = look_at(node, DROP_IN, [], "fail")
    assert kinds(look) == [("stale_pin", "a"), ("stale_pin", "b")]


@pytest.mark.parametrize("path", ["/tmp/50-x", "/etc/crio/crio.conf.d/sub/50-x", "/etc/crio/50-x"])
def test_a_drop_in_at_another_place(node: FakeHost, path: str) -> None:
    """What could not be checked with the others is refused, before CRI-O is asked anything."""
    with pytest.raises(EdgefleetError, match=f"{path} does not lie directly in"):
        look_at(node, path, ["a"], "fail")
    assert node.events == []
