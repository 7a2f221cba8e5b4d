# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed program said, without what is put around it.

Apart from ``failure``, because a look at a node needs no more, and every run uploads it to every node.
"""

from __future__ import annotations

import re

# What crictl, CRI-O and skopeo put around the one message that tells the cause: logging, the
# names of their own functions, the reference once more, milliseconds of a broken connection
# (docker/body_reader.go), and CRI-O's second try, as an artifact.
_ENVELOPE_PATTERN = re.compile(
    r'(?:level=fatal msg=|time="[^"]*" |FATA\[\d+\] )+'
    r'|Error parsing image name \\?"docker://[^"]*": '
    r"|pulling image: |RegistryUnavailable: |\(heuristic tuning data: [^)]*\): "
    r"|rpc error: code = \w+ desc = |initializing source docker://\S+: "
    r"|unable to pull image(?: or OCI artifact: pull image err)?: |; artifact err: .*$"
)
# Registries that keep their blobs elsewhere send clients to addresses whose query is a credential.
_QUERY_PATTERN = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]*")
# Go wraps errors from the outside in: the cause is at the end.
_MESSAGE_MAX = 500


def readable_message(message: str) -> str:
    """Return the last line of a failed program's standard error, without what is put around it.

    Nor has it the queries of addresses: some are credentials.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    last = _ENVELOPE_PATTERN.sub("", lines[-1]).strip() if lines else "it printed nothing"
    message = without_queries(last.strip('"').replace('\\"', '"'))
    return message if len(message) <= _MESSAGE_MAX else f"...{message[-_MESSAGE_MAX:]}"


def without_queries(text: str) -> str:
    """Return a text with ``?...`` in the place of the query of each web address."""
    return _QUERY_PATTERN.sub(r"\1?...", text)
