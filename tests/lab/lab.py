"""A lab: nodes, registries and the network between them, known by one folder.

All that a lab is can be read off its folder: what is up, and what an interrupted one left behind.
So any process can take it down, without a record of what the first one got done.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from . import build, cgroups, payload, places
from .commands import LabError
from .disks import detach_loops_below, mounted_below, unmount_below
from .inventory import Keys, inventory_text
from .machine import Machine, NodeSpec, node_files
from .network import FIRST_NODE, REGISTRY_HOST, Network, free_subnet, remove_links
from .node import Node
from .payload import Payload, PushedImage
from .processes import Process, of_namespace, wait_for
from .registry import NAMESPACE, Credentials, Registry

_MAIN_REGISTRY = "main"

# Makes skopeo on this machine speak plain HTTP to the lab's registries, whatever their port.
_REGISTRIES_CONF = '[[registry]]\nlocation = "{}"\ninsecure = true\n'


class Lab:
    """One lab that is up."""

    def __init__(
        self, name: str, subnet: int, nodes: Sequence[NodeSpec], built: build.Built
    ) -> None:
        """Describe a lab; `up` and `attach` are the ways to one."""
        self.name = name
        self.state_dir = places.state_dir(name)
        self.network = Network(places.token(self.state_dir), subnet, self.state_dir / "namespaces")
        self.registry = Registry(self.state_dir / "registries" / _MAIN_REGISTRY, self.network, 0)
        self._registry_program = built.registry
        self._keys = Keys(self.state_dir / "ssh")
        self._machines = [
            Machine(spec, self.state_dir / "nodes" / spec.name, host, self.network, built.trees)
            for host, spec in enumerate(nodes, FIRST_NODE)
        ]
        self.nodes = [Node(machine) for machine in self._machines]

    @classmethod
    def up(cls, nodes: Sequence[NodeSpec], name: str | None = None) -> Lab:
        """Start a lab, all nodes answering; nothing of it stays when that fails.

        Without a name it gets one of its own, so that any number of labs can be up.
        """
        name = places.checked_name(name or f"lab-{uuid.uuid4().hex[:8]}")
        _check(nodes)
        built = build.ensure()
        state = places.state_dir(name)
        if state.exists():
            raise LabError(f"the lab {name} is there already; make lab-down NAME={name} removes it")
        try:
            with places.locked():
                lab = cls(name, free_subnet(), nodes, built)
                state.mkdir(parents=True)
                lab._write_record()
                lab.network.create_bridge()
            lab._start()
        except BaseException:
            take_down(name)
            raise
        return lab

    @classmethod
    def attach(cls, name: str) -> Lab:
        """The lab of that name, started by somebody else."""
        record = places.state_dir(name) / "lab.json"
        if not record.exists():
            raise LabError(f"there is no lab {name}: `make lab-up` starts one")
        known = json.loads(record.read_text())
        specs = [NodeSpec(**spec) for spec in known["nodes"]]
        return cls(name, known["subnet"], specs, build.ensure())

    @property
    def inventory(self) -> Path:
        """An Ansible inventory with the nodes in the group `edge`; `group_vars` may lie beside it."""
        return self.state_dir / "inventory" / "hosts.yml"

    def node(self, name: str) -> Node:
        """The node of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"the lab {self.name} has no node {name}")

    def push(self, wanted: Payload) -> list[PushedImage]:
        """Fill the registry."""
        return payload.push(wanted, self.registry)

    def add_registry(self, name: str, credentials: Credentials | None = None) -> Registry:
        """Start another registry; with credentials, it takes nobody but who has them."""
        folder = self.state_dir / "registries" / places.checked_name(name)
        registry = Registry(folder, self.network, len(list(folder.parent.iterdir())), credentials)
        registry.create(self._registry_program)
        registry.start()
        return registry

    def offer(self, wanted: Payload) -> Path:
        """Fill the registry, and let the inventory ask for all of it; returns the set's file."""
        images = self.push(wanted)
        sets, group_vars = self.inventory.parent / "sets", self.inventory.parent / "group_vars"
        for folder in (sets, group_vars):
            folder.mkdir(exist_ok=True)
        path = sets / f"{wanted.name}.yml"
        path.write_text(payload.pinned_image_set(wanted.name, "edge", images))
        (group_vars / "edge.yml").write_text(f"---\npin_images_sets: [{path}]\n")
        return path

    def down(self) -> None:
        """Take it down; nothing of it stays."""
        take_down(self.name)

    def __enter__(self) -> Lab:
        """Nothing to do: it is up."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take it down."""
        self.down()

    def _write_record(self) -> None:
        specs = [asdict(machine.spec) for machine in self._machines]
        record = {"subnet": self.network.subnet, "nodes": specs}
        (self.state_dir / "lab.json").write_text(json.dumps(record, indent=2))

    def _start(self) -> None:
        self._keys.create([machine.address for machine in self._machines])
        self.inventory.parent.mkdir()
        hosts = {machine.spec.name: machine.address for machine in self._machines}
        self.inventory.write_text(inventory_text(hosts, self._keys))
        registries_conf = _registries_conf(self.network.token)
        registries_conf.parent.mkdir(parents=True, exist_ok=True)
        registries_conf.write_text(_REGISTRIES_CONF.format(self.network.address(REGISTRY_HOST)))
        # What is submitted begins when all is: Ctrl-C in the middle of submitting leaves a thread that
        # the pool's end does not know, and does not wait for.
        all_submitted: Future[None] = Future()

        def begin(start: Callable[..., None], *given: Machine) -> None:
            all_submitted.result()
            start(*given)

        with ThreadPoolExecutor() as pool:
            try:
                tasks = [pool.submit(begin, self._start_registry)]
                tasks += [pool.submit(begin, self._start_node, one) for one in self._machines]
                all_submitted.set_result(None)
            finally:
                # Does nothing to one that has its result.
                all_submitted.cancel()
            # Ctrl-C must meet us here: then the pool's end waits for those that still start things,
            # and nothing is started after it was taken down. Met in that end, it would not wait.
            for task in tasks:
                task.result()
        for node in self.nodes:
            node.wait_ready()

    def _start_registry(self) -> None:
        self.network.plug(NAMESPACE, REGISTRY_HOST)
        self.registry.create(self._registry_program)
        self.registry.start()
        payload.push(payload.PAUSE, self.registry)

    def _start_node(self, machine: Machine) -> None:
        machine.create({**node_files(self.registry.address), **self._keys.node_files()})
        machine.boot()


