# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits, from JSON and YAML."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import (
    COMMAND_LINE,
    GC_HIGH,
    KubeletCommand,
    KubeletLimits,
    UnreadableKubeletConfig,
    amount_of,
    is_drop_in,
    parse_kubelet_command,
    parse_kubelet_limits,
)
from hypothesis import given
from hypothesis import strategies as st

KUBEADM = """\
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
evictionHard:
  # what we keep free
  imagefs.available: "20%"   # of the disk
  'nodefs.available': 1Gi

evictionSoft:
  imagefs.available: 25%
imageGCHighThresholdPercent: 70
kind: KubeletConfiguration
"""


@pytest.mark.parametrize(
    ("threshold", "total", "amount"),
    [
        ("15%", 1000, 150),
        ("15%", 1001, 151),
        ("0.5%", 1000, 5),
        ("0%", 1000, 0),
        ("100", 1000, 100),
        ("1Gi", 0, 2**30),
        ("1.5Gi", 0, 3 * 2**29),
        (" 100M ", 0, 100_000_000),
        ("1Ki", 0, 1024),
        ("1k", 0, 1000),
        ("1G", 0, 1_000_000_000),
        ("1T", 0, 1_000_000_000_000),
        ("1P", 0, 1_000_000_000_000_000),
        ("1Mi", 0, 1_048_576),
        ("1Ti", 0, 1_099_511_627_776),
        ("1Pi", 0, 1_125_899_906_842_624),
        ("100%", 1000, 1000),
    ],
)
def test_thresholds(threshold: str, total: int, amount: int) -> None:
    """Percentages are rounded up: never less than the kubelet wants."""
    assert amount_of(threshold, total) == amount


@pytest.mark.parametrize("threshold", ["", "%", "x%", "1GB", "-1", "1e3", "100m"])
def test_no_threshold(threshold: str) -> None:
    """What is neither percentage nor quantity is refused."""
    with pytest.raises(UnreadableKubeletConfig, match="neither a percentage nor a quantity"):
        amount_of(threshold, 100)


def test_block_yaml() -> None:
    """As kubeadm writes it; hard and soft count both, the stricter wins."""
    limits = parse_kubelet_limits(KUBEADM, "/k.yaml")
    assert limits.path == "/k.yaml"
    assert limits.gc_high_percent == 70
    assert limits.eviction_reserve("imagefs.available", 1000)[0] == 250
    assert limits.eviction_reserve("nodefs.available", 1000)[0] == 2**30
    # A given evictionHard replaces the defaults as a whole.
    assert limits.eviction_reserve("nodefs.inodesFree", 1000)[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "evictionHard: {memory.available: 100Mi, nodefs.available: 7%}\n",
        "evictionHard: { 'memory.available': \"100Mi\" , \"nodefs.available\":'7%', } # why\n",
    ],
)
def test_a_mapping_in_one_line(text: str) -> None:
    """With quotes, or without."""
    limits = parse_kubelet_limits(text, "/k")
    assert limits.eviction == {"memory.available": ("100Mi",), "nodefs.available": ("7%",)}


def test_json() -> None:
    """As OpenShift writes it."""
    text = '{"evictionHard": {"nodefs.inodesFree": "7%"}, "imageGCHighThresholdPercent": 80}'
    limits = parse_kubelet_limits(text, "/k")
    assert limits.gc_high_percent == 80
    assert limits.eviction_reserve("nodefs.inodesFree", 100)[0] == 7


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "",
        "kind: KubeletConfiguration\n",
        "evictionHard:\nevictionSoft: ~\n",
        "evictionSoft: {}\n",
        "evictionHard: null\n",
        '{"evictionHard": null, "evictionSoft": null}',
    ],
)
def test_defaults(text: str) -> None:
    """What is not set has the kubelet's own defaults."""
    limits = parse_kubelet_limits(text, "/k")
    assert limits.gc_high_percent == 85
    assert limits.eviction_reserve("imagefs.available", 100)[0] == 15
    assert limits.eviction_reserve("nodefs.available", 100)[0] == 10
    assert limits.eviction_reserve("imagefs.inodesFree", 100)[0] == 5
    assert limits.eviction_reserve("nodefs.inodesFree", 100)[0] == 5


