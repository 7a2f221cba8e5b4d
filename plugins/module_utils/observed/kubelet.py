# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits on a node's disks: image garbage collection and eviction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping

from ..errors import EdgefleetError

# Where kubelets keep their configuration: kubeadm and most others, OpenShift, MicroShift.
CONFIG_PATHS = (
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/microshift/resources/kubelet/config/config.yaml",
)
# What it calls nodefs lies there (defaultRootDir in cmd/kubelet/app/options/options.go).
DEFAULT_ROOT_DIR = "/var/lib/kubelet"
# Defaults of the kubelet (pkg/kubelet/apis/config/v1beta1/defaults.go, eviction/defaults_linux.go).
DEFAULT_GC_HIGH_PERCENT = 85
DEFAULT_EVICTION_HARD = {
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
}
_QUANTITY_MAX = 100
_QUANTITY_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")
# resource.Quantity of k8s.io/apimachinery, without its milli and exponent forms.
_SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
}
GC_HIGH = "imageGCHighThresholdPercent"
_MERGE = "mergeDefaultEvictionSettings"
_HARD, _SOFT = "evictionHard", "evictionSoft"
_READ = (_MERGE, GC_HIGH, _HARD, _SOFT)
# What stands on the command line instead (cmd/kubelet/app/options/options.go), and where that is.
_FLAGS = {"image-gc-high-threshold": GC_HIGH, "eviction-hard": _HARD, "eviction-soft": _SOFT}
COMMAND_LINE = "the kubelet's command line"
# Of a folder of drop-ins the kubelet reads what ends so (cmd/kubelet/app/server.go).
_DROP_IN = ".conf"
_NOTHING = ("", "null", "~")
_NEXT_DOCUMENT = "---"
# A mapping in one line. A colon behind a plain key needs a space, or it belongs to the key.
_FLOW_PAIR = (
    r"\s*(?:(?:\"[\w.]+\"|'[\w.]+')\s*:\s*|[\w.]+\s*:\s+)(?:\"[\w.%]+\"|'[\w.%]+'|[\w.%]+)\s*"
)
_FLOW_PATTERN = re.compile(rf"\{{(?:{_FLOW_PAIR}(?:,{_FLOW_PAIR})*,?)?\s*\}}")
_NAMED_PATTERN = re.compile(rf"\b(?:{'|'.join(_READ)})\b")


class UnreadableKubeletConfig(EdgefleetError):
    """A kubelet configuration of which a needed part could not be understood."""


