"""One bridge per lab, and a network namespace for each node and for the registries.

The namespaces are mounted below the lab's own directory and not below /run/netns: `ip netns`
would leave a mount behind there, and what lies in the lab's directory is found and removed
without any record. There is no route out of the lab and no address translation.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .commands import LabError, run

# 10.213.0.0/16 is cut into one /24 per lab.
_PREFIX = "10.213"
REGISTRY_HOST = 1
HOST = 254
FIRST_NODE = 11


@dataclass(frozen=True)
class Network:
    """Names and addresses, all derived from the lab's token and the number of its subnet."""

    token: str
    subnet: int
    namespaces: Path

    @property
    def bridge(self) -> str:
        """Interface names end at 15 characters, hence a token and not the lab's name."""
        return f"ef-{self.token}"

    def address(self, host: int) -> str:
        """The address of one host of the lab."""
        return f"{_PREFIX}.{self.subnet}.{host}"

    def namespace(self, name: str) -> Path:
        """The file on which the namespace of a node, or of the registries, is mounted."""
        return self.namespaces / name

    def create_bridge(self) -> None:
        """Make the bridge, with this machine at its end."""
        commands = [
            f"link add {self.bridge} type bridge",
            f"addr add {self.address(HOST)}/24 dev {self.bridge}",
            f"link set {self.bridge} up",
        ]
        run(["ip", "-batch", "-"], stdin="\n".join(commands))

    def plug(self, name: str, host: int) -> None:
        """Make a namespace with `eth0` in it, plugged into the bridge."""
        namespace = self.namespace(name)
        namespace.parent.mkdir(exist_ok=True)
        namespace.touch()
        run(["unshare", f"--net={namespace}", "true"])
        outside = self.outside(host)
        inside = [
            f"link add eth0 type veth peer name {outside} netns {os.getpid()}",
            f"addr add {self.address(host)}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
        ]
        run(["nsenter", f"--net={namespace}", "ip", "-batch", "-"], stdin="\n".join(inside))
        run(["ip", "link", "set", outside, "master", self.bridge, "up"])

    def limit(self, name: str, rate_bits: int) -> None:
        """Let the namespace send no more than so many bits per second, packet headers among them.

        What it sends is what others receive: a limit on the registries is the nodes' downlink.
        """
        # Too small a bucket wastes tokens between two timer ticks; 15 ms of the rate, and never
        # less than the largest packet that segmentation offload hands down. The queue holds
        # 100 ms, as a home router's does.
        burst = max(rate_bits // 8 * 15 // 1000, 64 * 1024)
        self._tc(name, f"replace dev eth0 root tbf rate {rate_bits}bit burst {burst} latency 100ms")

    def unlimit(self, name: str) -> None:
        """Take the limit off again."""
        self._tc(name, "delete dev eth0 root")

    @contextlib.contextmanager
    def silent(self, host: int) -> Iterator[None]:
        """Let nothing through to or from a host of the lab; nobody is told, nothing is reset."""
        end = self.outside(host)
        run(["ip", "link", "set", end, "down"])
        try:
            yield
        finally:
            run(["ip", "link", "set", end, "up"])

    def outside(self, host: int) -> str:
        """The end on this machine of a host's link; what it sends is what the host receives."""
        return f"{self.bridge}-{host}"

    def _tc(self, name: str, words: str) -> None:
        run(["nsenter", f"--net={self.namespace(name)}", "tc", "qdisc", *words.split()])

    def require(self) -> None:
        """LabError unless the bridge is there.

        Without it, packets for the lab's addresses would leave by the default route and somebody
        else might answer.
        """
        if not Path("/sys/class/net", self.bridge).exists():
            raise LabError(f"the lab's bridge {self.bridge} is not there: the lab is down")


def free_subnet() -> int:
    """The first /24 that this machine neither uses nor routes; ask under the host lock."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout)
    taken = {route["dst"].rsplit("/")[0].rpartition(".")[0] for route in routes}
    for subnet in range(256):
        if f"{_PREFIX}.{subnet}" not in taken:
            return subnet
    raise LabError(f"all of {_PREFIX}.0.0/16 is in use: take a lab down first")


def remove_links(token: str) -> None:
    """Remove the bridge and what is plugged into it."""
    for link in sorted(Path("/sys/class/net").glob(f"ef-{token}*"), reverse=True):
        run(["ip", "link", "delete", link.name], check=False)