def names() -> list[str]:
    """The labs that are up, or were interrupted."""
    return sorted(folder.name for folder in places.labs().glob("*") if folder.is_dir())


def take_down(name: str) -> None:
    """Take a lab down, also one that is half up; LabError when something of it will not go."""
    state = places.state_dir(name)
    if not state.exists():
        return
    with _not_interrupted():
        token = places.token(state)
        Keys(state / "ssh").hang_up()
        wait_for(lambda: _ended(state), f"the processes of the lab {name} to end", seconds=30)
        wait_for(lambda: unmount_below(state), f"the mounts of the lab {name} to go", seconds=30)
        wait_for(lambda: detach_loops_below(state), f"its loop devices in {state}", seconds=30)
        remove_links(token)
        _registries_conf(token).unlink(missing_ok=True)
        wait_for(lambda: cgroups.remove(f"ef-{token}-"), f"the cgroups of {name}", seconds=30)
        _remove(state)


@contextlib.contextmanager
def _not_interrupted() -> Iterator[None]:
    """Let Ctrl-C wait: half taken down is worse than either."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended(state: Path) -> bool:
    """Kill what runs of a lab; whether nothing was left to kill."""
    processes = [
        process
        for namespace in (state / "namespaces").glob("*")
        for process in of_namespace(namespace.stat().st_ino)
    ]
    recorded = map(Process.recorded, state.glob("*/*/process"))
    processes += [process for process in recorded if process]
    running = [process for process in processes if process.alive]
    for process in running:
        process.kill()
    for process in processes:
        process.reap()
    return not running


def _remove(state: Path) -> None:
    if mounted_below(state):
        raise LabError(f"{state} is in use: {', '.join(map(str, mounted_below(state)))}")
    shutil.rmtree(state)
    # A lab that starts makes this folder and its own in it: not in between.
    with places.locked(), contextlib.suppress(OSError):
        # Other labs may be there.
        places.labs().rmdir()


def _registries_conf(token: str) -> Path:
    return Path(f"/etc/containers/registries.conf.d/edgefleet-lab-{token}.conf")


def _check(nodes: Sequence[NodeSpec]) -> None:
    named = [places.checked_name(spec.name) for spec in nodes]
    if len(set(named)) < len(named) or NAMESPACE in named:
        raise LabError(f"nodes need names of their own, and not {NAMESPACE!r}: {', '.join(named)}")