@dataclass(frozen=True)
class KubeletLimits:
    """What the kubelet wants to stay free, and the file that says so.

    ``eviction`` maps signals such as ``imagefs.available`` to a percentage or a quantity, the
    stricter of hard and soft where both are set. ``sources`` say of signals, and of
    ``imageGCHighThresholdPercent``, where they come from when that is not ``path``. The ``root_dir``
    lies on what the kubelet calls ``nodefs``.
    """

    path: str
    gc_high_percent: int = DEFAULT_GC_HIGH_PERCENT
    eviction: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    root_dir: str = DEFAULT_ROOT_DIR

    def source_of(self, name: str) -> str:
        """Return where a signal, or :data:`GC_HIGH`, was set last."""
        return self.sources.get(name, self.path)

    def eviction_reserve(self, signal: str, total: int) -> tuple[int, str]:
        """Return how much of ``total`` the eviction ``signal`` wants free, and which threshold.

        Both are nothing when the signal is not set.
        """
        thresholds = self.eviction.get(signal, ())
        return max(((amount_of(one, total), one) for one in thresholds), default=(0, ""))

    def gc_reserve(self, total: int) -> int:
        """Return how much of ``total`` bytes must be free for the kubelet to collect no image.

        It compares whole percents of what is available, rounded down, and collects when the
        threshold is reached; at 100 it never does (pkg/kubelet/images/image_gc_manager.go,
        pkg/kubelet/kubelet.go).
        """
        if self.gc_high_percent == 100:
            return 0
        return -(-total * (101 - self.gc_high_percent) // 100)


def amount_of(threshold: str, total: int) -> int:
    """Return what a threshold such as ``15%`` or ``1Gi`` means of ``total``, rounded up.

    :raises UnreadableKubeletConfig: when it is neither.
    """
    text = threshold.strip()
    if text.endswith("%"):
        try:
            percent = float(text[:-1])
            if 0 <= percent <= 100:
                return -int(-total * percent // 100)
        except ValueError:
            pass
    # More digits than any disk has bytes; a float of them would be infinite.
    match = _QUANTITY_PATTERN.fullmatch(text) if len(text) < _QUANTITY_MAX else None
    if match and match.group(2) in _SUFFIXES:
        return int(float(match.group(1)) * _SUFFIXES[match.group(2)])
    raise UnreadableKubeletConfig(
        f"reading the kubelet threshold {threshold!r}",
        "it is neither a percentage nor a quantity",
        "15% or 1Gi would be one.",
    )


@dataclass(frozen=True)
class KubeletCommand:
    """What a kubelet was started with: paths, and the flags that count.

    The paths of configurations are empty where they were not given.

    ``flags`` are by the names of the keys of a configuration whose place they take.
    """

    config: str = ""
    config_dir: str = ""
    root_dir: str = DEFAULT_ROOT_DIR
    flags: Mapping[str, str] = field(default_factory=dict)


def parse_kubelet_command(cmdline: str) -> KubeletCommand:
    """Parse ``/proc/<pid>/cmdline`` of a kubelet."""
    given: dict[str, str] = {}
    arguments = cmdline.split("\0")[1:]
    for argument, following in zip(arguments, [*arguments[1:], ""]):
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            key, said = name[2:], value if equals else following
            # Of thresholds that are given twice, all count (NewLangleSeparatedMapStringString).
            joined = f"{given[key]},{said}" if key in given and "eviction" in key else said
            given[key] = joined
    return KubeletCommand(
        _absolute(given.get("config", "")),
        _absolute(given.get("config-dir", "")),
        _absolute(given.get("root-dir") or DEFAULT_ROOT_DIR),
        {key: given[flag] for flag, key in _FLAGS.items() if flag in given},
    )


def _absolute(path: str) -> str:
    """Return a path of a service, which runs in the root directory."""
    return path if path.startswith("/") or not path else f"/{path}"


def is_drop_in(path: str) -> bool:
    """Say whether the kubelet reads that file of its folder of drop-ins."""
    return path.endswith(_DROP_IN)


def parse_kubelet_limits(
    text: str,
    path: str,
    drop_ins: Iterable[tuple[str, str]] = (),
    flags: Mapping[str, str] | None = None,
) -> KubeletLimits:
    """Parse a KubeletConfiguration, JSON or plain YAML, with all that is laid over it.

    Nodes need not have a YAML library, and four keys are all that counts: their forms in block
    style are read here, any other form of them is refused rather than overlooked.

    :param drop_ins: paths and texts of the files of ``--config-dir``, in the kubelet's order; each
        signal there replaces that one alone (mergeKubeletConfigurations, cmd/kubelet/app/server.go).
    :param flags: as :class:`KubeletCommand` has them; a flag replaces all thresholds of its kind.
    :raises UnreadableKubeletConfig: when one of the four keys cannot be understood.
    """
    base = _settings(text, path)
    # A given evictionHard replaces the defaults as a whole (unless mergeDefaultEvictionSettings);
    # where it is not given, they are there before drop-ins are read (v1beta1/defaults.go).
    merged: dict[str, Any] = {
        _MERGE: base.get(_MERGE),
        GC_HIGH: DEFAULT_GC_HIGH_PERCENT if base.get(GC_HIGH) is None else base[GC_HIGH],
        _HARD: DEFAULT_EVICTION_HARD if base.get(_HARD) is None else base[_HARD],
        _SOFT: base.get(_SOFT) or {},
    }
    sources: dict[str, str] = {}
    for file, content in drop_ins:
        for key, value in _settings(content, file).items():
            if value is not None:
                sources.update(dict.fromkeys(_named(key, value), file))
                merged[key] = {**merged[key], **value} if key in (_HARD, _SOFT) else value
    for key, value in _settings_of_flags(flags or {}).items():
        sources.update(dict.fromkeys(_named(key, value), COMMAND_LINE))
        merged[key] = value
    return _limits(merged, path, sources)


def _named(key: str, value: Any) -> Iterable[str]:
    """Return what a setting is known by: thresholds by their signals."""
    return value if key in (_HARD, _SOFT) else (key,)


def _settings(text: str, path: str) -> dict[str, Any]:
    """Return those of the four keys that a document has."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _read_block_yaml(text, path)
    if not isinstance(document, Mapping):
        raise _unreadable(path, "it is no mapping")
    settings = {key: document[key] for key in _READ if key in document}
    for key in (_HARD, _SOFT):
        if not isinstance({} if settings.get(key) is None else settings[key], Mapping):
            raise _unreadable(path, "evictionHard or evictionSoft is no mapping")
    if settings.get(GC_HIGH) is not None:
        settings[GC_HIGH] = _percent(settings[GC_HIGH], path)
    _check_thresholds(settings)
    return settings


def _settings_of_flags(flags: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in flags.items():
        if key == GC_HIGH:
            settings[key] = _percent(value, COMMAND_LINE)
        else:
            pairs = [one.partition("<") for one in value.split(",") if one.strip()]
            settings[key] = {signal.strip(): amount.strip() for signal, _sign, amount in pairs}
    _check_thresholds(settings)
    return settings


def _percent(value: Any, path: str) -> int:
    try:
        percent = int(value)
    except (TypeError, ValueError, OverflowError):
        raise _unreadable(path, f"{GC_HIGH} is {value!r}") from None
    if not 0 <= percent <= 100:
        raise _unreadable(path, f"{GC_HIGH} is {value!r}")
    return percent


def _check_thresholds(settings: Mapping[str, Any]) -> None:
    for key in (_HARD, _SOFT):
        for threshold in (settings.get(key) or {}).values():
            amount_of(str(threshold), 0)


def _limits(merged: Mapping[str, Any], path: str, sources: Mapping[str, str]) -> KubeletLimits:
    hard, soft = merged[_HARD], merged[_SOFT]
    if str(merged[_MERGE]).lower() == "true":
        hard = {**DEFAULT_EVICTION_HARD, **hard}
    return KubeletLimits(
        path=path,
        gc_high_percent=merged[GC_HIGH],
        eviction={
            signal: tuple(str(one[signal]) for one in (hard, soft) if signal in one)
            for signal in sorted({*hard, *soft})
        },
        sources=sources,
    )


def _read_block_yaml(text: str, path: str) -> dict[str, Any]:
    """Read the keys that count from block-style YAML: scalars, and one level of mapping at a key."""
    found: dict[str, Any] = {}
    below = ""
    for line in text.splitlines():
        bare = line.split(" #", 1)[0].rstrip()
        if not bare or bare.lstrip().startswith("#"):
            continue
        key, colon, value = bare.strip().partition(":")
        key, value = key.rstrip().strip("'\""), value.strip().strip("'\"")
        indented = line[0].isspace()
        is_odd = not below if indented else key not in _READ
        if is_odd and _NAMED_PATTERN.search(bare):
            raise _unreadable(path, f"{bare.strip()!r} is in a form that is not read")
        if not indented:
            # A list may stand in the column of its key.
            if below and bare.startswith("-") and bare != _NEXT_DOCUMENT:
                raise _unreadable(path, f"{bare!r} below {below} is no 'signal: threshold'")
            below = _open_key(found, key, colon, value, path)
        elif below:
            if not colon or not value:
                raise _unreadable(path, f"{bare.strip()!r} below {below} is no 'signal: threshold'")
            found[below] = {**(found[below] or {}), key: value}
    return found


def _open_key(found: dict[str, Any], key: str, colon: str, value: str, path: str) -> str:
    """Take a key of the first column; return it when its value may follow below it."""
    if key not in _READ or not colon:
        return ""
    if value in _NOTHING:
        found[key] = None
    elif key in (_MERGE, GC_HIGH):
        found[key] = value
    else:
        found[key] = _flow_mapping(key, value, path)
    return "" if value else key


def _flow_mapping(key: str, value: str, path: str) -> dict[str, str]:
    """Read ``{signal: threshold, ...}``, all in the line of its key."""
    found = {}
    if not _FLOW_PATTERN.fullmatch(value):
        raise _unreadable(path, f"{key} is written as {value!r}")
    for pair in value[1:-1].split(","):
        signal, colon, amount = (one.strip().strip("'\"") for one in pair.partition(":"))
        if colon:
            found[signal] = amount
    return found


def _unreadable(path: str, cause: str) -> UnreadableKubeletConfig:
    return UnreadableKubeletConfig(
        f"reading the kubelet's configuration {path}",
        cause,
        "JSON is needed, or YAML with a threshold a line.",
    )
