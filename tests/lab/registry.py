"""Registries of the lab and what they served to whom, as their access logs tell."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .commands import LabError, run
from .network import REGISTRY_HOST, Network
from .processes import Process, launch, wait_for

NAMESPACE = "registries"
_FIRST_PORT = 5000

# The combined log format: host, identity, user, [time], "request", status, bytes.
_ENTRY = re.compile(
    r'(?P<client>\S+) \S+ \S+ \[[^]]*\] "(?P<method>\S+) (?P<path>\S+) [^"]*" '
    r"(?P<status>\d+) (?P<bytes>\d+)"
)


@dataclass(frozen=True)
class Request:
    """One finished request; `body_bytes` is what was sent of the answer's body."""

    client: str
    method: str
    path: str
    status: int
    body_bytes: int


@dataclass(frozen=True)
class Credentials:
    """Who may use a registry."""

    user: str
    password: str


class Registry:
    """Debian's docker-registry in the lab's network, over plain HTTP."""

    def __init__(
        self, folder: Path, network: Network, number: int, credentials: Credentials | None = None
    ) -> None:
        self.folder = folder
        self.credentials = credentials
        self._network = network
        self._port = _FIRST_PORT + number

    @property
    def name(self) -> str:
        """The name under which the lab knows it."""
        return self.folder.name

    @property
    def address(self) -> str:
        """Host and port, as image references begin."""
        return f"{self._network.address(REGISTRY_HOST)}:{self._port}"

    def create(self, program: Path) -> None:
        """Lay out its folder."""
        self.folder.mkdir(parents=True)
        (self.folder / "program").symlink_to(program)
        auth = ""
        if self.credentials:
            user, password = self.credentials.user, self.credentials.password
            line = run(["htpasswd", "-niB", user], stdin=password).stdout
            (self.folder / "htpasswd").write_text(line)
            auth = f"auth: {{htpasswd: {{realm: lab, path: {self.folder}/htpasswd}}}}\n"
        (self.folder / "config.yml").write_text(
            "version: 0.1\n"
            "log: {level: warn, accesslog: {disabled: false}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '{self.address}'}}\n"
            f"{auth}"
        )

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        namespace = self._network.namespace(NAMESPACE)
        program: list[str | Path] = [self.folder / "program", "serve", self.folder / "config.yml"]
        launch(
            ["nsenter", f"--net={namespace}", *program],
            record=self._record,
            log=self._access_log,
            errors=self.folder / "errors.log",
        )
        wait_for(self._answers, f"the registry {self.name} at {self.address}", seconds=60)

    def stop(self) -> None:
        """End it; its address then refuses connections, its images stay."""
        process = Process.recorded(self._record)
        if process is None or not process.alive:
            raise LabError(f"the registry {self.name} does not run")
        process.kill()
        wait_for(lambda: not process.alive, f"the registry {self.name} to end", seconds=10)
        process.reap()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be stopped for as long as this is entered."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def mark(self) -> int:
        """This moment, for `requests(since=...)`."""
        return self._access_log.stat().st_size

    def requests(self, since: int = 0) -> list[Request]:
        """All requests finished since then, in the order in which they ended."""
        with self._access_log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode().splitlines()
        return [_parse(line) for line in lines]

    def bytes_by_client(self, since: int = 0) -> Counter[str]:
        """Bytes of bodies served since then, by the client's address."""
        served: Counter[str] = Counter()
        for request in self.requests(since):
            served[request.client] += request.body_bytes
        return served

    def delete(self, repository: str, digest: str) -> None:
        """Forget an image, so that it is not found any more; its layers may be in use by others."""
        self._delete(f"{repository}/manifests/{digest}")

    def delete_blob(self, repository: str, digest: str) -> None:
        """Forget a blob of a repository, whose manifests name it still."""
        self._delete(f"{repository}/blobs/{digest}")

    def _delete(self, path: str) -> None:
        status = self._ask("DELETE", f"/v2/{path}")
        if status != 202:
            raise LabError(f"the registry did not delete {path}: HTTP {status}")

    @property
    def _record(self) -> Path:
        return self.folder / "process"

    @property
    def _access_log(self) -> Path:
        return self.folder / "access.log"

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/v2/") in (200, 401)
        except OSError:
            # Refused, or not in time: it writes its log before it answers, and a machine that has just
            # made the nodes' tree may let it wait for the disk.
            return False

    def _ask(self, method: str, path: str) -> int:
        self._network.require()
        # The address is the lab's own: no proxy of the environment leads there.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"http://{self.address}{path}", method=method)
        try:
            with opener.open(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)


def _parse(line: str) -> Request:
    entry = _ENTRY.match(line)
    if entry is None:
        raise LabError(f"the registry's access log has a line of an unknown form: {line!r}")
    return Request(
        entry["client"], entry["method"], entry["path"], int(entry["status"]), int(entry["bytes"])
    )
