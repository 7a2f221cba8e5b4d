# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reload only when needed, and wait for what CRI-O reports, not for the return code."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pin_record import (
    read_pin_record,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.reload import (
    ReloadFailed,
    take_configuration,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.versions import why_restart
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.image_service import PULLS
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import (
    parse_crio_version,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import (
    OpenFile,
    RunningProcess,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.fake_host import (
    CONF_D,
    DROP_IN,
    IMAGES_JSON,
    JOURNAL,
    JOURNALCTL,
    PAUSE,
    Call,
    FakeHost,
    check_config,
    crio_log,
    images,
    images_json,
    pins_of,
    running_version,
    service,
    status_config,
)

RELOAD, RESTART = service("reload"), service("restart")
# CRI-O puts the pause image on its list at each start.
RESTARTED = status_config(("a", "b", PAUSE))
LATER = f"{CONF_D}/60-x"
# CRI-O has nothing of what is wanted.
DIFFERS = [status_config(), images("abc")]


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """Give a node with the images a, b and c; we once pinned a, b and c."""
    host.files[IMAGES_JSON] = images_json("abc")
    host.files[JOURNAL] = '{"event": "pin", "phase": "before", "added": ["a", "b", "c"]}\n'
    host.files[DROP_IN] = render_drop_in("ab")
    host.programs["journalctl"] = JOURNALCTL
    return host


def take(host: FakeHost, wanted: str = "ab", check_mode: bool = False, allow_restart: bool = False):
    """Have CRI-O take it, with a second's patience."""
    return take_configuration(host, DROP_IN, list(wanted), allow_restart, 1.0, check_mode)


def test_in_force(node: FakeHost) -> None:
    """What is in force is left alone."""
    node.expect(status_config("ab"), images("abc", pinned="ab"))
    result = take(node)
    assert (result.action, bool(result.before)) == ("none", False)
    assert len(node.journal()) == 1


@pytest.mark.parametrize(
    ("listed", "pinned", "unpinned", "stale", "not_loaded"),
    [
        ("ab", "a", "b", "", ""),
        ("ab", "abc", "", "c", ""),
        # Reported right, but the list in force would unpin at the next look.
        ("abc", "ab", "", "c", ""),
        ("a", "ab", "", "", "b"),
    ],
)
def test_reload(
    node: FakeHost, listed: str, pinned: str, unpinned: str, stale: str, not_loaded: str
) -> None:
    """Any deviation of what is in force leads to one reload, waited for until it shows."""
    node.expect(
        *[status_config(listed), images("abc", pinned=pinned)] * 2,
        running_version(), check_config(CONF_D), RELOAD,
        status_config(listed), images("abc", pinned=pinned),
        status_config("ab"), images("abc", pinned="ab"),
    )  # fmt: skip
    result = take(node)
    assert result.action == "reload"
    assert (result.before.unpinned, result.before.stale) == (tuple(unpinned), tuple(stale))
    assert result.before.not_loaded == tuple(not_loaded)
    assert node.slept == [0.2]
    assert [entry["event"] for entry in node.journal()[1:]] == ["reload", "reload"]
    assert node.journal()[-1]["taken"] is True


def test_what_is_gone_is_forgotten(node: FakeHost) -> None:
    """Once nobody wants it: another one's image of that name is never taken for ours."""
    node.files[IMAGES_JSON] = images_json("ab")
    node.expect(
        *[status_config("a"), images("ab", pinned="a")] * 2, running_version(), check_config(CONF_D),
        RELOAD, status_config("a"), images("ab", pinned="a"), status_config("ab"),
        images("ab", pinned="ab"),
    )  # fmt: skip
    take(node)
    entry = node.journal()[-1]
    assert (entry["event"], entry["phase"], entry["references"]) == ("forget", "after", ["c"])
    assert read_pin_record(node).known == {"a", "b"}


def test_what_is_not_there_counts_as_taken_when_listed(host: FakeHost) -> None:
    """Staged pins have no images yet."""
    host.files[DROP_IN] = render_drop_in("ab")
    host.expect(status_config("ab"), images())
    assert take(host).action == "none"


def test_check_mode(node: FakeHost) -> None:
    """It says what it would do."""
    node.expect(*DIFFERS * 2, running_version(), check_config(CONF_D))
    assert take(node, check_mode=True).action == "reload"
    assert len(node.journal()) == 1


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("1.28.0", "takes pins truly only at its start"),
        ("1.29.3", "takes pins truly only at its start"),
        ("1.29.6", "may silently unpin at a reload, and takes pins truly only at its start"),
        ("1.30.2", "may silently unpin at a reload, and takes pins truly only at its start"),
    ],
)
def test_restart_where_the_version_needs_it(node: FakeHost, version: str, why: str) -> None:
    """Only when it is allowed, and proven afterwards; such a CRI-O is never reloaded."""
    node.files["/etc/crio/crio.conf"] = ""
    checked = check_config(CONF_D, single="/etc/crio/crio.conf")
    node.expect(*DIFFERS * 2, running_version(version))
    with pytest.raises(ReloadFailed) as caught:
        take(node)
    assert str(caught.value) == (
        f"reloading CRI-O: version {version} {why}."
        " Allow the restart (pin_images_allow_restart, allow_restart), or update CRI-O."
    )
    node.expect(
        *DIFFERS * 2, running_version(version), status_config(), checked, RESTART,
        RESTARTED, images("abc", pinned="ab"),
    )  # fmt: skip
    assert take(node, allow_restart=True).action == "restart"
    assert node.slept == []


@pytest.mark.parametrize("version", ["1.29.7", "1.30.3", "1.30.6", "1.31.0", "1.36.3"])
def test_no_restart_where_a_reload_is_enough(node: FakeHost, version: str) -> None:
    """Also where it is allowed."""
    node.expect(
        *DIFFERS * 2, running_version(version), check_config(CONF_D), RELOAD,
        status_config("ab"), images("abc", pinned="ab"),
    )  # fmt: skip
    assert take(node, allow_restart=True).action == "reload"


PULLING = "/var/tmp/container_images_storage5/1"


class PullingHost(FakeHost):
    """Somebody's pull has a layer in flight, for so many looks."""

    looks = 0

    def open_files(self, parts: Sequence[str]) -> tuple[OpenFile, ...]:
        """See Host."""
        self.looks -= 1
        return super().open_files(parts) if self.looks >= 0 else ()


def restarting(looks: int) -> PullingHost:
    """Return a node that must be restarted, and on which a pull ends at some look."""
    node = PullingHost({IMAGES_JSON: images_json("abc"), DROP_IN: render_drop_in("ab")})
    node.files[PULLING] = "x"
    node.running = [RunningProcess(46, "crio", 0.0), RunningProcess(47, "podman", 0.0)]
    node.opened = [OpenFile(PULLING, 46, 9, 1)]
    node.looks = looks
    node.expect(*DIFFERS * 2, running_version("1.28.1"), status_config())
    return node


def test_a_restart_waits_for_pulls() -> None:
    """It would cost others what they fetched."""
    node = restarting(looks=2)
    node.expect(check_config(CONF_D), RESTART, RESTARTED, images("abc", pinned="ab"))
    assert take(node, allow_restart=True).action == "restart"
    assert node.slept == [0.2, 0.2]
    # One of ours that a killed run left going holds no turn.
    assert node.ends == [PULLS]
    node.assert_all_called()


def test_a_pull_that_goes_on() -> None:
    """After the time that CRI-O may take, the run says which, and restarts nothing."""
    node = restarting(looks=99)
    with pytest.raises(ReloadFailed) as caught:
        take(node, allow_restart=True)
    assert str(caught.value) == (
        "restarting CRI-O: somebody's pull is in flight after 1 s"
        " (/var/tmp/container_images_storage5). Run again when it has ended."
    )
    node.assert_all_called()
    assert node.journal() == []


def test_pulls_of_other_programs_outlive_a_restart() -> None:
    """They are not CRI-O's."""
    node = restarting(looks=99)
    node.opened = [OpenFile(PULLING, 47, 9, 1)]
    node.expect(check_config(CONF_D), RESTART, RESTARTED, images("abc", pinned="ab"))
    assert take(node, allow_restart=True).action == "restart"


def test_what_another_run_did_meanwhile(node: FakeHost) -> None:
    """Whoever had the turn before may have had CRI-O take it already."""
    node.expect(*DIFFERS, status_config("ab"), images("abc", pinned="ab"))
    assert take(node).action == "none"
    node.assert_all_called()
    assert len(node.journal()) == 1


@pytest.mark.parametrize(
    ("last", "left"),
    [
        ("ab", ""),
        ("acd", ", as a run left it at then"),
    ],
)
def test_a_drop_in_that_another_run_wrote(node: FakeHost, last: str, left: str) -> None:
    """CRI-O is not waited for, which reads other pins there: that is said, and who had it last."""
    node.files[DROP_IN] = render_drop_in("acd")
    node.files[JOURNAL] = (
        json.dumps({"event": "pin", "phase": "before", "added": list(last)})
        + '\n{"time": "then", "event": "pin", "phase": "after"}\n'
    )
    node.expect(*DIFFERS * 2, running_version(), check_config(CONF_D))
    with pytest.raises(ReloadFailed) as caught:
        take(node)
    assert str(caught.value) == (
        f"reloading CRI-O: {DROP_IN} does not list b{left}."
        " Another run or a hand changed it; see who, and run again."
    )
    assert node.slept == []


def test_a_file_that_breaks_while_pulls_are_waited_for() -> None:
    """CRI-O is not restarted into it."""
    node = restarting(looks=2)
    node.expect(check_config(CONF_D, rc=1, stderr='level=fatal msg="toml: x"'))
    with pytest.raises(EdgefleetError, match="checking CRI-O's configuration: toml: x"):
        take(node, allow_restart=True)
    node.assert_all_called()
    assert node.journal() == []


def lists_at_start(old: list[str], new: list[str]) -> list[str]:
    """Return what pkg/config/reload.go of 1.28.0 to 1.29.3 has in force: the service's first list."""
    del new
    return old


def lists_by_place(old: list[str], new: list[str]) -> list[str]:
    """Return what ReloadPinnedImages of 1.29.4 to 1.29.6 and 1.30.0 to 1.30.2 makes of them."""
    updated, changed = [""] * len(new), False
    for place, image in enumerate(new):
        if place >= len(old) or image != old[place]:
            updated[place], changed = image, True
    return updated if changed else old


def lists_truly(old: list[str], new: list[str]) -> list[str]:
    """Return what ReloadPinnedImages makes of them since 1.29.7, 1.30.3 and 1.31.0."""
    return old if sorted(old) == sorted(new) else new


SOURCES = {
    "1.28.0": lists_at_start, "1.29.3": lists_at_start, "1.29.4": lists_by_place,
    "1.29.6": lists_by_place, "1.29.7": lists_truly, "1.30.0": lists_by_place,
    "1.30.2": lists_by_place, "1.30.3": lists_truly, "1.31.0": lists_truly,
}  # fmt: skip


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_the_table_against_the_source(old: set[str], new: set[str]) -> None:
    """Where it says that a reload is enough, the source has the new list in force after it."""
    for version, reloaded in SOURCES.items():
        if not why_restart(parse_crio_version(f"crio version {version}")):
            assert set(reloaded(sorted(old), sorted(new))) == new


@pytest.mark.parametrize("version", [one for one in SOURCES if SOURCES[one] is not lists_truly])
def test_what_such_versions_do_at_a_reload(version: str) -> None:
    """One image more in the set: what was pinned is not any more, or what is new is not yet."""
    assert why_restart(parse_crio_version(f"crio version {version}"))
    assert set(SOURCES[version](["a", "b"], ["a", "b", "c"])) != {"a", "b", "c"}


def never_taken(log: str) -> list[Call]:
    """Return a reload after which nothing happens for a second."""
    same = [status_config("a"), images("abc", pinned="c")]
    taking = [running_version(), check_config(CONF_D), RELOAD]
    return [*same * 2, *taking, *same * 6, crio_log(1000, log)]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "CRI-O logged nothing about it."),
        (
            'time="x" level=info msg="no"\ntime="x" level=error msg="Reload failed: x"\n',
            'CRI-O logged: level=error msg="Reload failed: x',
        ),
        (
            'time="x" level=info msg="Skipping not-existing config path \\"\\""\n',
            f"CRI-O started without {CONF_D} and must be restarted to read it.",
        ),
    ],
)
def test_not_taken(node: FakeHost, log: str, said: str) -> None:
    """It fails with which are not, and what CRI-O said."""
    node.expect(*never_taken(log))
    with pytest.raises(ReloadFailed) as caught:
        take(node)
    message = str(caught.value)
    assert "waiting for CRI-O's reload: after 1 s: 2 not reported pinned (a, b); " in message
    assert "1 still reported pinned (c); 1 not in its list (b)." in message
    assert said in message
    assert node.journal()[-1]["taken"] is False


