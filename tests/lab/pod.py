"""A pod that really runs, so that an image in use is in use."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .node import Node

# NamespaceMode NODE of the CRI: the network of the node, for there is no other.
_NODE_NETWORK = 2
# crictl allows the daemon two seconds; a busy machine may take longer.
_CRICTL = ("crictl", "--timeout=60s")


@dataclass(frozen=True)
class Pod:
    """A running pod with one container."""

    node: Node
    pod_id: str
    container_id: str

    @classmethod
    def start(cls, node: Node, reference: str) -> Pod:
        """Run one container of this image; the image's own command must run for long."""
        name = f"lab-{uuid.uuid4().hex[:8]}"
        folder = f"/run/{name}"
        pod = {
            "metadata": {"name": name, "namespace": "lab", "uid": name, "attempt": 0},
            "log_directory": folder,
            "linux": {"security_context": {"namespace_options": {"network": _NODE_NETWORK}}},
        }
        container = {
            "metadata": {"name": "main"},
            "image": {"image": reference},
            "log_path": "main.log",
            "linux": {"security_context": {"namespace_options": {"network": _NODE_NETWORK}}},
        }
        node.write(f"{folder}/pod.json", json.dumps(pod))
        node.write(f"{folder}/container.json", json.dumps(container))
        if node.exec([*_CRICTL, "inspecti", "-q", reference], check=False).returncode != 0:
            node.exec([*_CRICTL, "pull", reference])
        pod_id = node.exec([*_CRICTL, "runp", f"{folder}/pod.json"]).stdout.strip()
        created = node.exec(
            [
                *_CRICTL,
                "create",
                "--no-pull",
                pod_id,
                f"{folder}/container.json",
                f"{folder}/pod.json",
            ]
        )
        running = cls(node, pod_id, created.stdout.strip())
        node.exec([*_CRICTL, "start", running.container_id])
        return running

    @property
    def running(self) -> bool:
        """Whether CRI-O says that the container runs."""
        asked = self.node.exec([*_CRICTL, "inspect", self.container_id], check=False)
        if asked.returncode != 0:
            return False
        state: str = json.loads(asked.stdout)["status"]["state"]
        return state == "CONTAINER_RUNNING"

    def stop(self) -> None:
        """Stop the pod and remove it."""
        self.node.exec([*_CRICTL, "stopp", self.pod_id])
        self.node.exec([*_CRICTL, "rmp", self.pod_id])
