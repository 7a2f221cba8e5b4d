# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each node, as a value and as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import CAUSES
from ansible_collections.edgefleet.crio.plugins.plugin_utils.remedies import remedy_for
from ansible_collections.edgefleet.crio.plugins.plugin_utils.report import (
    node_lines,
    node_report,
    wanted_lines,
)

A, B = "example.com/a@d", "example.com/b@d"
CONVERGED = {"converged": True, "wanted": 2, "missing": [], "removable": []}
LACKING = {"converged": False, "wanted": 2, "missing": [A, B], "removable": []}


def image(reference: str, outcome: str, **details: Any) -> dict[str, Any]:
    """Return an outcome as the modules return it."""
    return {"reference": reference, "outcome": outcome, "cause": "", "message": "", **details}


NOT_FOUND = image(B, "failed", cause="not_found", message="manifest unknown", bytes=7)


def report(look: Any = None, failure: Any = None, check_mode: bool = False, **steps: Any) -> Any:
    """Return the report of a node with these results."""
    return node_report({"__pin_images_look": look or {}, **steps}, failure or {}, True, check_mode)


@pytest.mark.parametrize(
    ("node", "state", "line"),
    [
        (report(CONVERGED), "converged", "2 images present and pinned"),
        (
            report(
                LACKING,
                image_pull_result={
                    "images": [image(A, "pulled", bytes=1_500_000), image(B, "present", bytes=0)]
                },
            ),
            "changed",
            "2 images present and pinned, 1 pulled, 1.5 MB",
        ),
        (
            report(
                LACKING,
                check_mode=True,
                image_pull_result={
                    "images": [
                        image(A, "would_pull", bytes=1_500_000),
                        image(B, "present", bytes=0),
                    ]
                },
            ),
            "would change",
            "1 of 2 images would be pulled, 1.5 MB",
        ),
        (report(LACKING, {"msg": "no crictl"}), "failed", "no crictl"),
        (
            report(LACKING, {"msg": "x"}, image_pull_result={"images": [NOT_FOUND]}),
            "failed",
            "1 of 2 images failed (not_found)",
        ),
        (
            report(
                LACKING,
                {"msg": "x"},
                image_pull_result={"images": [NOT_FOUND]},
                pin_dropin_result={"kept": ["old", "older"]},
            ),
            "failed",
            "1 of 2 images failed (not_found); old pins still staged: 2 (until a run can finish)",
        ),
        (
            report(
                {**CONVERGED, "removable": ["r", "s"]},
                image_pull_removal_result={"images": [image("r", "removed"), image("s", "left")]},
            ),
            "changed",
            "2 images present and pinned, 1 removed, 1 left",
        ),
        (
            report(
                {**CONVERGED, "removable": ["r"]},
                check_mode=True,
                image_pull_removal_result={"images": [image("r", "would_remove")]},
            ),
            "would change",
            "1 image would be removed",
        ),
        (report({**CONVERGED, "wanted": 0}), "converged", "nothing pinned"),
        (report({"converged": False, "wanted": 0}), "changed", "nothing pinned"),
        (
            report({"converged": False, "wanted": 0}, check_mode=True),
            "would change",
            "the drop-in would be removed",
        ),
        (
            report(
                {
                    "converged": False,
                    "wanted": 0,
                    "deviations": [{"kind": "staged", "subject": "/f"}],
                },
                check_mode=True,
                pin_dropin_result={"changed": True, "withdrawn": [A, B]},
            ),
            "would change",
            "everything would be unpinned, 2 pins",
        ),
        (
            report(
                {
                    **LACKING,
                    "missing": [],
                    "deviations": [{"kind": "file_differs", "subject": "/f"}],
                },
                check_mode=True,
                pin_dropin_result={"changed": True, "withdrawn": []},
            ),
            "would change",
            "the drop-in would be written",
        ),
        (report({**CONVERGED, "wanted": 1}), "converged", "1 image present and pinned"),
        (
            report(
                {**LACKING, "wanted": 1}, {"msg": "x"}, image_pull_result={"images": [NOT_FOUND]}
            ),
            "failed",
            "1 of 1 image failed (not_found)",
        ),
        (report({"unreachable": True, "msg": "local:\n gone"}), "unreachable", "local: gone"),
        (
            report(
                LACKING,
                {"msg": "Task failed: Action failed: cut"},
                image_pull_result={"unreachable": True, "msg": "cut"},
            ),
            "unreachable",
            "cut",
        ),
        (report(), "failed", "it was never asked; see the messages above"),
        (
            report(LACKING, {"msg": "Task failed: Module failed: Action failed: x"}),
            "failed",
            "Module failed: x",
        ),
        (
            report(
                {**LACKING, "wanted": 9},
                {"msg": "x"},
                image_pull_result={
                    "images": [
                        image(f"{number}", "failed", cause=cause)
                        for number, cause in enumerate(
                            ("tls", "timeout", "no_space", "corrupt", "tls", "io_error")
                        )
                    ]
                },
            ),
            "failed",
            "6 of 9 images failed (corrupt, io_error, no_space, timeout, tls)",
        ),
        (report(LACKING, {"rc": 1}), "failed", ""),
    ],
)
def test_state_and_line(node: dict[str, Any], state: str, line: str) -> None:
    """One line says it."""
    assert node["state"] == state
    assert node_lines({"node1": node})[0] == f"node1  {state:<12}  {line}"


