# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pull failed: CRI-O's message put into one of a few classes."""

from __future__ import annotations

import re

from .message import readable_message

# In this order: an earlier row is the more specific one. The words are those of CRI-O 1.36,
# containers/image 5, containers/storage and Go's net, crypto/tls and os packages.
_CAUSES = (
    ("no_space", r"no space left on device|disk quota exceeded"),
    (
        "signature_rejected",
        (
            r"SignatureValidationFailed|signature validation failed|Source image rejected"
            r"|signature was required|rejected by policy"
        ),
    ),
    ("rate_limited", r"toomanyrequests|too many requests|status code 429|\b429\b"),
    (
        "unauthorized",
        (
            r"unauthorized|authentication required|access_denied|(?<!permission )\bdenied\b|status code 40[13]"
            r"|\b401\b|\b403\b|invalid username/password"
        ),
    ),
    (
        "tls",
        r"x509:|tls:|certificate (?:has|is|signed|verif)|bad certificate|server gave HTTP response to HTTPS client",
    ),
    (
        "corrupt",
        (
            r"digest did not match|does not match|digest mismatch|checksum"
            # A layer that ends early and has the digest of the manifest: gzip and tar see it, and
            # what the link did is told as 'happened during read' (copy/blob.go).
            r'|storing blob to file "[^"]*": unexpected EOF|unpacking failed.*unexpected EOF'
        ),
    ),
    (
        "not_found",
        r"(?:manifest|name|blob) unknown|not found|NotFound|status code 404|\b404\b|no image found in",
    ),
    (
        "unreachable",
        (
            r"connection refused|no route to host|network is unreachable|no such host"
            r"|connection reset|i/o timeout|dial tcp|pinging container registry|server misbehaving"
            r"|status code 50[0234]|HTTP status: 5\d\d|\b50[234]\b|bad gateway|service unavailable|host is down"
            # The connection was closed before all that its header promised had come (net/http).
            r"|\bEOF\b|GOAWAY|stream error: stream ID"
        ),
    ),
    # CRI-O cancels a pull from which nothing arrives for its pull_progress_timeout.
    ("timeout", r"deadline exceeded|DeadlineExceeded|timed out|timeout|context canceled"),
    ("io_error", r"input/output error|read-only file system|permission denied|structure needs"),
)
# Names of repositories, in prose and in URLs, may hold any of these words and decide nothing. Nor
# does the word about CRI-O's own socket, behind which no registry was asked.
_NAME_PATTERN = re.compile(r"\bin [^\s:/]+(?::\d+)?/\S+(?=: )|https?://[^\s\"]+|dial unix \S+: .*")
_COMPILED = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _CAUSES)

#: Every class that :func:`classify_failure` may return.
CAUSES = (*tuple(cause for cause, _pattern in _CAUSES), "unknown")


def classify_failure(message: str) -> str:
    """Return the cause class of a failed pull.

    :param message: as :func:`.message.readable_message` returns it.
    :returns: one of :data:`CAUSES`.
    """
    message = _NAME_PATTERN.sub("", message)
    for cause, pattern in _COMPILED:
        if pattern.search(message):
            return cause
    return "unknown"


def failure_of(printed: str) -> tuple[str, str]:
    """Return the cause class of a failed program and its message, from its standard error."""
    message = readable_message(printed)
    return classify_failure(message), message