def test_no_hard_eviction() -> None:
    """An empty mapping turns it off."""
    assert (
        parse_kubelet_limits("evictionHard: {}\n", "/k").eviction_reserve("nodefs.available", 100)[
            0
        ]
        == 0
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it is no mapping"),
        ('{"evictionHard": []}', "evictionHard or evictionSoft is no mapping"),
        ('{"evictionSoft": 7}', "evictionHard or evictionSoft is no mapping"),
        ("imageGCHighThresholdPercent: high\n", "imageGCHighThresholdPercent is 'high'"),
        ('{"imageGCHighThresholdPercent": [80]}', "imageGCHighThresholdPercent is [80]"),
        ('{"evictionHard": {"a": null}}', "threshold 'None'"),
        ("evictionHard: {a: [1]}\n", "evictionHard is written as '{a: [1]}'"),
        ("evictionHard: {a: {b: 1}}\n", "evictionHard is written as '{a: {b: 1}}'"),
        ("evictionHard: {a:1}\n", "evictionHard is written as '{a:1}'"),
        ("evictionHard: {a: 1\n", "evictionHard is written as '{a: 1'"),
        ("evictionHard: {a: 1} b\n", "evictionHard is written as '{a: 1} b'"),
        ("evictionHard: &x {a: 1}\n", "evictionHard is written as '&x {a: 1}'"),
        ("evictionHard:\n  - a\n", "'- a' below evictionHard is no 'signal: threshold'"),
        ("evictionHard:\n- a: 1%\n", "'- a: 1%' below evictionHard is no 'signal: threshold'"),
        ("evictionHard:\n\n# why\n-\n  a: 1%\n", "'-' below evictionHard is no 'signal: thresh"),
        ("evictionSoft:\n? evictionHard\n: {a: 1%}\n", "is in a form that is not read"),
        (
            "imageGCHighThresholdPercent:\n  80\n",
            "'80' below imageGCHighThresholdPercent is no 'signal: threshold'",
        ),
        ("evictionHard:\n  a:\n", "'a:' below evictionHard is no 'signal: threshold'"),
        ("evictionHard:\n  imagefs.available: lots\n", "'lots'"),
    ],
)
def test_refused(text: str, said: str) -> None:
    """A form of the three keys that is not understood is refused, not overlooked."""
    with pytest.raises(UnreadableKubeletConfig) as caught:
        parse_kubelet_limits(text, "/k.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "evictionHard:\n  nodefs.available: 1%\n  imagefs.available: 2%\n",
        "evictionHard:\n nodefs.available: 1%\n imagefs.available: 2%\n",
        "evictionHard:\n# why\n  nodefs.available: 1%\n\n# why\n  imagefs.available: 2%\n",
        "evictionHard:\n\t# why\n  nodefs.available: 1%\n  imagefs.available: 2%\n",
        '"evictionHard": # why\n  "nodefs.available": \'1%\'\n  \'imagefs.available\': "2%"\n',
        "'evictionHard':\n  nodefs.available:   1%   # why\n  imagefs.available: 2%\n",
        (
            "other:\n  nodefs.available: 9%\nevictionHard:\n  nodefs.available: 1%\n"
            "  imagefs.available: 2%\nmore:\n  imagefs.available: 9%\n"
        ),
        '{"evictionHard": {"nodefs.available": "1%", "imagefs.available": 20}}',
        '{"evictionHard": {"nodefs.available": "1%"}, "evictionSoft": {"imagefs.available": "2%"}}',
    ],
)
def test_forms_of_a_mapping(text: str) -> None:
    """Indentation, comments and quotes change nothing, nor do other keys before and after."""
    limits = parse_kubelet_limits(text, "/k")
    assert limits.eviction_reserve("nodefs.available", 1000)[0] == 10
    assert limits.eviction_reserve("imagefs.available", 1000)[0] == 20
    assert limits.eviction_reserve("nodefs.inodesFree", 1000)[0] == 0


def test_the_whole_message() -> None:
    """The file or the threshold, what is wrong with it, what is needed."""
    with pytest.raises(UnreadableKubeletConfig) as caught:
        parse_kubelet_limits("[]", "/k.yaml")
    assert str(caught.value) == (
        "reading the kubelet's configuration /k.yaml: it is no mapping."
        " JSON is needed, or YAML with a threshold a line."
    )
    with pytest.raises(UnreadableKubeletConfig) as caught:
        amount_of("lots", 1)
    assert str(caught.value) == (
        "reading the kubelet threshold 'lots': it is neither a percentage nor a quantity."
        " 15% or 1Gi would be one."
    )


@pytest.mark.parametrize("threshold", ["0.5%", "1.5Gi", "100"])
def test_amounts_are_whole(threshold: str) -> None:
    """Bytes and inodes have no fractions."""
    assert isinstance(amount_of(threshold, 1001), int)


@pytest.mark.parametrize(
    "text",
    [
        "{evictionHard: {imagefs.available: 30%}}\n",
        '{\n  "evictionHard": {"imagefs.available": "30%"},\n}\n',
        "  evictionHard:\n    imagefs.available: 30%\n",
        '? "evictionHard"\n: {imagefs.available: 30%}\n',
    ],
)
def test_a_form_that_is_not_read_is_refused(text: str) -> None:
    """The defaults would be wrong there."""
    with pytest.raises(UnreadableKubeletConfig, match="is in a form that is not read"):
        parse_kubelet_limits(text, "/k")


