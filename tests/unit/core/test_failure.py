# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of failed pulls, from what CRI-O 1.36.3, crictl 1.36.0 and skopeo 1.9.3 print."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import (
    CAUSES,
    classify_failure,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.message import (
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
            f"{HEAD}unable to pull image or OCI artifact: pull image err: reading blob sha256:bb:"
            ' fetching blob: blob unknown to registry; artifact err: not this"\n',
            "reading blob sha256:bb: fetching blob: blob unknown to registry",
            "not_found",
            id="crio 1.36.3 layer not found",
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
            f"{HEAD}unable to pull image or OCI artifact: pull image err: writing blob: storing blob"
            ' to file \\"/var/tmp/container_images_storage1/3\\": happened during read: (heuristic'
            " tuning data: total 200000 @429.419 ms, last retry 100000 @1.594 ms, last progress"
            ' @ 0.461 ms): unexpected EOF; artifact err: not this"\n',
            'writing blob: storing blob to file "/var/tmp/container_images_storage1/3":'
            " happened during read: unexpected EOF",
            "unreachable",
            id="crio 1.36.3 layer, connection closed",
        ),
        pytest.param(
            f"{HEAD}unable to pull image or OCI artifact: pull image err: initializing source"
            f' docker://{REF}: unexpected EOF; artifact err: not this"\n',
            "unexpected EOF",
            "unreachable",
            id="crio 1.36.3 manifest, connection closed",
        ),
        pytest.param(
            f"{HEAD}unable to pull image or OCI artifact: pull image err: writing blob: storing blob"
            ' to file \\"/var/tmp/container_images_storage1/1\\": unexpected EOF; artifact err: x"\n',
            'writing blob: storing blob to file "/var/tmp/container_images_storage1/1":'
            " unexpected EOF",
            "corrupt",
            id="crio 1.36.3 gzip that ends early",
        ),
        pytest.param(
            f"{HEAD}unable to pull image or OCI artifact: pull image err: writing blob: adding layer"
            ' with blob \\"sha256:bb\\"/\\"\\"/\\"sha256:cc\\": unpacking failed (error: exit status 1;'
            " output: unexpected EOF)\\nexhausting input failed (error: unexpected EOF);"
            ' artifact err: not this"\n',
            'writing blob: adding layer with blob "sha256:bb"/""/"sha256:cc": unpacking failed'
            " (error: exit status 1; output: unexpected EOF)\\nexhausting input failed (error:"
            " unexpected EOF)",
            "corrupt",
            id="crio 1.36.3 tar that ends early",
        ),
        pytest.param(
            f'{HEAD}RegistryUnavailable: pinging container registry example.com:5000: x"\n',
            "pinging container registry example.com:5000: x",
            "unreachable",
            id="crio 1.36.3 registry unavailable",
        ),
        pytest.param(
            'time="2026-11-25T06:59:15Z" level=fatal msg="writing blob: happened during read:'
            ' unexpected EOF"',
            "writing blob: happened during read: unexpected EOF",
            "unreachable",
            id="skopeo 1.9.3 layer, connection closed",
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
        ("reading blob: unexpected EOF", "unreachable"),
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
        ("no image found in image index for architecture amd64, variant v3, OS linux", "not_found"),
        ("dial unix /var/run/crio/crio.sock: connect: connection refused", "unknown"),
        ("open /srv/access/blobs: permission denied", "io_error"),
        ("something else", "unknown"),
    ],
)
def test_classes(message: str, cause: str) -> None:
    """The more specific class wins."""
    assert classify_failure(message) == cause


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("x: SignatureValidationFailed", "signature_rejected"),
        ("signature validation failed for x", "signature_rejected"),
        ("Source image rejected: x", "signature_rejected"),
        ("Running image is rejected by policy.", "signature_rejected"),
        ("too many requests", "rate_limited"),
        ("status 429", "rate_limited"),
        ("unauthorized: x", "unauthorized"),
        ("authentication required", "unauthorized"),
        ("x: denied", "unauthorized"),
        ("access_denied", "unauthorized"),
        ("error 401", "unauthorized"),
        ("error 403", "unauthorized"),
        ("invalid username/password", "unauthorized"),
        ("x509: x", "tls"),
        ("remote error: tls: x", "tls"),
        ("certificate has expired", "tls"),
        ("server gave HTTP response to HTTPS client", "tls"),
        ("manifest does not match provided manifest digest", "corrupt"),
        ("digest mismatch", "corrupt"),
        ("bad checksum", "corrupt"),
        ("manifest unknown", "not_found"),
        ("x: not found", "not_found"),
        ("code = NotFound", "not_found"),
        ("error 404", "not_found"),
        ("connection refused", "unreachable"),
        ("no route to host", "unreachable"),
        ("network is unreachable", "unreachable"),
        ("no such host", "unreachable"),
        ("connection reset", "unreachable"),
        ("i/o timeout", "unreachable"),
        ("dial tcp 192.0.2.1:443: x", "unreachable"),
        ("pinging container registry example.com: x", "unreachable"),
        ("server misbehaving", "unreachable"),
        ("status code 500", "unreachable"),
        ("error 502", "unreachable"),
        ("received unexpected HTTP status: 500 Internal Server Error", "unreachable"),
        ("error 503", "unreachable"),
        ("error 504", "unreachable"),
        ("Bad Gateway", "unreachable"),
        ("Service Unavailable", "unreachable"),
        ("host is down", "unreachable"),
        ('Get "https://example.com/v2/": EOF', "unreachable"),
        ("http2: server sent GOAWAY and closed the connection", "unreachable"),
        ("stream error: stream ID 5; INTERNAL_ERROR", "unreachable"),
        ("code = DeadlineExceeded", "timeout"),
        ("connection timed out", "timeout"),
        ("structure needs cleaning", "io_error"),
        ("error 500", "unknown"),
        ("4290 bytes of 14010", "unknown"),
    ],
)
def test_each_word(message: str, cause: str) -> None:
    """Every word that decides does so alone."""
    assert classify_failure(message) == cause


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("dial tcp 192.0.2.1:443: write: no space left on device", "no_space"),
        ("Source image rejected: access denied", "signature_rejected"),
        ("toomanyrequests: access denied, manifest unknown", "rate_limited"),
        ("unauthorized: x509: certificate, name unknown", "unauthorized"),
        ("pinging container registry example.com: x509: not found", "tls"),
        ("unexpected EOF: digest did not match", "corrupt"),
        ("unexpected EOF (after reconnecting, fetching blob: blob unknown)", "not_found"),
        ("dial tcp: name unknown", "not_found"),
        ("dial tcp: i/o timeout, deadline exceeded", "unreachable"),
        ("timeout: input/output error", "timeout"),
    ],
)
def test_the_order_of_the_classes(message: str, cause: str) -> None:
    """Of two classes whose words are there, the one that explains the other."""
    assert classify_failure(message) == cause


