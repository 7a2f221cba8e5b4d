"""A node as a machine: its disks, its tree, booted by systemd-nspawn, and the way into it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import cgroups, places
from .commands import CLEAN_ENV, LabError, run
from .disks import GIB, Disk, unmount_below
from .network import Network
from .processes import Process, is_init, launch, of_namespace, wait_for

STORE = "/var/lib/containers"
_VAR_TMP = "/var/tmp"
# A machine whose disks fail, or a busy one, takes a while to go dark.
_DARK_SECONDS = 60
# A machine gets a copy of every mount and holds it for as long as it runs: it would keep the disks of
# other machines, whose own end must free them. So it first drops what is not its own.
_ONLY_OURS = """
set -eu
labs=$1
folder=$2
namespace=$3
shift 3
for point in $(cut -d" " -f5 /proc/self/mountinfo | sort -r); do
    case "$point" in
        "$folder"/*|"$namespace") ;;
        "$labs"/*) umount -l "$point" ;;
    esac
done
exec "$@"
"""
# Who enters from outside brings the machine's capabilities along; the clock is not the node's.
_KEEP_THE_CLOCK = ("setpriv", "--inh-caps=-sys_time", "--bounding-set=-sys_time", "--")
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")


@dataclass(frozen=True)
class NodeSpec:
    """What a test may choose about a node; sizes in bytes, filesystems ext4 or xfs.

    Without `var_tmp_size`, /var/tmp lies on the root filesystem.
    """

    name: str
    store_fs: str = "ext4"
    store_size: int = 4 * GIB
    root_fs: str = "ext4"
    root_size: int = 2 * GIB
    var_tmp_fs: str = "ext4"
    var_tmp_size: int | None = None


@dataclass(frozen=True)
class Machine:
    """The machine of one node, from its disks to its processes."""

    spec: NodeSpec
    folder: Path
    host: int
    network: Network
    trees: tuple[Path, ...]

    @property
    def address(self) -> str:
        """Where its sshd listens."""
        return self.network.address(self.host)

    @property
    def console(self) -> Path:
        """What systemd says while it boots."""
        return self.folder / "console.log"

    @property
    def _record(self) -> Path:
        return self.folder / "process"

    @property
    def _unique_name(self) -> str:
        return f"ef-{self.network.token}-{self.spec.name}"

    @property
    def _root(self) -> Disk:
        return self._disk("root")

    @property
    def _tree(self) -> Path:
        return self.folder / "tree"

    @cached_property
    def _bound(self) -> dict[str, Disk]:
        """Disks of their own, by the place in the node where they are mounted."""
        bound = {STORE: self._disk("store")}
        if self.spec.var_tmp_size is not None:
            bound[_VAR_TMP] = self._disk("var-tmp")
        return bound

    def create(self, files: dict[str, tuple[str, int]]) -> None:
        """Make disks and network, and lay these files (text and mode by path) into the tree."""
        spec = self.spec
        self._root.create(spec.root_fs, spec.root_size)
        self._disk("store").create(spec.store_fs, spec.store_size)
        if spec.var_tmp_size is not None:
            self._disk("var-tmp").create(spec.var_tmp_fs, spec.var_tmp_size)
        self._tree.mkdir()
        self.network.plug(spec.name, self.host)
        self._mount()
        if spec.var_tmp_size is not None:
            self._disk("var-tmp").folder.chmod(0o1777)
        identity = {
            "/etc/hostname": (f"{spec.name}\n", 0o644),
            "/etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {spec.name}\n", 0o644),
            "/etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
        }
        for path, (text, mode) in (files | identity).items():
            target = Path(f"{self._tree}{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(mode)
        # A power cut takes what is young, and this is no part of what happens on the node.
        run(["sync", "--file-system", self._root.folder])

    def boot(self) -> None:
        """Start the machine; whoever needs it ready must wait for that."""
        binds = [f"--bind={disk.folder}:{place}" for place, disk in self._bound.items()]
        namespace = self.network.namespace(self.spec.name)
        launch(
            [
                *("unshare", "--mount", "sh", "-c", _ONLY_OURS, "only-ours"),
                *(places.labs(), self.folder, namespace),
                "systemd-nspawn",
                "--quiet",
                "--register=no",
                "--keep-unit",
                f"--directory={self._tree}",
                f"--machine={self._unique_name}",
                f"--hostname={self.spec.name}",
                f"--network-namespace-path={namespace}",
                "--capability=all",
                # The clock is the machine's, not the node's.
                "--drop-capability=CAP_SYS_TIME",
                # CRI-O's runtime needs these for pods.
                "--system-call-filter=keyctl add_key request_key bpf",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                *binds,
                "--boot",
                "systemd.unit=lab.target",
            ],
            record=self._record,
            log=self.console,
            errors=self.console,
            cgroups=cgroups.create(self._unique_name),
        )

    def init(self) -> Process | None:
        """Process 1 of the machine, seen from outside; None when it does not run."""
        namespace = self.network.namespace(self.spec.name)
        members = of_namespace(namespace.stat().st_ino) if namespace.exists() else []
        return next(filter(is_init, members), None)

    def power_cut(self) -> None:
        """End everything in it at once, and lose what its disks had not yet taken."""
        init = self.init()
        if init is None:
            raise LabError(f"{self.spec.name} has no power to cut: it does not run")
        init.kill()
        for disk in (*self._bound.values(), self._root):
            disk.cut()
        self.went_off(init)

    def went_off(self, init: Process) -> None:
        """Wait until it is off, and its disks are free, after a power cut or a shutdown."""
        outer = Process.recorded(self._record)
        wait_for(lambda: not init.alive, f"{self.spec.name} to go dark", seconds=_DARK_SECONDS)
        if outer:
            what = f"nspawn of {self.spec.name} to end"
            wait_for(lambda: not outer.alive, what, seconds=_DARK_SECONDS)
            outer.reap()
        what = f"{self.spec.name}'s disks"
        wait_for(lambda: unmount_below(self.folder), what, seconds=_DARK_SECONDS)

    def power_on(self) -> None:
        """Boot again from the same disks, when it is off."""
        self._mount()
        self.boot()

    def exec(
        self, init: Process, argv: Sequence[str], *, stdin: str | None, timeout: float | None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine's namespaces, beside its own processes."""
        command = [
            *_KEEP_THE_CLOCK,
            *("nsenter", f"--target={init.pid}", *_NAMESPACES, "--wd=/", "--", *argv),
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=CLEAN_ENV,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(stdin, timeout)
            except BaseException:
                # nsenter forks to enter the pid namespace: its child must go as well. On Ctrl-C
                # `communicate` itself waits a moment, in which both may have ended.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def _disk(self, name: str) -> Disk:
        return Disk(self.folder / "disks" / f"{name}.img", self.folder / "mounted" / name)

    def _mount(self) -> None:
        for disk in (self._root, *self._bound.values()):
            disk.mount()
        upper, work = self._root.folder / "upper", self._root.folder / "work"
        for folder in (upper, work):
            folder.mkdir(exist_ok=True)
        lower = ":".join(map(str, self.trees))
        layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
        run(["mount", "-t", "overlay", "-o", layers, "lab", self._tree])


def node_files(registry: str) -> dict[str, tuple[str, int]]:
    """What lies in rootfs/, text and mode by path, made out to the lab's registry."""
    top = places.SOURCE / "rootfs"
    files = {}
    for source in top.rglob("*"):
        if source.is_file():
            text = source.read_text().replace("@REGISTRY@", registry)
            text = text.replace("@REGISTRY_HOST@", registry.partition(":")[0])
            files[f"/{source.relative_to(top)}"] = (text, source.stat().st_mode & 0o777)
    return files