def test_a_space_before_the_colon() -> None:
    """YAML allows it."""
    limits = parse_kubelet_limits("evictionHard :\n  imagefs.available : 30%\n", "/k")
    assert limits.eviction_reserve("imagefs.available", 100)[0] == 30


@pytest.mark.parametrize("threshold", ["-5%", "200%"])
def test_percentages(threshold: str) -> None:
    """None outside of 0 to 100."""
    with pytest.raises(UnreadableKubeletConfig):
        amount_of(threshold, 1000)


@pytest.mark.parametrize(
    "text",
    [
        "imageGCHighThresholdPercent: 850\n",
        "imageGCHighThresholdPercent: -1\n",
        '{"imageGCHighThresholdPercent": Infinity}',
    ],
)
def test_garbage_collection_out_of_range(text: str) -> None:
    """No threshold outside of 0 to 100."""
    with pytest.raises(UnreadableKubeletConfig, match="imageGCHighThresholdPercent is"):
        parse_kubelet_limits(text, "/k")


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ('{"imageGCHighThresholdPercent": 0}', 0),
        ("imageGCHighThresholdPercent: 0\n", 0),
        ('{"imageGCHighThresholdPercent": null}', 85),
        ("imageGCHighThresholdPercent: null\n", 85),
        ("imageGCHighThresholdPercent:\nkind: KubeletConfiguration\n", 85),
        ("evictionHard:\n---\nkind: KubeletConfiguration\n", 85),
    ],
)
def test_no_threshold_of_garbage_collection(text: str, percent: int) -> None:
    """Zero is one; nothing is the kubelet's own."""
    assert parse_kubelet_limits(text, "/k").gc_high_percent == percent


@pytest.mark.parametrize(("merge", "reserved"), [("true", 10), ("false", 0)])
def test_merged_defaults(merge: str, reserved: int) -> None:
    """With mergeDefaultEvictionSettings the defaults that are not given stay."""
    text = f"evictionHard:\n  imagefs.available: 30%\nmergeDefaultEvictionSettings: {merge}\n"
    assert parse_kubelet_limits(text, "/k").eviction_reserve("nodefs.available", 100)[0] == reserved


@pytest.mark.parametrize(
    ("percent", "total", "reserve"),
    [(85, 1000, 160), (85, 1001, 161), (85, 0, 0), (99, 1000, 20), (0, 100, 101), (100, 1000, 0)],
)
def test_where_collection_starts(percent: int, total: int, reserve: int) -> None:
    """At the threshold itself, of whole percents rounded down; never at 100."""
    assert KubeletLimits("/k", percent).gc_reserve(total) == reserve


@pytest.mark.parametrize("percent", [50, 80, 85, 99])
@pytest.mark.parametrize("total", [1000, 999_983])
def test_the_kubelet_agrees(percent: int, total: int) -> None:
    """With the reserve free it collects nothing, with a byte less it does."""

    def collects(available: int) -> bool:
        # pkg/kubelet/images/image_gc_manager.go
        return 100 - available * 100 // total >= percent

    reserve = KubeletLimits("/k", percent).gc_reserve(total)
    assert not collects(reserve)
    assert collects(reserve - 1)


def test_the_threshold_that_counts() -> None:
    """The one that asks for more, as it was written; nothing for what is not set."""
    limits = KubeletLimits("/k", 85, {"imagefs.available": ("10%", "1Gi")})
    assert limits.eviction_reserve("imagefs.available", 2**30) == (2**30, "1Gi")
    assert limits.eviction_reserve("imagefs.available", 2**40) == (-(-(2**40) // 10), "10%")
    assert limits.eviction_reserve("nodefs.available", 2**40) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], KubeletCommand()),
        (["--v=2", "x", "--config"], KubeletCommand()),
        (
            ["--config=/a.yaml", "--config-dir", "/a.d", "--v", "2"],
            KubeletCommand("/a.yaml", "/a.d"),
        ),
        (["--config=var/a.yaml", "--config-dir=a.d"], KubeletCommand("/var/a.yaml", "/a.d")),
        (["--config=/a", "--config=/b"], KubeletCommand("/b")),
        (["--root-dir", "/data/kubelet"], KubeletCommand(root_dir="/data/kubelet")),
        (["--root-dir="], KubeletCommand()),
        (
            ["--image-gc-high-threshold=70", "--eviction-hard", "a<1%", "--eviction-soft=b<2%"],
            KubeletCommand(flags={GC_HIGH: "70", "evictionHard": "a<1%", "evictionSoft": "b<2%"}),
        ),
        (
            ["--eviction-hard=a<1%", "--eviction-hard=b<2%"],
            KubeletCommand(flags={"evictionHard": "a<1%,b<2%"}),
        ),
        (["--eviction-hard="], KubeletCommand(flags={"evictionHard": ""})),
    ],
)
def test_command_lines(arguments: list[str], command: KubeletCommand) -> None:
    """Both ways to give a value; paths from the root directory; what the kubelet is itself is none."""
    assert parse_kubelet_command("\0".join(["--config=/kubelet", *arguments, ""])) == command