@pytest.mark.parametrize(
    "said",
    [
        "future feature annotations is not defined",
        "ansible-core requires a minimum of Python2 version 2.7 or Python3 version 3.8",
        "SyntaxError: invalid syntax",
        "ImportError: cannot import name 'Protocol' from 'typing'",
    ],
)
@pytest.mark.parametrize("key", ["msg", "module_stderr", "module_stdout"])
def test_a_python_that_is_too_old(said: str, key: str) -> None:
    """It is said in plain words, wherever ansible-core put the traceback."""
    node = report(None, {"msg": "MODULE FAILURE", key: f"Traceback:\n{said}\n"})
    assert node["message"] == (
        "its Python is too old. Python 3.8 or newer is needed (ansible_python_interpreter)."
    )


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_node_that_went_well_has_no_message(check_mode: bool) -> None:
    """Nor has one that will go well."""
    for look in (CONVERGED, LACKING):
        assert report(look, check_mode=check_mode)["message"] == ""
    assert report()["wanted"] == 0


def test_images_that_are_not_simply_present() -> None:
    """With the bytes that they brought; what was pulled is summed."""
    node = report(
        {**LACKING, "removable": ["r"]},
        image_pull_result={"images": [image(A, "pulled", bytes=1_500_000), NOT_FOUND]},
        image_pull_removal_result={"images": [image("r", "removed")]},
    )
    assert (node["wanted"], node["pulled"], node["bytes"]) == (2, 1, 1_500_000)
    assert [(one["reference"], one["outcome"], one["bytes"]) for one in node["images"]] == [
        (A, "pulled", 1_500_000), (B, "failed", 7), ("r", "removed", 0),
    ]  # fmt: skip


def test_results_of_an_earlier_run_do_not_count() -> None:
    """In one process a playbook may pin, and verify later."""
    earlier = {
        "image_pull_result": {"images": [image(A, "pulled")]},
        "image_pull_removal_result": {"images": [image(A, "removed")]},
    }
    assert report(CONVERGED, **earlier)["images"] == []
    lost = {"unreachable": True, "msg": "cut"}
    assert report(LACKING, image_pull_result=lost)["state"] == "changed"
    # The look found it whole, and then into its layers it was not reached.
    deep = report(CONVERGED, {"msg": "Task failed: cut"}, __pin_images_content=lost)
    assert (deep["state"], deep["message"]) == ("unreachable", "cut")
    full = report(LACKING, {"msg": "no space"}, image_pull_result=lost)
    assert (full["state"], full["message"]) == ("failed", "no space")
    gone = report(CONVERGED, pin_dropin_result={"unreachable": True, "kept": ["old"]})
    assert (gone["state"], gone["staged"]) == ("converged", [])
    assert report({**LACKING, "missing": []}, **earlier)["images"] == []


