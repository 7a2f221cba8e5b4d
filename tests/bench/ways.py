# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways from a lock or a list to images on a node: ours and today's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleet import DROP_IN, Control, Fleet, Run
from lab import Lab, Node
from lab.payload import PushedImage

from . import probe

_NAIVE = Path(__file__).parent / "naive"
_CONTROL = Control()
_PATIENT = Control(config=Path(__file__).parent / "ansible.cfg")
# As OpenShift's Machine Config Daemon does it: its workers take from one sorted list, each pauses
# after an image (pinned_image_set.go: 5 workers, 1 s), and a failed pull is tried again.
_BLIND = (
    'tr " " "\\n" | sort | xargs --max-procs=5 --max-args=1 sh -c'
    " 'until crictl pull $1 >/dev/null; do sleep 1; done; sleep $0' "
)


class WayFailed(Exception):
    """A run that the bench measures did not do its work."""


@dataclass(frozen=True)
class Site:
    """Nodes to bring to images, and the folder with sets and locks."""

    lab: Lab
    work: Path

    @property
    def product(self) -> Fleet:
        """Our playbooks."""
        return Fleet(self.lab, self.work)

    def lock(self, name: str, images: Sequence[PushedImage], *, measure: bool = True) -> Path:
        """Lock images as users do, by default with their layers measured.

        All that an image has is locked, of which a node then takes its own platform.
        """
        name = name.replace(" ", "-")
        path = self.work / f"{name}.lock.yml"
        if not path.exists():
            sets = [str(self.product.set_file(name, list(images)))]
            shared = set.intersection(
                *({one.platform for one in image.platforms} for image in images)
            )
            _checked(
                self.product.lock(
                    sets, path, pin_images_measure=measure, pin_images_platforms=sorted(shared)
                )
            )
        return path

    def forget(self, node: Node, present: Sequence[PushedImage] = ()) -> None:
        """Bring a node to where it has only the images that are `present`, and never saw us."""
        node.exec(["rm", "-rf", "/var/lib/edgefleet-crio", DROP_IN])
        node.wipe_store()
        for image in present:
            node.exec(["crictl", "pull", image.reference])

    def pin(
        self,
        lock: Path,
        *nodes: Node,
        check: bool = False,
        control: Control = _CONTROL,
        **variables: object,
    ) -> Run:
        """Bring nodes to a lock with our playbook, or have it only say what it would do."""
        limit = ",".join(node.name for node in nodes)
        # The bench's disks are small; what the storage check keeps free is not its subject.
        return _checked(
            Fleet(self.lab, self.work, control).pin(
                "--limit",
                limit,
                *(["--check"] if check else []),
                pin_images_lock=str(lock),
                pin_images_min_free_bytes=0,
                **variables,
            )
        )

    def pin_naively(
        self,
        images: Sequence[PushedImage],
        *nodes: Node,
        tags: str = "all",
        control: Control = _CONTROL,
        **variables: str,
    ) -> Run:
        """Bring nodes to images with the playbook that people write."""
        naive = Fleet(self.lab, self.work, replace(control, folder=_NAIVE, playbook="{}.yml"))
        limit = ",".join(node.name for node in nodes)
        references = [image.reference for image in images]
        return _checked(
            naive.play("pin", "--limit", limit, "--tags", tags, images=references, **variables)
        )


def pull_with_the_product(site: Site, node: Node, lock: Path, **variables: object) -> float:
    """Bring a node to a lock; returns the seconds that the module which pulls ran."""
    site.pin(lock, node, control=_PATIENT, **probe.start_recording(node), **variables)
    return probe.only(probe.recorded(node), "pinned_image_set").seconds


def pull_naively(site: Site, node: Node, images: Sequence[PushedImage]) -> float:
    """Pull with the naive playbook; returns the seconds from its first pull to the end of its last."""
    site.pin_naively(images, node, tags="pull", control=_PATIENT, **probe.start_recording(node))
    pulls = probe.recorded(node)
    return pulls[-1].ended - pulls[0].started


def pull_blindly(node: Node, images: Sequence[PushedImage], pause: int) -> float:
    """Pull as OpenShift does, with a pause of so many seconds; returns the seconds it took."""
    started = time.monotonic()
    references = " ".join(image.reference for image in images)
    node.exec(["sh", "-c", f"{_BLIND} {pause}"], stdin=references, timeout=None)
    return time.monotonic() - started


def _checked(run: Run) -> Run:
    if run.rc != 0:
        raise WayFailed(run.output[-3000:])
    return run