def thresholds(limits: KubeletLimits) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return each threshold with the place that it is from."""
    return {signal: (some, limits.source_of(signal)) for signal, some in limits.eviction.items()}


def test_drop_ins() -> None:
    """In their order, signal by signal; what is not named in one stays."""
    first = '{"imageGCHighThresholdPercent": 80, "evictionHard": {"nodefs.available": "9%"}}'
    second = "evictionHard:\n  nodefs.available: 8%\n  x: 1Gi\nevictionSoft:\nkind: x\n"
    limits = parse_kubelet_limits(KUBEADM, "/k.yaml", [("/1.conf", first), ("/2.conf", second)])
    assert (limits.gc_high_percent, limits.source_of(GC_HIGH)) == (80, "/1.conf")
    assert thresholds(limits) == {
        "imagefs.available": (("20%", "25%"), "/k.yaml"),
        "nodefs.available": (("8%",), "/2.conf"),
        "x": (("1Gi",), "/2.conf"),
    }


def test_drop_ins_over_defaults() -> None:
    """The defaults are in place before drop-ins come: one signal there does not replace them."""
    drop_in = ("/1.conf", '{"evictionHard": {"nodefs.available": "9%"}}')
    limits = parse_kubelet_limits("{}", "/k.yaml", [drop_in])
    assert thresholds(limits) == {
        "imagefs.available": (("15%",), "/k.yaml"),
        "imagefs.inodesFree": (("5%",), "/k.yaml"),
        "nodefs.available": (("9%",), "/1.conf"),
        "nodefs.inodesFree": (("5%",), "/k.yaml"),
    }


def test_flags() -> None:
    """They count most, and thresholds there replace all of their kind."""
    flags = {GC_HIGH: "60", "evictionHard": " imagefs.available < 3% ,, memory.available<1Gi"}
    drop_in = ("/1.conf", '{"imageGCHighThresholdPercent": 80, "evictionHard": {"y": "9%"}}')
    limits = parse_kubelet_limits(KUBEADM, "/k.yaml", [drop_in], flags)
    assert (limits.gc_high_percent, limits.source_of(GC_HIGH)) == (60, COMMAND_LINE)
    assert thresholds(limits) == {
        "imagefs.available": (("3%", "25%"), COMMAND_LINE),
        "memory.available": (("1Gi",), COMMAND_LINE),
    }
    soft = parse_kubelet_limits(KUBEADM, "/k.yaml", (), {"evictionSoft": "x<1%"})
    assert thresholds(soft)["imagefs.available"] == (("20%",), "/k.yaml")
    none = parse_kubelet_limits(KUBEADM, "/k.yaml", (), {"evictionHard": "", "evictionSoft": ""})
    assert none.eviction == {}


def test_the_merge_of_defaults_counts_over_all() -> None:
    """Whatever set it, and wherever the thresholds are from."""
    drop_in = ("/1.conf", "mergeDefaultEvictionSettings: true\n")
    limits = parse_kubelet_limits("{}", "/k", [drop_in], {"evictionHard": "nodefs.available<2%"})
    assert limits.eviction["nodefs.available"] == ("2%",)
    assert limits.eviction["imagefs.available"] == ("15%",)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({GC_HIGH: "many"}, "reading the kubelet's configuration the kubelet's command line: imag"),
        ({GC_HIGH: "101"}, "imageGCHighThresholdPercent is '101'"),
        ({"evictionHard": "imagefs.available"}, "reading the kubelet threshold ''"),
        ({"evictionSoft": "imagefs.available<lots"}, "reading the kubelet threshold 'lots'"),
    ],
)
def test_flags_that_are_refused(flags: dict[str, str], said: str) -> None:
    """A kubelet would not run with them: what is there is something else."""
    with pytest.raises(UnreadableKubeletConfig) as caught:
        parse_kubelet_limits("{}", "/k", (), flags)
    assert str(caught.value).startswith(said) or said in str(caught.value)


def test_which_files_are_drop_ins() -> None:
    """By their ending, as the kubelet has it."""
    assert is_drop_in("/etc/kubernetes/kubelet.conf.d/20-x.conf")
    assert not is_drop_in("/etc/kubernetes/kubelet.conf.d/20-x.yaml")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_any_command_line(arguments: list[str]) -> None:
    """Nothing in it stops the reading."""
    command = parse_kubelet_command("\0".join(["kubelet", *arguments]))
    assert all(path == "" or path.startswith("/") for path in (command.config, command.config_dir))
