"""The way from this machine to the nodes: keys, known hosts, the Ansible inventory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .commands import run

# May use sudo without a password; the other way in is root.
OPERATOR = "ops"
# Ends the connection to a node that answers nothing for half a minute; ssh alone would wait for ever.
_ALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=6"


@dataclass(frozen=True)
class Keys:
    """The keys of a lab: one for us, one for all of its nodes."""

    folder: Path

    @property
    def ours(self) -> Path:
        """The private key that opens every node, for root and for the operator."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The nodes by their addresses."""
        return self.folder / "known_hosts"

    @property
    def control_dir(self) -> Path:
        """The sockets of connections that ssh keeps open."""
        return self.folder / "cp"

    @property
    def _nodes(self) -> Path:
        return self.folder / "ssh_host_ed25519_key"

    def create(self, addresses: Sequence[str]) -> None:
        """Make the keys for nodes at these addresses."""
        self.folder.mkdir()
        self.control_dir.mkdir()
        for key in (self.ours, self._nodes):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key])
        public = _public(self._nodes).read_text()
        self.known_hosts.write_text("".join(f"{address} {public}" for address in addresses))

    def node_files(self) -> dict[str, tuple[str, int]]:
        """What lies in a node, text and mode by path."""
        ours = _public(self.ours).read_text()
        return {
            # Not in a home: sshd trusts a file there only when the home's owner owns it.
            "/etc/ssh/authorized_keys": (ours, 0o644),
            "/etc/ssh/ssh_host_ed25519_key": (self._nodes.read_text(), 0o600),
        }

    def hang_up(self) -> None:
        """End the connections that ssh keeps open: their processes would outlive the lab."""
        for socket in self.control_dir.glob("*"):
            run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "lab"], check=False)


def inventory_text(hosts: dict[str, str], keys: Keys) -> str:
    """An Ansible inventory of nodes, by name and address, in the group `edge`.

    The sockets lie in the lab's folder: another lab may get the same addresses a moment later.
    """
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(keys.ours),
        "ansible_ssh_common_args": (
            f"-o UserKnownHostsFile={keys.known_hosts} -o IdentitiesOnly=yes {_ALIVE}"
        ),
        "ansible_control_path_dir": str(keys.control_dir),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    lines = ["---", "edge:", "  vars:"]
    lines += [f"    {name}: {json.dumps(value)}" for name, value in variables.items()]
    lines += ["  hosts:"]
    lines += [f"    {name}: {{ansible_host: {address}}}" for name, address in hosts.items()]
    return "\n".join(lines) + "\n"


def _public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")