def test_what_could_not_be_removed() -> None:
    """It is no image that the node lacks."""
    failed = {**image("r", "failed", cause="unknown"), "message": "busy"}
    node = report(
        {**CONVERGED, "removable": ["r"]},
        {"msg": "1 of 1 image failed"},
        image_pull_removal_result={"images": [failed]},
    )
    assert [one["outcome"] for one in node["images"]] == ["not_removed"]
    first, second, *_rest = (line.strip() for line in node_lines({"n": node}))
    assert first.endswith("1 image could not be removed (unknown)")
    assert second.startswith("r: unknown: busy")
    assert node["needs"] == "person"


def test_what_is_left_is_told_with_why() -> None:
    """Images of which the same is said in one line; of a node on which all else is well, no more."""
    left = [{**image(name, "left"), "message": why} for name, why in ("rx", "sx", "ty")]
    node = report(
        {**CONVERGED, "removable": ["r", "s", "t"]},
        image_pull_removal_result={"images": left},
        pin_dropin_result={"kept": ["old"]},
    )
    assert (node["state"], node["staged"]) == ("converged", [])
    assert [line.strip() for line in node_lines({"node1": node})[1:3]] == [
        "left r and 1 more: x",
        "left t: y",
    ]


def test_what_could_not_be_locked() -> None:
    """What the node lacks and no registry told of; one that is not there its pull will name."""
    unresolved = [
        {"reference": A, "cause": "unreachable", "message": "refused"},
        {"reference": B, "cause": "not_found", "message": "unknown"},
        {"reference": "other", "cause": "unreachable", "message": "refused"},
    ]
    lock = {"images": unresolved}
    node = report(LACKING, {"msg": "x"}, __pin_images_not_locked=lock)
    assert node["images"] == [
        {
            "reference": A, "outcome": "failed", "cause": "unreachable",
            "message": "locking on the control node: refused", "attempts": 0, "bytes": 0,
        }
    ]  # fmt: skip
    would = {"images": [image(A, "would_pull"), image(B, "would_pull")]}
    node = report(
        LACKING, {"msg": "x"}, True, __pin_images_not_locked=lock, image_pull_result=would
    )
    assert [(one["outcome"], one["cause"]) for one in node["images"]] == [
        ("failed", "unreachable"), ("failed", "not_found"),
    ]  # fmt: skip
    assert report(CONVERGED, __pin_images_not_locked=lock)["images"] == []


def test_lines() -> None:
    """Those that need a person come last, with their images; then the count."""
    failing = report(LACKING, {"msg": "x"}, image_pull_result={"images": [NOT_FOUND]})
    nodes = {
        "b": failing,
        "node10": report(CONVERGED),
        "a": report({"unreachable": True, "msg": "gone"}),
        "node2": report(CONVERGED),
    }
    assert node_lines(nodes) == [
        "node10  converged     2 images present and pinned",
        "node2   converged     2 images present and pinned",
        "b       failed        1 of 2 images failed (not_found)",
        (
            f"          {B}: not_found: manifest unknown."
            " Push it to its registry, or take it out of the set and lock again."
        ),
        "a       unreachable   gone",
        "2 converged, 1 failed, 1 unreachable",
        "2 of 4 nodes are whole.",
        "Needs a person: b.",
        "The next run tries again: a.",
    ]
    assert node_lines({}) == ["no nodes"]


def test_what_nodes_were_held_against() -> None:
    """Which nodes is said where they differ; nothing, where there is nothing to hold them against."""
    one = {"wanted_by": "set base", "nodes": list("abcdefg")}
    other = {"wanted_by": "lock /x.yml, SHA-256 0", "nodes": ["h"]}
    assert wanted_lines([]) == []
    assert wanted_lines([one]) == ["wanted by set base"]
    assert wanted_lines([one, other]) == [
        "wanted on a, b, c, d, e and 2 more by set base",
        "wanted on h by lock /x.yml, SHA-256 0",
    ]
    many = [{"wanted_by": f"set {number}", "nodes": ["a"]} for number in range(7)]
    assert wanted_lines(many)[4:] == [
        "wanted on a by set 4", "... and by 2 more (pin_images_result has all)",
    ]  # fmt: skip


