# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in: validated on a copy before it goes live, journal before and after."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pin_files import (
    PinFiles,
    survey_pin_files,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pins import write_drop_in
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.crio import Crio
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    DIRECTORY,
    LINK,
    FoundFile,
)
from unit.fake_host import (
    CONF_D,
    CRIO,
    DROP_IN,
    JOURNAL,
    FakeHost,
    check_config,
    crio_version,
    pins_of,
)

COPY = "/run/edgefleet-crio/crio.conf.d"


def test_written(host: FakeHost) -> None:
    """Checked first, then journal, file, journal: in this order, and with mode 0644."""
    host.files[f"{CONF_D}/10-crio.conf"] = "[crio.runtime]\n"
    host.expect(crio_version(), check_config(COPY))
    result = write_drop_in(host, DROP_IN, "present", ["b", "a"], "fail", check_mode=False)
    assert result.plan.changed
    assert result.before is None
    assert host.files[DROP_IN] == render_drop_in(["a", "b"])
    assert host.events == [
        ("run", f"{CRIO} --version"),
        ("copy", f"{CONF_D} {COPY}"),
        ("remove", f"{COPY}/50-pinned-images"),
        ("write", f"{COPY}/50-pinned-images 600"),
        ("run", f"{CRIO} --config  --config-dir {COPY} config"),
        ("remove", "/run/edgefleet-crio"),
        ("journal", "before pin"),
        ("write", f"{DROP_IN} 644"),
        ("journal", "after pin"),
    ]
    before, after = host.journal()
    assert (before["path"], before["state"], before["added"]) == (DROP_IN, "present", ["a", "b"])
    assert host.scratches == [
        "/run/edgefleet-crio/candidate", "/etc/crio/.50-pinned-images.edgefleet-new",
    ]  # fmt: skip
    assert (after["path"], after["state"], after["withdrawn"]) == (DROP_IN, "present", [])


def test_nothing_to_do(host: FakeHost) -> None:
    """A drop-in that is right is not written, and nothing is checked."""
    host.files[DROP_IN] = render_drop_in(["a"])
    host.expect(crio_version())
    assert not write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False).plan.changed
    assert host.events == [("run", f"{CRIO} --version")]


def test_removed(host: FakeHost) -> None:
    """Absent removes the file, after CRI-O found the rest valid."""
    host.files[DROP_IN] = render_drop_in(["a"])
    host.expect(crio_version(), check_config(COPY))
    result = write_drop_in(host, DROP_IN, "absent", [], "fail", check_mode=False)
    assert result.plan.withdrawn == ("a",)
    assert DROP_IN not in host.files
    assert host.journal()[-1]["withdrawn"] == ["a"]
    assert host.events[-4:] == [
        ("remove", "/run/edgefleet-crio"), ("journal", "before pin"), ("remove", DROP_IN),
        ("journal", "after pin"),
    ]  # fmt: skip


def test_what_lies_at_the_path_instead(host: FakeHost) -> None:
    """A link is replaced, an empty folder makes room, and what somebody keeps in one stays."""
    host.odd[DROP_IN] = FoundFile(LINK)
    host.expect(crio_version(), check_config(COPY))
    assert write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False).plan.changed
    assert host.events[-2:] == [("write", f"{DROP_IN} 644"), ("journal", "after pin")]
    host.odd[DROP_IN] = FoundFile(DIRECTORY)
    del host.files[DROP_IN]
    host.expect(crio_version(), check_config(COPY))
    write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)
    assert host.events[-3:] == [
        ("remove empty", DROP_IN), ("write", f"{DROP_IN} 644"), ("journal", "after pin"),
    ]  # fmt: skip
    host.files[f"{DROP_IN}/theirs"] = "x"
    host.expect(crio_version())
    with pytest.raises(EdgefleetError, match="it is a directory, and holds theirs"):
        write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)


