# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits, from JSON and block-style YAML."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import (
    UnreadableKubeletConfig,
    amount_of,
    parse_kubelet_limits,
)

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
    assert limits.reserved("imagefs.available", 1000) == 250
    assert limits.reserved("nodefs.available", 1000) == 2**30
    # A given evictionHard replaces the defaults as a whole.
    assert limits.reserved("nodefs.inodesFree", 1000) == 0


def test_json() -> None:
    """As OpenShift writes it."""
    text = '{"evictionHard": {"nodefs.inodesFree": "7%"}, "imageGCHighThresholdPercent": 80}'
    limits = parse_kubelet_limits(text, "/k")
    assert limits.gc_high_percent == 80
    assert limits.reserved("nodefs.inodesFree", 100) == 7


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "",
        "kind: KubeletConfiguration\n",
        "evictionHard:\nevictionSoft: ~\n",
        "evictionSoft: {}\n",
    ],
)
def test_defaults(text: str) -> None:
    """What is not set has the kubelet's own defaults."""
    limits = parse_kubelet_limits(text, "/k")
    assert limits.gc_high_percent == 85
    assert limits.reserved("imagefs.available", 100) == 15
    assert limits.reserved("nodefs.available", 100) == 10
    assert limits.reserved("imagefs.inodesFree", 100) == 5
    assert limits.reserved("nodefs.inodesFree", 100) == 5


def test_no_hard_eviction() -> None:
    """An empty mapping turns it off."""
    assert parse_kubelet_limits("evictionHard: {}\n", "/k").reserved("nodefs.available", 100) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it is no mapping"),
        ('{"evictionHard": []}', "evictionHard or evictionSoft is no mapping"),
        ('{"evictionSoft": 7}', "evictionHard or evictionSoft is no mapping"),
        ("imageGCHighThresholdPercent: high\n", "imageGCHighThresholdPercent is 'high'"),
        ("evictionHard: {a: 1}\n", "evictionHard is written as '{a: 1}'"),
        ("evictionHard:\n  - a\n", "'- a' below evictionHard is no 'signal: threshold'"),
        ("evictionHard:\n  a:\n", "'a:' below evictionHard is no 'signal: threshold'"),
        ("evictionHard:\n  imagefs.available: lots\n", "'lots'"),
    ],
)
def test_refused(text: str, said: str) -> None:
    """A form of the three keys that is not understood is refused, not overlooked."""
    with pytest.raises(UnreadableKubeletConfig) as caught:
        parse_kubelet_limits(text, "/k.yaml")
    assert said in str(caught.value)