def test_a_long_story_is_shortened() -> None:
    """Five images or nodes are named, the others counted; the document has all."""
    failed = [
        image(f"i{number}", "failed", cause="timeout", message=f"slow {number}.", attempts=3)
        for number in range(7)
    ]
    look = {**LACKING, "wanted": 7}
    node = report(look, {"msg": "x"}, image_pull_result={"images": failed})
    lines = node_lines({f"n{number}": node for number in range(6)})
    tried = "(3 tries). The next run tries again."
    assert lines[:7] == [
        "n0  failed        7 of 7 images failed (timeout)",
        *(f"      i{number}: timeout: slow {number} {tried}" for number in range(5)),
        "      ... and 2 more (pin_images_result has all)",
    ]
    assert lines[-3:] == [
        "6 failed",
        "0 of 6 nodes are whole.",
        "The next run tries again: n0, n1, n2, n3, n4 and 1 more.",
    ]


def test_what_is_the_same_of_many_is_said_once() -> None:
    """A registry that is down, or a node that is empty, is one line and not a screen."""
    failed = [
        image(f"i{number}", "failed", cause=cause, message="refused.", attempts=number)
        for number, cause in enumerate(["unreachable", "tls", "unreachable", "unreachable"])
    ]
    node = report(LACKING, {"msg": "x"}, image_pull_result={"images": failed})
    again = "refused (3 tries). The next run tries again."
    assert node_lines({"n": node})[1:3] == [
        f"     i0 and 2 more: unreachable: {again}",
        "     i1: tls: refused. " + remedy_for("tls").needed,
    ]
    found = [
        {"kind": kind, "subject": subject, "detail": "not there"}
        for kind, subject in [("file_differs", "/50"), ("missing", A), ("missing", B)]
    ]
    deviating = report({**LACKING, "deviations": found}, {"msg": "the node deviates (x): y"})
    assert node_lines({"n": deviating})[:3] == [
        "n  failed        1 file_differs, 2 missing",
        "     file_differs: /50: not there",
        f"     missing: {A} and 1 more: not there",
    ]


def test_what_was_to_be_mended_is_no_failure() -> None:
    """How a node deviated at first is not why its run failed; and one full stop is enough."""
    found = [{"kind": "missing", "subject": A, "detail": "not there"}]
    node = report(
        {**LACKING, "deviations": found}, {"msg": "no room."}, pin_dropin_result={"kept": [B]}
    )
    assert node["deviations"] == found
    assert node_lines({"n": node})[:2] == [
        "n  failed        no room; old pins still staged: 1 (until a run can finish)",
        "1 failed",
    ]


def test_the_plan_of_a_check() -> None:
    """In the order of the pulls, with bytes; a run that pulled has no plan any more."""
    plan = [{"reference": B, "bytes": 2_000_000}, {"reference": A, "bytes": 0}]
    pulled = {
        "plan": plan,
        "images": [image(A, "would_pull"), image(B, "would_pull", bytes=2_000_000)],
    }
    node = report(LACKING, check_mode=True, image_pull_result=pulled)
    assert node["plan"] == plan
    assert node_lines({"n": node})[:3] == [
        "n  would change  2 of 2 images would be pulled, 2.0 MB",
        f"     would pull {B}, 2.0 MB",
        f"     would pull {A}, 0 bytes",
    ]
    assert report(LACKING, image_pull_result=pulled)["plan"] == []
    assert (
        report({**LACKING, "missing": []}, check_mode=True, image_pull_result=pulled)["plan"] == []
    )


def predicted(**changes: Any) -> Any:
    """Return the report of a node of which an image is to be pulled, in check mode."""
    look = {**LACKING, "missing": [B], **changes.pop("look", {})}
    steps = {
        "storage_preflight_result": {"filesystems": ROOMS},
        "image_pull_result": {"images": [image(B, "would_pull", bytes=2_000_000)]},
        **changes,
    }
    return report(look, check_mode=True, **steps)


ROOMS = [
    {"uses": ["images", "temporary"], "have_bytes": 9_000, "need_bytes": 2_000, "guessed_bytes": 0},
    {"uses": ["images"], "have_bytes": 7_000_000, "need_bytes": 6_996_000, "guessed_bytes": 0},
    {"uses": ["records"], "have_bytes": 5, "need_bytes": 1, "guessed_bytes": 1},
]