def test_the_journal_is_kept_short(host: FakeHost) -> None:
    """After its last line."""
    host.files[JOURNAL] = '{"event": "x"}\n' * 80_000
    host.expect(crio_version(), check_config(COPY))
    write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)
    assert host.events[-2:] == [("journal", "after pin"), ("write", f"{JOURNAL} 600")]


def test_check_mode_writes_nothing(host: FakeHost) -> None:
    """It is checked, where no run that writes meets it, and that is all."""
    host.expect(crio_version(), check_config("/run/edgefleet-crio-check-4711/crio.conf.d"))
    assert write_drop_in(host, DROP_IN, "staged", ["a"], "fail", check_mode=True).plan.changed
    assert host.files == {}


def test_an_invalid_configuration_is_never_made_live(host: FakeHost) -> None:
    """CRI-O's complaint names the file where it lies, not the copy; nothing is changed."""
    broken = f"{CONF_D}/70-broken"
    host.files[broken] = "= =\n"
    said = f'time="x" level=fatal msg="unable to decode configuration {COPY}/70-broken: toml: x"'
    host.expect(crio_version(), check_config(COPY, rc=1, stderr=said))
    with pytest.raises(EdgefleetError) as caught:
        write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)
    assert broken in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert caught.value.details()["rc"] == 1
    assert host.files == {broken: "= =\n"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda host: (setattr(host, "root", False), host.programs.clear()),
            "writing the drop-in: this needs root. Set become: true.",
        ),
        (
            lambda host: host.programs.pop("crio"),
            "looking for CRI-O: it is not installed. Install CRI-O.",
        ),
        (
            lambda host: host.files.update({"/etc/machine-config-daemon/currentconfig": "{}"}),
            (
                "writing the drop-in: OpenShift's Machine Config Operator manages this node"
                " (/etc/machine-config-daemon/currentconfig exists)."
                " Use a PinnedImageSet in the cluster there."
            ),
        ),
        (
            lambda host: host.expect(crio_version("1.27.9")),
            (
                "writing the drop-in: CRI-O 1.27.9 knows no pinned images."
                " CRI-O 1.28.0 or newer is needed."
            ),
        ),
    ],
)
def test_refused_nodes(host: FakeHost, spoil, said: str) -> None:
    """Where the drop-in must not be written, nothing is."""
    spoil(host)
    before = dict(host.files)
    with pytest.raises(EdgefleetError) as caught:
        write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)
    assert str(caught.value) == said
    assert host.files == before


def test_survey(host: FakeHost) -> None:
    """In CRI-O's order; only files that set pins count, as CRI-O reads them."""
    texts = {
        "/etc/crio/crio.conf": 'pinned_images = ["main"]\n',
        f"{CONF_D}/10-a": '# pinned_images = ["no"]\n',
        f"{CONF_D}/40-b": 'pinned_images = ["early"]\n',
        DROP_IN: render_drop_in(["a"]),
        f"{CONF_D}/50-pinned-images~": 'pinned_images = ["backup"]\n',
        f"{CONF_D}/60-c/x": 'pinned_images = ["deep"]\n',
        f"{CONF_D}/70-d": '[crio.runtime]\npinned_images = ["elsewhere"]\n',
    }
    host.files.update(texts)
    host.expect(
        pins_of("/etc/crio/crio.conf", ["main"]),
        pins_of(f"{CONF_D}/40-b", ["early"]),
        pins_of(f"{CONF_D}/50-pinned-images~", ["backup"]),
        pins_of(f"{CONF_D}/60-c/x", []),
        pins_of(f"{CONF_D}/70-d", None),
    )
    files = survey_pin_files(Crio(host), DROP_IN)
    assert files == PinFiles(
        overriding=(f"{CONF_D}/50-pinned-images~", f"{CONF_D}/60-c/x"),
        overridden=("/etc/crio/crio.conf", f"{CONF_D}/40-b"),
        overriding_pins=(),
        earlier_pins=("early",),
        ours=("a",),
    )
    assert files.in_force() == ()


