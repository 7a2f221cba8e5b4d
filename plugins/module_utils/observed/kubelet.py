# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits on a node's disks: image garbage collection and eviction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from ..errors import EdgefleetError

# Where kubelets keep their configuration: kubeadm and most others, OpenShift, MicroShift.
CONFIG_PATHS = (
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/microshift/resources/kubelet/config/config.yaml",
)
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
_MERGE = "mergeDefaultEvictionSettings"
_READ = (_MERGE, "imageGCHighThresholdPercent", "evictionHard", "evictionSoft")
_NOTHING = ("", "null", "~")
_NEXT_DOCUMENT = "---"
_NAMED_PATTERN = re.compile(rf"\b(?:{'|'.join(_READ)})\b")


class UnreadableKubeletConfig(EdgefleetError):
    """A kubelet configuration of which a needed part could not be understood."""


@dataclass(frozen=True)
class KubeletLimits:
    """What the kubelet wants to stay free, and the file that says so.

    ``eviction`` maps signals such as ``imagefs.available`` to a percentage or a quantity, the
    stricter of hard and soft where both are set.
    """

    path: str
    gc_high_percent: int = DEFAULT_GC_HIGH_PERCENT
    eviction: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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


def parse_kubelet_limits(text: str, path: str) -> KubeletLimits:
    """Parse a KubeletConfiguration, JSON or block-style YAML.

    Nodes need not have a YAML library, and four keys are all that counts: their forms in block
    style are read here, any other form of them is refused rather than overlooked.

    :raises UnreadableKubeletConfig: when one of the four keys cannot be understood.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _read_block_yaml(text, path)
    if not isinstance(document, Mapping):
        raise _unreadable(path, "it is no mapping")
    gc_high = document.get("imageGCHighThresholdPercent")
    gc_high = DEFAULT_GC_HIGH_PERCENT if gc_high is None else gc_high
    hard = document.get("evictionHard")
    soft = document.get("evictionSoft") or {}
    # A given evictionHard replaces the defaults as a whole (unless mergeDefaultEvictionSettings).
    hard = DEFAULT_EVICTION_HARD if hard is None else hard
    if not isinstance(hard, Mapping) or not isinstance(soft, Mapping):
        raise _unreadable(path, "evictionHard or evictionSoft is no mapping")
    if str(document.get(_MERGE)).lower() == "true":
        hard = {**DEFAULT_EVICTION_HARD, **hard}
    signals = sorted(set(hard) | set(soft))
    try:
        gc_high_percent = int(gc_high)
    except (TypeError, ValueError, OverflowError):
        raise _unreadable(path, f"imageGCHighThresholdPercent is {gc_high!r}") from None
    if not 0 <= gc_high_percent <= 100:
        raise _unreadable(path, f"imageGCHighThresholdPercent is {gc_high!r}")
    limits = KubeletLimits(
        path=path,
        gc_high_percent=gc_high_percent,
        eviction={
            signal: tuple(str(one[signal]) for one in (hard, soft) if signal in one)
            for signal in signals
        },
    )
    for thresholds in limits.eviction.values():
        for threshold in thresholds:
            amount_of(threshold, 0)
    return limits


def _read_block_yaml(text: str, path: str) -> dict[str, Any]:
    """Read the keys that count from block-style YAML: scalars, and one level of mapping below a key."""
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
    elif key in (_MERGE, "imageGCHighThresholdPercent"):
        found[key] = value
    elif value == "{}":
        found[key] = {}
    else:
        raise _unreadable(path, f"{key} is written as {value!r}")
    return "" if value else key


def _unreadable(path: str, cause: str) -> UnreadableKubeletConfig:
    return UnreadableKubeletConfig(
        f"reading the kubelet's configuration {path}", cause, "JSON or block-style YAML is needed."
    )
