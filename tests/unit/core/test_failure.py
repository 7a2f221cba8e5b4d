# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failed pulls, from what CRI-O 1.36.3, crictl 1.36.0 and skopeo 1.9.3 print."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import (
    classify_failure,
    readable_message,
)

REF = "example.com:5000/x@sha256:" + "a" * 64
HEAD = (
    'E1124 03:08:43.515760     216 remote_image.go:250] "PullImage from image service failed" err="'
    'rpc error: code = Unknown desc = unable to pull image: not this line"\n'
    'time="2026-11-24T03:08:43Z" level=fatal msg="pulling image: '
)


@pytest.mark.parametrize(
    ("printed", "message", "cause"),
    [
        pytest.param(
            f"{HEAD}unable to pull image or OCI artifact: pull image err: initializing source"
            f" docker://{REF}: reading manifest sha256:aa in example.com:5000/x: manifest unknown;"
            ' artifact err: image reference: get manifest from ref: 401 unauthorized"\n',
            "reading manifest sha256:aa in example.com:5000/x: manifest unknown",
            "not_found",
            id="crio 1.36.3 not found",
        ),
        pytest.param(
            f"{HEAD}unable to pull image: initializing source docker://{REF}: pinging container"
            ' registry example.com:5000: Get \\"https://example.com:5000/v2/\\": dial tcp'
            ' 192.0.2.1:5000: connect: network is unreachable"\n',
            "pinging container registry example.com:5000: Get"
            ' "https://example.com:5000/v2/": dial tcp 192.0.2.1:5000: connect: network is unreachable',
            "unreachable",
            id="crio 1.36.3 unreachable",
        ),
        pytest.param(
            'time="2026-11-24T02:34:28Z" level=fatal msg="Error parsing image name \\"docker://'
            f'{REF}\\": pinging container registry example.com:5000: Get'
            ' \\"https://example.com:5000/v2/\\": http: server gave HTTP response to HTTPS client"',
            'pinging container registry example.com:5000: Get "https://example.com:5000/v2/":'
            " http: server gave HTTP response to HTTPS client",
            "tls",
            id="skopeo 1.9.3 plain http",
        ),
        pytest.param("FATA[0000] pulling image: x \n\n", "x", "unknown", id="crictl to a terminal"),
        pytest.param("", "it printed nothing", "unknown", id="nothing"),
    ],
)
def test_real_failures(printed: str, message: str, cause: str) -> None:
    """The message is the cause without what programs put around it."""
    assert readable_message(printed) == message
    assert classify_failure(message) == cause


def test_a_long_message_keeps_its_end() -> None:
    """Go wraps errors from the outside in."""
    message = readable_message("x" * 1000 + ": connection refused")
    assert message.startswith("...x")
    assert message.endswith(": connection refused")
    assert len(message) == 503


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            "writing blob: storing blob to file: write /var/tmp/x: no space left on device",
            "no_space",
        ),
        ("write: disk quota exceeded", "no_space"),
        ("SignatureValidationFailed: Source image rejected: Running image", "signature_rejected"),
        ("A signature was required, but no signature exists", "signature_rejected"),
        ("toomanyrequests: You have reached your pull rate limit", "rate_limited"),
        ("received unexpected HTTP status code 429", "rate_limited"),
        ("unauthorized: authentication required", "unauthorized"),
        ("denied: requested access to the resource is denied", "unauthorized"),
        ("invalid status code from registry 403 (Forbidden)", "unauthorized"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown", "tls"),
        ("Digest did not match, expected sha256:aa, got sha256:bb", "corrupt"),
        ("reading blob: unexpected EOF", "corrupt"),
        ("name unknown: repository name not known to registry", "not_found"),
        ("dial tcp: lookup registry.invalid: no such host", "unreachable"),
        ("dial tcp 192.0.2.1:443: connect: connection refused", "unreachable"),
        ("dial tcp 192.0.2.1:443: i/o timeout", "unreachable"),
        ("read: connection reset by peer", "unreachable"),
        ("received unexpected HTTP status: 503 Service Unavailable", "unreachable"),
        ("context deadline exceeded", "timeout"),
        ("Client.Timeout exceeded while awaiting headers", "timeout"),
        ("lsetxattr: input/output error", "io_error"),
        ("mkdir /var/lib/containers: read-only file system", "io_error"),
        ("something else", "unknown"),
    ],
)
def test_classes(message: str, cause: str) -> None:
    """The more specific class wins."""
    assert classify_failure(message) == cause