@pytest.mark.parametrize(
    ("overriding", "ours", "in_force", "foreign"),
    [
        (("/60",), ("a",), ("late",), ("late",)),
        (("/60",), None, ("late",), ("late",)),
        ((), ("a",), ("a",), ()),
        ((), (), (), ()),
        ((), None, ("early",), ("early",)),
        # Kept in our drop-in for the sake of the file that it replaces.
        ((), ("a", "early"), ("a", "early"), ("early",)),
    ],
)
def test_whose_pins_are_in_force(
    overriding: tuple[str, ...],
    ours: tuple[str, ...] | None,
    in_force: tuple[str, ...],
    foreign: tuple[str, ...],
) -> None:
    """The last file that sets pins replaces those of all before it."""
    late = ("late",) if overriding else ()
    files = PinFiles(overriding, ("/40",), late, ("early",), ours)
    assert (files.in_force(), files.foreign_in_force()) == (in_force, foreign)


EARLIER = f"{CONF_D}/40-admin"


def test_pins_of_an_earlier_file_are_not_replaced_unasked(host: FakeHost) -> None:
    """It is named, with what would lose its pin; nothing is written."""
    host.files[EARLIER] = 'pinned_images = ["x", "a"]'
    host.expect(crio_version(), pins_of(EARLIER, ["x", "a"]))
    with pytest.raises(EdgefleetError) as caught:
        write_drop_in(host, DROP_IN, "present", ["a"], "fail", check_mode=False)
    assert str(caught.value) == (
        f"writing {DROP_IN}: it would replace the pins of {EARLIER} (1, first x)."
        " Set pin_images_on_conflict (on_conflict) to merge to keep them, or remove them there."
    )
    assert list(host.files) == [EARLIER]


def test_pins_of_an_earlier_file_that_are_ours_too(host: FakeHost) -> None:
    """They are not lost."""
    host.files[EARLIER] = 'pinned_images = ["a"]'
    host.expect(crio_version(), pins_of(EARLIER, ["a"]), check_config(COPY))
    written = write_drop_in(host, DROP_IN, "present", ["a", "b"], "fail", check_mode=False)
    assert written.merged == ()


def test_pins_of_an_earlier_file_are_merged(host: FakeHost) -> None:
    """They stand in ours as well, and never count as our own."""
    host.files[EARLIER] = 'pinned_images = ["quay.io/x*", "a"]'
    host.expect(crio_version(), pins_of(EARLIER, ["quay.io/x*", "a"]), check_config(COPY))
    written = write_drop_in(host, DROP_IN, "present", ["a"], "merge", check_mode=False)
    assert host.files[DROP_IN] == render_drop_in(["a", "quay.io/x*"])
    assert written.merged == ("quay.io/x*",)
    assert host.journal()[0]["added"] == ["a"]
    host.expect(crio_version(), pins_of(EARLIER, ["quay.io/x*", "a"]))
    again = write_drop_in(host, DROP_IN, "present", ["a"], "merge", check_mode=False)
    assert not again.plan.changed


def test_a_drop_in_of_another_form_keeps_its_pins(host: FakeHost) -> None:
    """CRI-O reads what it lists; where CRI-O cannot, the journal stands in."""
    theirs = '# by hand\n[crio.image]\npinned_images = ["old"]\n'
    host.files[DROP_IN] = theirs
    host.expect(crio_version(), pins_of(DROP_IN, ["old"]), check_config(COPY))
    staged = write_drop_in(host, DROP_IN, "staged", ["a"], "fail", check_mode=False)
    assert staged.plan.references == ("a", "old")
    host.files[DROP_IN] = "pinned_images = ["
    unreadable = replace(pins_of(DROP_IN, []), rc=1, stdout="", stderr='level=fatal msg="toml"')
    host.expect(crio_version(), unreadable, check_config(COPY))
    staged = write_drop_in(host, DROP_IN, "staged", ["b"], "fail", check_mode=False)
    assert staged.plan.references == ("a", "b")