def test_another_file_wins(node: FakeHost) -> None:
    """The file that is read later is named."""
    node.files[LATER] = 'pinned_images = ["x"]'
    first, second, *rest = never_taken("")
    surveyed = pins_of(LATER, ["x"])
    node.expect(surveyed, first, second, surveyed, *rest)
    with pytest.raises(ReloadFailed, match=f"Its pins come from {LATER}"):
        take(node)


def test_without_journalctl(node: FakeHost) -> None:
    """A node without journald has nothing to quote."""
    del node.programs["journalctl"]
    node.expect(*never_taken("")[:-1])
    with pytest.raises(ReloadFailed, match="CRI-O logged nothing about it"):
        take(node)


def test_without_systemctl(node: FakeHost) -> None:
    """It is said what is needed."""
    del node.programs["systemctl"]
    node.expect(*DIFFERS * 2, running_version(), check_config(CONF_D))
    with pytest.raises(EdgefleetError, match="looking for systemctl: it is not installed"):
        take(node)


def test_a_foreign_pin_is_not_stale(node: FakeHost) -> None:
    """What an earlier file pins, when we pin nothing any more, stays pinned rightly."""
    earlier = f"{CONF_D}/40-x"
    del node.files[DROP_IN]
    node.files[earlier] = 'pinned_images = ["c"]'
    node.expect(pins_of(earlier, ["c"]), status_config("c"), images("abc", pinned="c"))
    assert take(node, wanted="").action == "none"