def test_what_pulls_leave_free() -> None:
    """What there is less what is needed, where there is least; a guess is no promise."""
    node = predicted()
    assert node["stays_free"] == {"bytes": 4000, "guessed": False}
    pulls = "n  would change  1 of 2 images would be pulled, 2.0 MB"
    assert node_lines({"n": node})[0] == f"{pulls}; that fits, at least 4.0 kB stay free"
    guessed = [{**ROOMS[0], "guessed_bytes": 7}]
    node = predicted(storage_preflight_result={"filesystems": guessed})
    assert node_lines({"n": node})[0] == f"{pulls}; that fits, about 7.0 kB stay free"
    assert node_lines({"n": predicted(storage_preflight_result={})})[0] == pulls
    # Nothing is pulled, so nothing of that is said; nor after a run that did pull.
    assert predicted(look={"missing": []})["stays_free"] == {}
    ran = report(LACKING, storage_preflight_result={"filesystems": ROOMS})
    assert ran["stays_free"] == {}


def test_what_a_check_says_of_pins() -> None:
    """How many are set and let go and what is removed, and which; a run that did it says nothing."""
    found = [
        {"kind": kind, "subject": subject, "detail": "x"}
        for kind, subject in (("unpinned", A), ("missing", B), ("stale_pin", "s"), ("staged", "/f"))
    ]
    look = {"deviations": found, "removable": ["r"]}
    steps = {
        "pin_dropin_result": {"changed": True, "withdrawn": ["r", "s", "w"]},
        "image_pull_removal_result": {"images": [image("r", "would_remove")]},
        "storage_preflight_result": {},
    }
    node = predicted(look=look, **steps)
    assert (node["would_pin"], node["would_unpin"]) == ([A], ["r", "s", "w"])
    assert node_lines({"n": node})[:5] == [
        (
            "n  would change  1 of 2 images would be pulled, 2.0 MB; 1 present image would be"
            " pinned; 3 pins would be let go; 1 image would be removed"
        ),
        "     would remove r",
        "     would unpin s",
        "     would unpin w",
        f"     would pin {A}",
    ]
    # The drop-in stays as it is: what it once held says nothing.
    steps["pin_dropin_result"]["changed"] = False
    assert predicted(look=look, **steps)["would_unpin"] == ["s"]
    ran = report({**LACKING, **look}, pin_dropin_result={"changed": True, "withdrawn": ["w"]})
    assert (ran["would_pin"], ran["would_unpin"]) == ([], [])


ADDED = "Warning: Permanently added '192.0.2.7' (ED25519) to the list of known hosts.\r\n"
LOG_IN = " See to the login there: user, key, host key, sudo."


@pytest.mark.parametrize(
    ("said", "message", "needs"),
    [
        (
            ADDED + "ops@192.0.2.7: Permission denied (publickey,password).\r\n",
            "ops@192.0.2.7: Permission denied (publickey,password)." + LOG_IN,
            "person",
        ),
        (
            (
                "@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n"
                "Host key verification failed."
            ),
            "Host key verification failed." + LOG_IN,
            "person",
        ),
        (
            (
                f"{ADDED}Authorized use only!\r\nops@192.0.2.7: Permission denied (publickey).\r\n"
                "Connection closed by UNKNOWN port 65535"
            ),
            "ops@192.0.2.7: Permission denied (publickey)." + LOG_IN,
            "person",
        ),
        (
            ADDED + "ssh: connect to host 192.0.2.7 port 22: No route to host",
            "ssh: connect to host 192.0.2.7 port 22: No route to host",
            "run",
        ),
        (
            (
                "ssh: connect to host jump port 22: Connection refused\r\n"
                "kex_exchange_identification: Connection closed by remote host\r\n"
                "Connection closed by UNKNOWN port 65535\r\n"
            ),
            "ssh: connect to host jump port 22: Connection refused",
            "run",
        ),
        (
            (
                "channel 0: open failed: connect failed: No route to host\r\nstdio forwarding failed\r\n"
                "kex_exchange_identification: Connection closed by remote host\r\n"
                "Connection closed by UNKNOWN port 65535\r\n"
            ),
            "channel 0: open failed: connect failed: No route to host",
            "run",
        ),
        (
            (
                "ssh: connect to host 192.0.2.7 port 22: Connection timed out\r\n"
                "ControlSocket /root/.ansible/cp/1 already exists, disabling multiplexing\r\n"
            ),
            "ssh: connect to host 192.0.2.7 port 22: Connection timed out",
            "run",
        ),
        (
            "ssh: connect to host 192.0.2.7 port 22: Connection timed out\r\nSee you at the next window.",
            "ssh: connect to host 192.0.2.7 port 22: Connection timed out",
            "run",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed",
            "channel 0: open failed: administratively prohibited: open failed." + LOG_IN,
            "person",
        ),
        (
            "Bad owner or permissions on /root/.ssh/config",
            "Bad owner or permissions on /root/.ssh/config." + LOG_IN,
            "person",
        ),
        # Folded into one line, and nothing but noise.
        (
            ADDED.strip() + " ops@192.0.2.7: Permission denied (publickey).",
            "ops@192.0.2.7: Permission denied (publickey)." + LOG_IN,
            "person",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer",
            (
                "Failed to connect to the host via ssh: kex_exchange_identification: read: Connection"
                " reset by peer"
            ),
            "run",
        ),
    ],
)
@pytest.mark.parametrize("before", ["", "Task failed: "])
def test_why_ssh_did_not_reach_a_node(before: str, said: str, message: str, needs: str) -> None:
    """One line of what ssh prints; a login that is refused now is refused by the next run too."""
    msg = f"{before}Failed to connect to the host via ssh: {said}"
    node = report({"unreachable": True, "msg": msg})
    assert (node["state"], node["message"], node["needs"]) == ("unreachable", message, needs)


