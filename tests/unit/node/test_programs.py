# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""crictl, CRI-O and the store: exact commands, and what a failure carries."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.crictl import Crictl
from ansible_collections.edgefleet.crio.plugins.module_utils.node.crio import Crio
from ansible_collections.edgefleet.crio.plugins.module_utils.node.crio_service import (
    CrioService,
    scratch_for,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.image_service import (
    ImageService,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.images import read_image_store
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    CommandFailed,
    HostError,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.store import (
    contents_of,
    read_layers,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import RunningConfig
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import StoreContents
from unit.fake_host import (
    CONF_D,
    CRIO,
    DROP_IN,
    IMAGES_JSON,
    LAYERS_JSON,
    Call,
    FakeHost,
    check_config,
    crictl,
    images,
    images_json,
    pins_of,
    service,
    status_config,
)

HARMLESS = (
    'level=fatal msg="validate service connection: unable to get usage for'
    ' /var/lib/containers/storage/overlay-images/.tmp-images.json123: no such file"'
)


def test_a_pull_is_known_as_ours(host: FakeHost) -> None:
    """By what stands in its environment."""
    host.expect(crictl("pull", "a"))
    ImageService(host).pull("a", threading.Event())
    (settings,) = host.settings
    assert settings == {"EDGEFLEET_CRIO": "pull"}


def test_a_harmless_failure_is_tried_again(host: FakeHost) -> None:
    """The program can meet a file that a pull just renamed."""
    host.expect(crictl("pull", "a", rc=1, stderr=HARMLESS), crictl("pull", "a"))
    assert ImageService(host).pull("a", threading.Event()).rc == 0
    assert host.slept == [0.2]


def test_not_for_ever(host: FakeHost) -> None:
    """After two seconds it counts."""
    host.expect(*[crictl("pull", "a", rc=1, stderr=HARMLESS)] * 10)
    assert ImageService(host).pull("a", threading.Event()).rc == 1


def test_a_failure_has_its_command(host: FakeHost) -> None:
    """A module returns it beside the message."""
    failed = crictl("images", "-o", "json", rc=1, stdout="x", stderr='level=fatal msg="y"')
    host.expect(failed)
    with pytest.raises(CommandFailed) as caught:
        Crictl(host).images()
    expected = "asking CRI-O with 'crictl images': y. CRI-O must be running."
    assert str(caught.value) == expected
    assert caught.value.details() == {
        "cmd": list(failed.argv), "rc": 1, "stdout": "x", "stderr": 'level=fatal msg="y"',
    }  # fmt: skip


def test_an_image_of_which_the_store_lost_a_part(host: FakeHost) -> None:
    """CRI-O runs, and lists nothing: what helps is another thing."""
    printed = (
        'level=fatal msg="listing images: rpc error: code = Unknown desc = locating item named'
        ' \\"manifest\\" for image with ID \\"e62aab\\" (consider removing the image to resolve the'
        ' issue): file does not exist"'
    )
    host.expect(crictl("images", "-o", "json", rc=1, stderr=printed))
    with pytest.raises(CommandFailed) as caught:
        Crictl(host).images()
    said = str(caught.value)
    assert 'locating item named "manifest" for image with ID "e62aab" (consider' in said
    assert "systemctl stop crio; crio check --quick --repair; systemctl start crio." in said
    assert "CRI-O must be running" not in said


def test_up_to_1_28_status_was_a_program_of_its_own(host: FakeHost) -> None:
    """Where it is there, it is used."""
    host.programs["crio-status"] = "/usr/bin/crio-status"
    old = status_config(["a"])
    host.expect(Call(("/usr/bin/crio-status", "config"), stdout=old.stdout, timeout=60))
    assert Crio(host).running_config().pinned_images == ("a",)


@pytest.mark.parametrize("pins", [["*"], ["a", "*"]])
def test_a_lone_star_is_refused(host: FakeHost, pins: list[str]) -> None:
    """CRI-O takes the file, and panics as soon as it compiles the pattern."""
    printed = "".join(f'\t"{one}",\n' for one in pins)
    answer = replace(check_config(CONF_D), stdout=f"pinned_images = [\n{printed}]\n")
    host.expect(answer)
    with pytest.raises(HostError, match=r"holds a lone '\*', on which CRI-O panics") as caught:
        CrioService(host).check()
    # Its whole configuration can hold secrets.
    assert caught.value.details() == {}


def test_a_file_that_crio_cannot_read(host: FakeHost) -> None:
    """It is named."""
    path = "/etc/crio/crio.conf.d/70-x"
    host.files[path] = "pinned_images = = x"
    asked = pins_of(path, [])
    host.expect(replace(asked, rc=1, stdout="", stderr='level=fatal msg="toml: x"'))
    crio = Crio(host)
    (drop_in,) = crio.files_with_pins()
    with pytest.raises(EdgefleetError, match=f"reading the pins of {path}: toml: x"):
        crio.pins_of(drop_in)


def test_a_path_elsewhere_is_not_put_into_the_copy(host: FakeHost) -> None:
    """What CRI-O does not read cannot spoil its configuration."""
    host.expect(check_config("/run/edgefleet-crio/crio.conf.d"))
    CrioService(host).check_with("/elsewhere/50-x", "= =", has_turn=True)
    assert host.files == {}


@pytest.mark.parametrize(("action", "word"), [("reload", "reload"), ("restart", "restart")])
def test_systemctl(host: FakeHost, action: str, word: str) -> None:
    """A failure of systemctl is told."""
    host.expect(service(word, rc=1, stderr="Unit crio.service not found.\n"))
    with pytest.raises(CommandFailed, match=rf"^{word}\w* CRI-O: Unit crio\.service not found\.$"):
        getattr(CrioService(host), action)()


def test_no_crio(host: FakeHost) -> None:
    """It is said what is missing."""
    del host.programs["crio"]
    with pytest.raises(HostError, match=r"looking for CRI-O: it is not installed\. Install CRI-O"):
        Crio(host)


def test_scratch_lies_outside_what_crio_reads() -> None:
    """On the same filesystem, in the folder above."""
    assert scratch_for(DROP_IN) == "/etc/crio/.50-pinned-images.edgefleet-new"


def test_image_store_of_its_own(host: FakeHost) -> None:
    """Names and layers of both roots count."""
    config = RunningConfig("/graph", "/images", "", "", ())
    host.files["/graph/overlay-images/images.json"] = images_json("a")
    host.files["/images/overlay-images/images.json"] = images_json("b")
    host.files["/images/overlay-layers/layers.json"] = (
        '[{"id": "x", "compressed-diff-digest": "d"}]'
    )
    host.expect(images("ab"))
    assert read_image_store(host, Crictl(host), config).present() == {"a", "b"}
    assert read_layers(host, config) == {"d"}


def test_additional_stores(host: FakeHost) -> None:
    """Their names and layers count as there; what pulls go to is the store alone."""
    config = RunningConfig("/graph", "", "", "", (), ("/ro",))
    host.files["/ro/overlay-images/images.json"] = images_json("a")
    host.files["/ro/overlay-layers/layers.json"] = '[{"id": "x", "compressed-diff-digest": "d"}]'
    host.expect(images("a"))
    assert read_image_store(host, Crictl(host), config).present() == {"a"}
    assert read_layers(host, config) == {"d"}
    assert contents_of(host, config.image_root) == StoreContents({}, {})
    assert contents_of(host, "/ro").layers.keys() == {"x"}


def test_a_wiped_store(host: FakeHost) -> None:
    """No files, no names, no layers."""
    config = RunningConfig("/var/lib/containers/storage", "", "", "", ())
    assert read_layers(host, config) == frozenset()
    host.files[IMAGES_JSON] = ""
    host.files[LAYERS_JSON] = ""
    host.expect(images())
    assert read_image_store(host, Crictl(host), config).present() == frozenset()
    assert read_layers(host, config) == frozenset()


def test_version_is_asked_of_the_program(host: FakeHost) -> None:
    """A program that cannot say it is told so."""
    host.expect(Call((CRIO, "--version"), stdout="?", timeout=60))
    with pytest.raises(EdgefleetError, match="reading the version of CRI-O"):
        Crio(host).version()
