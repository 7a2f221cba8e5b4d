# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that misbehaves when it is told to: a proxy in front of the lab's registry.

    python3 -m faults.proxy ADDRESS UPSTREAM FOLDER [CERTIFICATE]

What it is told lies in FOLDER/mood.json and is read for each request (see `Mood`); what it served is
in FOLDER/served.jsonl, as lines with path, status and the bytes of the body. With the file of a
certificate and its key it speaks TLS.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from lab import Lab
from lab.network import REGISTRY_HOST
from lab.processes import Process, launch, wait_for
from lab.registry import NAMESPACE

_PORT = 5900
_TLS_PORT = 5901
_CHUNK = 64 * 1024
# How often a stall looks for another mood, in seconds.
_LOOK_INTERVAL = 0.1
_STALLED = "stalled"


@dataclass(frozen=True)
class Mood:
    """How it answers a request whose path holds `where`; the others are passed on.

    It does so the first `times` times for each path (0: always). `status` is answered instead of what
    was asked for. A body is torn after `reset_after` bytes by a reset, ended after `end_after` bytes as
    if it were whole, or nothing more comes after `stall_after` bytes, until whoever asked gives up, or
    with `lifts` until there is another mood; `spoiled` changes one of its bytes. An answer comes after
    `delay` seconds. `name` keeps the counters of two moods apart.
    """

    name: str = "good"
    where: str = ""
    status: int = 0
    times: int = 0
    retry_after: int = 0
    reset_after: int = 0
    end_after: int = 0
    stall_after: int = 0
    lifts: bool = False
    spoiled: bool = False
    delay: float = 0.0


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

    @property
    def tls_address(self) -> str:
        """The same where it speaks TLS, while `tls` lasts."""
        return f"{self._lab.network.address(REGISTRY_HOST)}:{_TLS_PORT}"

    def start(self) -> None:
        """Start it, or start it again."""
        self._launch(self.address, "process")

    def stop(self) -> None:
        """End it; its address then refuses connections."""
        self._end("process")

    @contextmanager
    def tls(self, certificate: Path) -> Iterator[None]:
        """Let it speak TLS as well, with a certificate and its key."""
        self._launch(self.tls_address, "tls-process", certificate)
        try:
            yield
        finally:
            self._end("tls-process")

    def _launch(self, address: str, record: str, *certificate: Path) -> None:
        program: list[str | Path] = [sys.executable, "-m", "faults.proxy", address]
        namespace = self._lab.network.namespace(NAMESPACE)
        upstream = self._lab.registry.address
        launch(
            ["nsenter", f"--net={namespace}", *program, upstream, self.folder, *certificate],
            record=self.folder / record,
            log=self.folder / "log",
            errors=self.folder / "log",
        )
        wait_for(lambda: _answers(address), f"the proxy at {address}", seconds=20)

    def _end(self, record: str) -> None:
        process = Process.recorded(self.folder / record)
        assert process
        process.kill()
        wait_for(lambda: not process.alive, "the proxy to end", seconds=10)
        process.reap()

    def tell(self, mood: Mood) -> None:
        """Have it behave so from the next request on."""
        scratch = self.folder / "mood.new"
        scratch.write_text(json.dumps(asdict(mood)))
        scratch.rename(self.folder / "mood.json")

    @contextmanager
    def mood(self, mood: Mood) -> Iterator[None]:
        """Have it behave so for a while."""
        self._stalled.unlink(missing_ok=True)
        self.tell(mood)
        try:
            yield
        finally:
            self.tell(GOOD)

    @property
    def has_stalled(self) -> bool:
        """Whether it did, in the last mood."""
        return self._stalled.exists()

    @property
    def _stalled(self) -> Path:
        return self.folder / _STALLED

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


def _answers(address: str) -> bool:
    host, _colon, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""
    folder = Path()
    lock = threading.Lock()
    counted: ClassVar[Counter[tuple[str, str]]] = Counter()

    def do_GET(self) -> None:
        """Answer as told."""
        mood = self._mood()
        if not self._is_meant(mood):
            mood = GOOD
        time.sleep(mood.delay)
        if mood.status:
            self._refuse(mood)
        else:
            self._pass_on(mood)

    def _mood(self) -> Mood:
        return Mood(**json.loads((self.folder / "mood.json").read_text()))

    def _is_meant(self, mood: Mood) -> bool:
        if not mood.where or mood.where not in self.path:
            return False
        with self.lock:
            self.counted[mood.name, self.path] += 1
            return not mood.times or self.counted[mood.name, self.path] <= mood.times

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
        limit = mood.reset_after or mood.end_after or mood.stall_after
        sent = self._copy(answer, limit, spoiled=mood.spoiled)
        if mood.reset_after and sent >= mood.reset_after:
            # Closing with this option on sends a reset instead of an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif mood.stall_after and sent >= mood.stall_after:
            if self._is_lifted(mood):
                sent += self._copy(answer)
            else:
                self.close_connection = True
        return sent

    def _copy(
        self, answer: http.client.HTTPResponse, limit: int = 0, *, spoiled: bool = False
    ) -> int:
        sent = 0
        while chunk := answer.read(min(_CHUNK, limit - sent) if limit else _CHUNK):
            if spoiled and not sent:
                chunk = chunk[:-1] + bytes([chunk[-1] ^ 1])
            self.wfile.write(chunk)
            sent += len(chunk)
            if limit and sent >= limit:
                break
        return sent

    def _is_lifted(self, mood: Mood) -> bool:
        """Wait until the stall is lifted, or whoever asked gives up."""
        (self.folder / _STALLED).touch()
        while not select.select([self.connection], [], [], _LOOK_INTERVAL)[0]:
            if mood.lifts and self._mood().name != mood.name:
                return True
        return False

    def _note(self, status: int, sent: int) -> None:
        line = json.dumps({"path": self.path, "status": status, "bytes": sent}) + "\n"
        with self.lock, (self.folder / "served.jsonl").open("a") as served:
            served.write(line)


def main(address: str, upstream: str, folder: Path, certificate: Path | None = None) -> None:
    """Serve until killed."""
    host, _colon, port = address.rpartition(":")
    _Handler.upstream, _Handler.folder = upstream, folder
    server = ThreadingHTTPServer((host, int(port)), _Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))