def test_what_ended_the_run() -> None:
    """A task that was skipped did not; a look that failed did, whatever an earlier run left."""
    assert report(CONVERGED, {"skipped": True, "changed": False})["state"] == "converged"
    node = report(
        {"failed": True, "msg": "no crictl"}, {"failed": True, "msg": "of an earlier run"}
    )
    assert (node["state"], node["message"]) == ("failed", "no crictl")


@pytest.mark.parametrize("is_in_play", [True, False])
def test_a_node_that_ansible_took_out_of_the_play(is_in_play: bool) -> None:
    """It is not called whole, whatever its look said, also where nothing tells why it failed."""
    node = node_report({"pin_verify_result": CONVERGED}, {"skipped": True}, is_in_play, False)
    assert node["state"] == ("converged" if is_in_play else "failed")
    assert node["message"] == ("" if is_in_play else "a task failed on it; see the messages above")


def test_a_login_that_ended_in_the_middle() -> None:
    """What the next run could pull does not matter where it is not let in."""
    failed = image(A, "failed", cause="unreachable")
    denied = {"unreachable": True, "msg": "ops@n: Permission denied (publickey)."}
    node = report({**LACKING, **denied}, image_pull_result={"images": [failed]})
    assert node["needs"] == "person"


NO_FOLDER = (
    "Failed to create temporary directory. In some cases, you may have been able to authenticate and did"
    " not have permissions on the target directory. Failed command was: ( umask 77 ), exited with result 1"
)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "no folder for Ansible's modules could be made." + LOG_IN),
        (
            ", stderr output: mkdir: /root/.ansible: Permission denied",
            "no folder for Ansible's modules could be made: mkdir: /root/.ansible: Permission denied."
            + LOG_IN,
        ),
        (
            ", stderr output: mkdir: /root/.ansible: Read-only file system",
            (
                "no folder for Ansible's modules could be made: mkdir: /root/.ansible: Read-only file"
                " system. Make room on the node, or see why its disk is read-only."
            ),
        ),
    ],
)
def test_a_folder_that_could_not_be_made(said: str, message: str) -> None:
    """Ansible calls that unreachable as well; no later run will make it."""
    node = report({"unreachable": True, "msg": NO_FOLDER + said})
    assert (node["message"], node["needs"]) == (message, "person")


def test_a_full_disk_that_ansible_meets() -> None:
    """It returns what the node printed."""
    full = "mkdir: cannot create directory '/root/.ansible/tmp/x': No space left on device"
    node = report({"unreachable": True, "msg": full})
    assert (node["state"], node["cause"], node["needs"]) == ("unreachable", "disk", "person")
    assert node["message"].startswith(full)