def test_the_classes() -> None:
    """These are named in the documentation and in reports."""
    assert CAUSES == (
        "no_space", "signature_rejected", "rate_limited", "unauthorized", "tls", "corrupt",
        "not_found", "unreachable", "timeout", "io_error", "unknown",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("rpc error: code = Unknown desc = x", "x"),
        ("first\nlast\n   \n", "last"),
        ("y" * 500, "y" * 500),
        ("x" + "y" * 500, "..." + "y" * 500),
    ],
)
def test_what_is_left_of_a_message(printed: str, message: str) -> None:
    """The last line that says something, and of a long one its end."""
    assert readable_message(printed) == message


def test_no_query_is_handed_on() -> None:
    """A blob's address in somebody's object store is signed there; the rest of it helps."""
    said = (
        'Get "https://store.example.com/b/docker/blobs/x?X-Amz-Credential=AKIA&X-Amz-Signature=9f":'
        " dial tcp 192.0.2.1:443: i/o timeout (https://example.com/v2/?a=secret)"
    )
    message = readable_message(f"FATA[0001] {said}\n")
    assert message == (
        'Get "https://store.example.com/b/docker/blobs/x?...": dial tcp 192.0.2.1:443: i/o timeout'
        " (https://example.com/v2/?..."
    )
    assert classify_failure(message) == "unreachable"


@pytest.mark.parametrize("name", ["edge/certificate-agent", "ingress-404-server", "checksum-tool"])
def test_the_name_of_an_image_decides_nothing(name: str) -> None:
    """A word of the reference is no cause: these are worth another try."""
    refused = "dial tcp 192.0.2.1:443: connect: connection refused"
    message = f"reading manifest sha256:aa in example.com/{name}: {refused}"
    assert classify_failure(message) == "unreachable"


@pytest.mark.parametrize("what", ["mkdir /var/lib/containers/storage/x", "open /x"])
def test_a_refusal_of_the_node_is_not_the_registrys(what: str) -> None:
    """Its own filesystem denies it."""
    assert classify_failure(f"{what}: permission denied") == "io_error"
