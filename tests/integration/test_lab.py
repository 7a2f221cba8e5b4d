# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: nodes are what they promise to be, and nothing of a lab stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import CHECKOUT
from lab import GIB, MIB, Lab, LabError, NodeSpec, build, payload, places, take_down
from lab.disks import mounted_below
from lab.network import Network
from lab.processes import Process, of_namespace
from lab.registry import NAMESPACE, Registry

# A registry that lets its first client wait for longer than anyone does.
LATE_REGISTRY = """#!/usr/bin/env python3
import http.server, re, sys, time
address = re.search("addr: '(.*):(.*)'", open(sys.argv[2]).read())
class Late(http.server.BaseHTTPRequestHandler):
    asked = False
    def do_GET(self):
        if not Late.asked:
            Late.asked = True
            time.sleep(600)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer((address[1], int(address[2])), Late).serve_forever()
"""
TWO_IMAGES = payload.demo(2)
# linux/capability.h
CAP_SYS_TIME = 25


def traces(name: str, token: str) -> list[str]:
    """Return all that this machine still has of a lab, wherever it could be."""
    state = str(places.state_dir(name))
    found = [f"mount {point}" for point in mounted_below(Path(state))]
    loops = subprocess.run(
        ["losetup", "--list", "--raw"], capture_output=True, text=True, check=True
    )
    found += [f"loop {line}" for line in loops.stdout.splitlines() if f"{state}/" in line]
    found += [f"link {path.name}" for path in Path("/sys/class/net").glob(f"ef-{token}*")]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").rglob(f"ef-{token}*")]
    found += [f"file {path}" for path in Path("/etc/containers").rglob(f"*{token}*")]
    found += [f"file {state}"] if os.path.lexists(state) else []
    return found + [f"process {line}" for line in processes() if state in line or token in line]


def processes() -> list[str]:
    """Return the command lines of all processes but our own."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if path.parent.name != str(os.getpid()):
            try:
                lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return lines


def inside(name: str) -> list[Process]:
    """Return the processes that are in a lab's network namespaces."""
    namespaces = (places.state_dir(name) / "namespaces").iterdir()
    return [process for path in namespaces for process in of_namespace(path.stat().st_ino)]


def token_of(name: str) -> str:
    """Return what stands for a lab in short names."""
    return places.token(places.state_dir(name))


@pytest.fixture(scope="module")
def pair() -> Iterator[Lab]:
    """Two nodes with disks of their own kinds."""
    specs = [
        NodeSpec("ext", store_size=1 * GIB, var_tmp_size=64 * MIB),
        NodeSpec("xfs", store_fs="xfs", store_size=2 * GIB, root_fs="xfs", root_size=1 * GIB),
    ]
    with Lab.up(specs) as lab:
        yield lab