def test_damaged_images_that_would_be_pulled_again() -> None:
    """They are named, and the storage check knows what that takes."""
    node = report(
        {**LACKING, "missing": [A]},
        check_mode=True,
        __pin_images_cleared={"images": [image(A, "would_clear")]},
        image_pull_result={"images": [image(A, "present")], "plan": []},
        storage_preflight_result={
            "filesystems": [
                {"uses": ["images"], "have_bytes": 9, "need_bytes": 1, "guessed_bytes": 0}
            ]
        },
    )
    assert node_lines({"n": node})[:2] == [
        "n  would change  1 damaged image would be removed and pulled again; that fits, at least 8 bytes stay free",
        f"     would remove and pull again {A}",
    ]


def test_deviations_of_a_node_that_failed() -> None:
    """Each with its kind and subject, as they were at the last look; none for a node that is whole."""
    found = [{"kind": "unpinned", "subject": A, "detail": "CRI-O does not report it pinned"}]
    failed = report({**LACKING, "deviations": found}, {"msg": "the node deviates"})
    assert failed["deviations"] == found
    assert node_lines({"n": failed})[1] == f"     unpinned: {A}: CRI-O does not report it pinned"
    later = report({**LACKING, "deviations": found}, {"msg": "x"}, pin_verify_result={})
    assert later["deviations"] == found
    proven = report(LACKING, {"msg": "the node deviates"}, pin_verify_result={"deviations": found})
    assert proven["deviations"] == found
    # The proof of an earlier run says nothing of one that ended before its own.
    look = {**LACKING, "deviations": found}
    assert report(look, {"msg": "x"}, pin_verify_result={"deviations": []})["deviations"] == found
    assert report({**LACKING, "deviations": found})["deviations"] == []


def test_every_class_of_failure_has_a_remedy() -> None:
    """What is needed, in a sentence; what nobody knows needs a person."""
    for cause in CAUSES:
        assert remedy_for(cause).needed.endswith(".")
    assert {cause for cause in CAUSES if not remedy_for(cause).person} == {
        "unreachable", "rate_limited", "timeout", "corrupt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cleared", "pulled", "check_mode", "told"),
    [
        ("cleared", "pulled", False, ["pulled"]),
        ("cleared", "failed", False, ["failed"]),
        ("left", "present", False, ["left"]),
        ("failed", "present", False, ["failed"]),
        ("would_clear", "present", True, ["would_clear"]),
    ],
)
def test_a_damaged_image(cleared: str, pulled: str, check_mode: bool, told: list[str]) -> None:
    """Its pull tells more, unless it was never removed and counted as present."""
    node = report(
        {**LACKING, "missing": [A]},
        check_mode=check_mode,
        __pin_images_cleared={"images": [image(A, cleared)]},
        image_pull_result={"images": [image(A, pulled), image(B, "present")]},
    )
    assert [one["outcome"] for one in node["images"]] == told


KILLED = {"msg": "MODULE FAILURE", "module_stdout": "", "module_stderr": "Killed\n", "rc": 137}


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (KILLED, "(SIGKILL, rc 137, as when memory runs out)"),
        ({**KILLED, "rc": -9}, "(SIGKILL, rc -9, as when memory runs out)"),
        ({**KILLED, "rc": 143}, "(SIGTERM, rc 143)"),
        # On a terminal, as without pipelining.
        (
            {**KILLED, "module_stdout": "Killed\r\n"},
            "(SIGKILL, rc 137, as when memory runs out)",
        ),
    ],
)
def test_a_module_that_was_killed(failure: dict[str, Any], message: str) -> None:
    """It is said in plain words, and another run mends it, in whichever step it was."""
    for node in (report(None, failure), report(LACKING, failure)):
        assert node["message"] == (
            f"a module was killed on the node {message}. Nothing that was done is lost: run again."
        )
        assert node["needs"] == "run"
    assert node_lines({"n": node})[-1] == "The next run tries again: n."


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            {"module_stdout": "", "module_stderr": "x\nsudo: a password is required\n", "rc": 1},
            "(rc 1): sudo: a password is required",
        ),
        (
            {
                "module_stdout": "/bin/sh:  python3: not found\r\n",
                "module_stderr": "Shared connection to 192.0.2.7 closed.\n",
                "rc": 127,
            },
            "(rc 127): /bin/sh: python3: not found",
        ),
        ({"module_stdout": "", "module_stderr": "", "rc": 0}, "(rc 0): it printed nothing"),
        ({"module_stdout": "", "rc": None}, "(rc 0): it printed nothing"),
        (
            {
                "module_stdout": "",
                "module_stderr": "Traceback (most recent call last):\nKeyError: 'a'\n",
                "rc": 1,
            },
            "(rc 1): KeyError: 'a'",
        ),
    ],
)
def test_a_module_without_an_answer(failure: dict[str, Any], message: str) -> None:
    """The last line that was printed says more than that there was no JSON; a person must look."""
    node = report(None, {"msg": "MODULE FAILURE", **failure})
    assert node["message"] == f"a module gave no answer {message}"
    assert node["needs"] == "person"


