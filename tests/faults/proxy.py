# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that misbehaves when it is told to: a proxy in front of the lab's registry.

    python3 -m faults.proxy ADDRESS UPSTREAM FOLDER

What it is told lies in FOLDER/mood.json and is read for each request (see `Mood`); what it served is
in FOLDER/served.jsonl, as lines with path, status and the bytes of the body.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from lab import Lab
from lab.network import REGISTRY_HOST
from lab.processes import Process, launch, wait_for
from lab.registry import NAMESPACE

_PORT = 5900
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Mood:
    """How it answers a request whose path holds `where`; the others are passed on.

    `status` is answered instead of what was asked for, the first `times` times for each path (0:
    always). A body is torn after `reset_after` bytes by a reset, or ended after `end_after` bytes as if
    it were whole; `spoiled` changes one of its bytes. `name` keeps the counters of two moods apart.
    """

    name: str = "good"
    where: str = ""
    status: int = 0
    times: int = 0
    retry_after: int = 0
    reset_after: int = 0
    end_after: int = 0
    spoiled: bool = False


GOOD = Mood()


class Proxy:
    """The proxy of a lab, as a test sees it; it runs beside the lab's registry."""

    def __init__(self, lab: Lab) -> None:
        """Start it, in a good mood."""
        self._lab = lab
        self.folder = lab.state_dir / "proxy"
        self.folder.mkdir()
        self.tell(GOOD)
        self.start()

    @property
    def address(self) -> str:
        """Host and port, as image references begin."""
        return f"{self._lab.network.address(REGISTRY_HOST)}:{_PORT}"

    def start(self) -> None:
        """Start it, or start it again."""
        program = [sys.executable, "-m", "faults.proxy", self.address, self._lab.registry.address]
        launch(
            ["nsenter", f"--net={self._lab.network.namespace(NAMESPACE)}", *program, self.folder],
            record=self.folder / "process",
            log=self.folder / "log",
            errors=self.folder / "log",
        )
        wait_for(self._answers, f"the proxy at {self.address}", seconds=20)

    def stop(self) -> None:
        """End it; its address then refuses connections."""
        process = Process.recorded(self.folder / "process")
        assert process
        process.kill()
        wait_for(lambda: not process.alive, "the proxy to end", seconds=10)
        process.reap()

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.address.partition(":")[0], _PORT), timeout=1).close()
        except OSError:
            return False
        return True

    def tell(self, mood: Mood) -> None:
        """Have it behave so from the next request on."""
        scratch = self.folder / "mood.new"
        scratch.write_text(json.dumps(asdict(mood)))
        scratch.rename(self.folder / "mood.json")

    def mark(self) -> int:
        """This moment, for `blobs_served`."""
        served = self.folder / "served.jsonl"
        return served.stat().st_size if served.exists() else 0

    def blobs_served(self, since: int = 0) -> set[str]:
        """The digests of the blobs that were asked for since then."""
        return {path.rpartition("/")[2] for path in self.paths(since) if "/blobs/" in path}

    def paths(self, since: int = 0) -> list[str]:
        """The paths of all requests since then, as they ended."""
        with (self.folder / "served.jsonl").open() as served:
            served.seek(since)
            return [str(json.loads(line)["path"]) for line in served]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""
    folder = Path()
    lock = threading.Lock()
    counted: ClassVar[Counter[tuple[str, str]]] = Counter()

    def do_GET(self) -> None:
        """Answer as told."""
        mood = Mood(**json.loads((self.folder / "mood.json").read_text()))
        if mood.where and mood.where in self.path:
            with self.lock:
                self.counted[mood.name, self.path] += 1
                count = self.counted[mood.name, self.path]
            if mood.status and (not mood.times or count <= mood.times):
                self._refuse(mood)
                return
        else:
            mood = GOOD
        self._pass_on(mood)

    def do_HEAD(self) -> None:
        """Answer as told, without a body."""
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _refuse(self, mood: Mood) -> None:
        self.send_response(mood.status)
        if mood.retry_after:
            self.send_header("Retry-After", str(mood.retry_after))
        self.send_header("Content-Length", "0")
        self.end_headers()
        self._note(mood.status, 0)

    def _pass_on(self, mood: Mood) -> None:
        upstream = http.client.HTTPConnection(self.upstream)
        try:
            upstream.putrequest(self.command, self.path, skip_accept_encoding=True, skip_host=True)
            for key, value in self.headers.items():
                # Accept comes several times.
                if key.lower() != "connection":
                    upstream.putheader(key, value)
            upstream.endheaders()
            answer = upstream.getresponse()
            self.send_response(answer.status)
            headers = self._headers(answer, mood)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            sent = self._send_body(answer, mood) if self.command == "GET" else 0
        finally:
            upstream.close()
        self._note(answer.status, sent)

    def _headers(self, answer: http.client.HTTPResponse, mood: Mood) -> Mapping[str, str]:
        headers = {key: value for key, value in answer.getheaders() if key != "Connection"}
        if mood.end_after and self.command == "GET":
            headers["Content-Length"] = str(min(mood.end_after, int(headers["Content-Length"])))
        return headers

    def _send_body(self, answer: http.client.HTTPResponse, mood: Mood) -> int:
        limit = mood.reset_after or mood.end_after
        sent = 0
        while chunk := answer.read(min(_CHUNK, limit - sent) if limit else _CHUNK):
            if mood.spoiled and not sent:
                chunk = chunk[:-1] + bytes([chunk[-1] ^ 1])
            self.wfile.write(chunk)
            sent += len(chunk)
            if limit and sent >= limit:
                break
        if mood.reset_after and sent >= mood.reset_after:
            # Closing with this option on sends a reset instead of an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        return sent

    def _note(self, status: int, sent: int) -> None:
        line = json.dumps({"path": self.path, "status": status, "bytes": sent}) + "\n"
        with self.lock, (self.folder / "served.jsonl").open("a") as served:
            served.write(line)


def main(address: str, upstream: str, folder: Path) -> None:
    """Serve until killed."""
    host, _colon, port = address.rpartition(":")
    _Handler.upstream, _Handler.folder = upstream, folder
    ThreadingHTTPServer((host, int(port)), _Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