def test_three_nodes_answer_and_nothing_stays(tmp_path: Path) -> None:
    """Root and a user with sudo get in over ssh; after down, no trace but the build cache."""
    started = time.monotonic()
    lab = Lab.up([NodeSpec(f"node{number}") for number in (1, 2, 3)])
    print(f"three nodes up in {time.monotonic() - started:.1f} s")
    try:
        assert traces(lab.name, token_of(lab.name))
        ping = [
            "ansible",
            "edge",
            "-i",
            lab.inventory,
            "-m",
            "ansible.builtin.command",
            "-a",
            "id -un",
        ]
        as_operator = ["-e", "ansible_user=ops", "--become"]
        for options in ([], as_operator):
            done = subprocess.run(
                [*ping, *options], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            assert done.stdout.count("| CHANGED | rc=0 >>\nroot") == 3
        assert any("[mux]" in line and lab.name in line for line in processes())
        running = inside(lab.name)
        assert running
    finally:
        lab.down()
    assert traces(lab.name, token_of(lab.name)) == []
    assert [process for process in running if process.alive] == []


def test_a_lab_that_cannot_start_leaves_nothing() -> None:
    """It fails in the middle: one node's disk is of an unknown kind, the other ones are up by then."""
    name = "broken"
    with pytest.raises(LabError, match="no filesystem 'zfs' in the lab: ext4 or xfs"):
        Lab.up([NodeSpec("good"), NodeSpec("bad", store_fs="zfs")], name)
    assert traces(name, token_of(name)) == []


def test_ctrl_c_as_a_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's pool does not wait for a thread that was interrupted as it started: it begins nothing."""
    name = "startled"
    start, built = threading.Thread.start, build.ensure()
    plugged: list[str] = []

    def startled(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "ensure", lambda: built)
    monkeypatch.setattr(threading.Thread, "start", startled)
    monkeypatch.setattr(Network, "plug", lambda _network, name, _host: plugged.append(name))
    with pytest.raises(KeyboardInterrupt):
        Lab.up([NodeSpec("one")], name)
    assert plugged == []
    assert traces(name, token_of(name)) == []


@pytest.mark.parametrize("after", [0.0, 0.15, 0.3, 0.45, 0.6])
def test_an_interrupted_start_leaves_nothing(after: float) -> None:
    """Ctrl-C at several moments of the start."""
    name = "interrupted"
    starting = start_by_hand(name)
    time.sleep(after)
    starting.send_signal(signal.SIGINT)
    _out, said = starting.communicate(timeout=60)
    if starting.returncode == 0:
        # It was quicker than we were.
        take_down(name)
    else:
        assert (starting.returncode, said) == (130, "lab: stopped, nothing stays behind\n")
    assert traces(name, token_of(name)) == []


def start_by_hand(name: str) -> subprocess.Popen[str]:
    """Start a lab as `make lab-up` does, and return when its folder is there."""
    # A session of its own: what interrupts it must not interrupt us.
    starting = subprocess.Popen(
        [sys.executable, "-m", "lab", "up", "--nodes", "2", "--name", name],
        cwd=CHECKOUT / "tests", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not places.state_dir(name).exists():
        assert starting.poll() is None, starting.communicate()
        time.sleep(0.01)
    return starting


def test_a_killed_start_can_be_taken_down() -> None:
    """Whoever takes it down needs no record of how far it got."""
    name = "killed"
    starting = start_by_hand(name)
    starting.kill()
    starting.communicate()
    assert traces(name, token_of(name))
    take_down(name)
    assert traces(name, token_of(name)) == []


def test_two_labs_side_by_side(pair: Lab) -> None:
    """The same names, other addresses; one goes, with all it had, and the other one stays."""
    with Lab.up([NodeSpec("ext"), NodeSpec("xfs")]) as other:
        assert other.network.subnet != pair.network.subnet
        (image,) = other.push(payload.demo(1))
        other.node("ext").exec(["crictl", "pull", image.reference])
        assert pair.node("ext").images() == []
        name = other.name
    assert traces(name, token_of(name)) == []
    pair.node("ext").exec(["crictl", "version"])


def test_a_name_is_taken_once(pair: Lab) -> None:
    """A second lab of a name is refused, and the first one stays."""
    with pytest.raises(LabError, match=f"is there already; make lab-down NAME={pair.name} "):
        Lab.up([NodeSpec("node1")], pair.name)
    Lab.attach(pair.name).node("ext").exec(["true"])
    with pytest.raises(LabError, match="there is no lab nowhere"):
        Lab.attach("nowhere")
    with pytest.raises(LabError, match="cannot be a name here"):
        Lab.up([], "No/Name")


@pytest.mark.parametrize(
    ("node", "place", "kind", "size"),
    [
        ("ext", "/var/lib/containers", "ext2/ext3", 1 * GIB),
        ("xfs", "/var/lib/containers", "xfs", 2 * GIB),
        ("ext", "/var/tmp", "ext2/ext3", 64 * MIB),
    ],
)
def test_disks_are_as_asked(pair: Lab, node: str, place: str, kind: str, size: int) -> None:
    """Kind, and size less what the filesystem takes for itself."""
    said = pair.node(node).exec(["stat", "-f", "-c", "%T %b %S", place]).stdout.split()
    assert said[0] == kind
    assert 0.8 * size < int(said[1]) * int(said[2]) <= size


def test_a_full_disk_is_the_nodes_own(pair: Lab) -> None:
    """One node's /var/tmp is full, its own store and the other node are not."""
    ext = pair.node("ext")
    full = ext.exec(["dd", "if=/dev/zero", "of=/var/tmp/fill", "bs=1M"], check=False)
    assert "No space left on device" in full.stderr
    ext.exec(["sh", "-c", "echo fits >/var/lib/containers/file && sync && rm /var/tmp/fill"])
    pair.node("xfs").exec(["sh", "-c", "echo fits >/var/tmp/file"])


def test_a_pod_runs(pair: Lab) -> None:
    """Its container runs, and CRI-O refuses to remove its image."""
    image, _other = pair.push(TWO_IMAGES)
    node = pair.node("xfs")
    pod = node.run_pod(image.reference)
    assert pod.running
    refused = node.exec(["crictl", "rmi", image.reference], check=False)
    assert "image is in use by a container" in refused.stderr
    pod.stop()
    assert not pod.running
    node.exec(["crictl", "rmi", image.reference])


def test_power_cut(pair: Lab) -> None:
    """What was on the disk is there again, what was not yet is lost, and the node answers."""
    node = pair.node("ext")
    node.exec(["sh", "-c", "echo kept >/var/lib/containers/kept && sync"])
    node.exec(["sh", "-c", "echo lost >/var/lib/containers/lost"])
    node.power_cut()
    with pytest.raises(LabError, match="does not run"):
        node.exec(["true"])
    node.start()
    assert node.read("/var/lib/containers/kept") == "kept\n"
    assert node.exec(["cat", "/var/lib/containers/lost"], check=False).stdout == ""
    assert node.exec(["systemctl", "is-active", "crio"]).stdout == "active\n"


def test_the_registry_counts(pair: Lab) -> None:
    """Bytes of a pull are the node's own: the manifest, the configuration and every layer once."""
    _first, image = pair.push(TWO_IMAGES)
    node, other = pair.node("ext"), pair.node("xfs")
    mark = pair.registry.mark()
    node.exec(["crictl", "pull", image.reference])
    served = pair.registry.bytes_by_client(since=mark)
    platform = image.platform()
    layers = sum(layer.size for layer in platform.layers)
    assert other.address not in served
    # Beside manifest and layers: the configuration, of a few hundred bytes.
    assert 0 < served[node.address] - layers - platform.size < 2000
    paths = [request.path for request in pair.registry.requests(since=mark)]
    for layer in platform.layers:
        assert sum(path.endswith(f"/blobs/{layer.digest}") for path in paths) == 1


def test_the_registry_can_be_away(pair: Lab) -> None:
    """Stopped, it refuses connections; started again, its images are there."""
    image, _other = pair.push(TWO_IMAGES)
    node = pair.node("ext")
    with pair.registry.away():
        refused = node.exec(["crictl", "pull", image.reference], check=False)
        assert "connection refused" in refused.stderr
    node.exec(["crictl", "pull", image.reference])


def test_a_registry_may_answer_late(pair: Lab, tmp_path: Path) -> None:
    """A disk that is busy for some seconds must not end the start of a lab."""
    program = tmp_path / "registry"
    program.write_text(LATE_REGISTRY)
    program.chmod(0o755)
    late = Registry(tmp_path / "late", pair.network, 9)
    late.create(program)
    late.start()
    late.stop()


def test_a_link_can_be_slow(pair: Lab) -> None:
    """Limited, it takes at least the time that its rate allows; unlimited, it is quick again."""
    _first, image = pair.push(TWO_IMAGES)
    node = pair.node("ext")

    def pull() -> tuple[float, int]:
        node.exec(["crictl", "rmi", "--all"])
        mark, started = pair.registry.mark(), time.monotonic()
        node.exec(["crictl", "pull", image.reference])
        seconds = time.monotonic() - started
        return seconds, pair.registry.bytes_by_client(since=mark)[node.address]

    rate = 20_000_000
    pair.network.limit(NAMESPACE, rate)
    slow, size = pull()
    pair.network.unlimit(NAMESPACE)
    quick, same_size = pull()
    assert size == same_size
    # What fits into the bucket goes at once.
    assert slow >= (size - 64 * 1024) * 8 / rate > quick


@pytest.mark.parametrize("process", ["1", "self"])
def test_a_node_may_not_set_the_clock(pair: Lab, process: str) -> None:
    """Neither its own processes nor commands from outside: it would be the machine's clock.

    The capability is looked at and never tried: where it is there, trying it sets the clock.
    """
    status = pair.node("ext").exec(["cat", f"/proc/{process}/status"]).stdout
    held = {
        name: int(line.split()[1], 16)
        for line in status.splitlines()
        if (name := line.partition(":")[0]) in ("CapPrm", "CapEff", "CapBnd", "CapInh")
    }
    assert len(held) == 4
    assert not any(mask >> CAP_SYS_TIME & 1 for mask in held.values())