@pytest.mark.parametrize(
    ("kinds", "needs", "said"),
    [
        (["missing", "file_differs"], "pin_images", "The next pin_images run mends: n."),
        (["unpinned", "stale_pin", "staged"], "pin_images", "The next pin_images run mends: n."),
        (["missing", "overridden"], "person", "Needs a person: n."),
        (["daemon_unreachable"], "person", "Needs a person: n."),
        (["corrupt"], "person", "Needs a person: n."),
    ],
)
def test_what_verify_images_found(kinds: list[str], needs: str, said: str) -> None:
    """What pin_images mends by itself needs nobody."""
    found = [{"kind": kind, "subject": A, "detail": "x"} for kind in kinds]
    look = {"converged": False, "wanted": 2, "deviations": found}
    failure = {"msg": "the node deviates (...): x"}
    node = node_report({"pin_verify_result": look}, failure, True, False)
    assert node["needs"] == needs
    assert node_lines({"n": node})[-1] == said
    # The proof at the end of pin_images: it was the run that mends, and goes again.
    assert report(look, failure, pin_verify_result=look)["needs"] == needs.replace(
        "pin_images", "run"
    )
    # Something else stopped it, as the storage check does.
    assert report(look, {"msg": "checking the storage: x"})["needs"] == "person"


def test_a_deviation_says_what_it_needs() -> None:
    """Where a person has to see to it."""
    found = [{"kind": "overridden", "subject": "/60-x", "detail": "its pins replace ours."}]
    node = report({**LACKING, "deviations": found}, {"msg": "the node deviates (x): y"})
    assert node_lines({"n": node})[1] == (
        "     overridden: /60-x: its pins replace ours. Remove pinned_images there."
    )


def test_the_role_says_that_a_node_deviates() -> None:
    """The report knows its message by these words."""
    role = Path(__file__).resolve().parents[3] / "roles/pin_verify/vars/main.yml"
    assert "\n  the node deviates (" in role.read_text()


@pytest.mark.parametrize(
    "message",
    [
        "waiting to pull images: another run holds this node (pull images, since x, y). Wait for it.",
        "restarting CRI-O: somebody's pull is in flight after 60 s (/x). Run again later.",
    ],
)
def test_what_passes_by_itself(message: str) -> None:
    """Another run, or a pull of somebody else: later it is over."""
    assert report(LACKING, {"msg": message})["needs"] == "run"


@pytest.mark.parametrize(
    ("node", "needs"),
    [
        (report(CONVERGED), ""),
        (report(LACKING, check_mode=True), ""),
        (report({"unreachable": True, "msg": "gone"}), "run"),
        (report(LACKING, {"msg": "x"}, image_pull_result={"images": [NOT_FOUND]}), "person"),
        (report(LACKING, {"msg": "no crictl"}), "person"),
    ],
)
def test_who_mends_a_node(node: dict[str, Any], needs: str) -> None:
    """Nobody where nothing failed."""
    assert node["needs"] == needs


def test_a_check_shows_the_drop_in_once() -> None:
    """Its staging, which a check does not do, shows no lines that the commit shows again."""
    role = Path(__file__).resolve().parents[3] / "roles/pin_images/tasks/fetch.yml"
    staging = yaml.safe_load(role.read_text())[0]
    assert staging["vars"]["pin_dropin_state"] == "staged"
    shown = staging["ansible.builtin.include_role"]["apply"]["diff"]
    assert shown == "{{ ansible_diff_mode and not ansible_check_mode }}"
