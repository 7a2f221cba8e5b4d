#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_storage_check
short_description: Check that missing images fit on a node before a byte is pulled
version_added: 0.1.0
description:
  - Counts the layers that the node lacks, each once over all images, and holds what they take in the store, and their compressed blobs
    while they are in flight, against what is free now on the filesystems of the image store and of CRI-O's temporary directory.
    Layers in additional image stores are there. Project quotas count where the store or the temporary directory has one.
  - What must stay free is the largest of O(min_free_bytes), the kubelet's threshold for collecting images, and its hard and soft
    eviction thresholds with 64 MiB and 1000 inodes above them, where the node has a kubelet configuration.
  - Layers that the lock has measured are counted to the block, for ext4 and XFS, with a margin of 2 percent. Others are taken to need 3.8
    times their compressed size, and RV(guessed_bytes) says how much of the answer that is. That is on the safe side for trees of real files
    (measured +46 percent); layers of nothing but tiny files can take more, so measure them.
  - Where pinned images alone would exceed the kubelet's threshold, the kubelet could not collect them and would evict pods instead; that
    is refused unless O(allow_pins_above_gc_threshold) is set, or CRI-O reports all of them pinned already.
  - What pulls left that died (RV(leftovers)) counts as free, as M(edgefleet.crio.pinned_image_set) removes it before it pulls.
  - Never changes anything, and does not contact a registry.
options:
  locked:
    required: true
  references:
    description:
      - All images that are to be pinned, by digest; those that are present count for what pins take later, with the bytes of their layers'
        tars, which of small files are less than what they take.
      - Images in O(locked) need not be repeated.
    default: []
  renewed:
    description:
      - Images that are there, and will be removed before anything is pulled, as M(edgefleet.crio.image_content) does with damaged ones
        and with what shares their layers. What they free counts with the bytes of their layers' tars.
    type: list
    elements: str
    default: []
  min_free_bytes:
    description: What must stay free on the image store's filesystem, in bytes.
    type: int
    default: 1073741824
  max_parallel:
    description: How many images will be pulled at once; their blobs lie in the temporary directory meanwhile.
    type: int
    default: 12
  allow_pins_above_gc_threshold:
    description:
      - Whether pinned images may take more than the kubelet's threshold for collecting images leaves.
      - That threshold then need not stay free either; the eviction thresholds and O(min_free_bytes) must.
    type: bool
    default: false
  fail_on_shortage:
    description: Whether to fail when it does not fit; otherwise RV(fits) says so.
    type: bool
    default: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.locked
  - edgefleet.crio.node.references
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Check that the image fits
  edgefleet.crio.node_storage_check:
    locked: "{{ wanted.lock | edgefleet.crio.layers_on_platform(look.missing, look.platform) }}"
    min_free_bytes: 4294967296

- name: See what could be removed where it does not fit
  edgefleet.crio.node_storage_check:
    locked: "{{ wanted.lock | edgefleet.crio.layers_on_platform(look.missing, look.platform) }}"
    fail_on_shortage: false
  register: storage
"""

RETURN = r"""
fits:
  description: Whether every filesystem has room, and the pins leave the kubelet enough.
  returned: always
  type: bool
objection:
  description: In words what speaks against it; empty when it fits.
  returned: always
  type: str
missing_layers:
  description: How many layers the node lacks.
  returned: always
  type: int
unmeasured_layers:
  description: How many of them the lock has not measured.
  returned: always
  type: int
guessed_bytes:
  description: How many of the bytes that the images will take are guessed, for layers that were not measured.
  returned: always
  type: int
download_bytes:
  description: The compressed size of the missing layers in bytes, each once.
  returned: always
  type: int
pinned:
  description: What pinned images alone will take of the image store's filesystem.
  returned: always
  type: dict
  contains:
    present_bytes:
      description: What those take that are present, in bytes.
      type: int
    missing_bytes:
      description: What those will take that are missing, in bytes.
      type: int
    total_bytes:
      description: The size of the filesystem in bytes.
      type: int
    threshold_bytes:
      description: Up to how many bytes in use the kubelet collects no images; 0 when there is no such threshold.
      type: int
    threshold_source:
      description: Who says so, and in which file.
      type: str
    above_threshold:
      description: Whether pinned images alone exceed it.
      type: bool
removable:
  description:
    - Images that nothing pins, wants or uses, the largest first, up to what would make it fit. Nothing removes them unasked.
    - All of them where the image store's filesystem lacks inodes, as it is not known how many go with each.
    - Empty when the image store's filesystem has room.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: A name of the image, or its identifier.
      type: str
    bytes:
      description: What goes with it once those before it are gone, in bytes of its layers' tars.
      type: int
leftovers:
  description:
    - What pulls and runs left that died, in CRI-O's temporary directory above all. It counts as free here, and
      M(edgefleet.crio.pinned_image_set) removes it.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file or folder.
      type: str
    bytes:
      description: What it takes.
      type: int
    outcome:
      description: V(found), or V(left) when it could not be looked for.
      type: str
    message:
      description: Why it could not be looked for; otherwise empty.
      type: str
filesystems:
  description: The filesystems that take part of it; a project quota is one of its own.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: A path on the filesystem.
      type: str
    kind:
      description: Its type, such as V(ext4); empty when it is unknown.
      type: str
    uses:
      description:
        - V(images) for the image store, V(temporary) for blobs in flight.
        - V(records) for the graph root where the image store is elsewhere; records of the layers' archives go there.
      type: list
      elements: str
    have_bytes:
      description: What is free, in bytes, with what RV(leftovers) take there and without what is reserved for root.
      type: int
    need_bytes:
      description: What must be free for the download, in bytes; the sum of the next three.
      type: int
    image_bytes:
      description: What images and layers are predicted to take, in bytes.
      type: int
    margin_bytes:
      description: Two percent of what of that was not guessed, in bytes.
      type: int
    in_flight_bytes:
      description: What compressed blobs take at most while they are in flight, in bytes.
      type: int
    guessed_bytes:
      description: How many of RV(filesystems[].image_bytes) are guessed.
      type: int
    keep_bytes:
      description: What must stay free, in bytes.
      type: int
    keep_source:
      description: Who says so, and in which file.
      type: str
    missing_bytes:
      description: How many bytes are lacking; 0 when it fits.
      type: int
    have_inodes:
      description: Free inodes.
      type: int
    need_inodes:
      description: Inodes that the download will take, with a margin of two percent.
      type: int
    image_inodes:
      description: Inodes that images and layers are predicted to take.
      type: int
    keep_inodes:
      description: Inodes that must stay free.
      type: int
    keep_inodes_source:
      description: Who says so, and in which file.
      type: str
    missing_inodes:
      description: How many inodes are lacking; 0 when it fits.
      type: int
    reserves:
      description: Everything that asks for room to stay free; the largest count.
      type: list
      elements: dict
      contains:
        source:
          description: Who says so, and in which file.
          type: str
        bytes:
          description: Bytes that must stay free.
          type: int
        inodes:
          description: Inodes that must stay free.
          type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.storage import StorageAnswer, StorageLimits, check_storage
from ..module_utils.decisions.budget import StorageBudget
from ..module_utils.decisions.pinned_share import PinnedShare
from ..module_utils.decisions.room import Room
from ..module_utils.documents.locked_images import OPTIONS, parse_locked_images
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.documents.shape import require_at_least
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "locked": {"type": "dict", "options": OPTIONS, "required": True},
            "references": {"type": "list", "elements": "str", "default": []},
            "renewed": {"type": "list", "elements": "str", "default": []},
            "min_free_bytes": {"type": "int", "default": 1073741824},
            "max_parallel": {"type": "int", "default": 12},
            "allow_pins_above_gc_threshold": {"type": "bool", "default": False},
            "fail_on_shortage": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        require_at_least(params, {"min_free_bytes": 0, "max_parallel": 1})
        answer = check_storage(
            LocalHost(),
            parse_locked_images(params["locked"]),
            parse_digest_references(params["references"], "references"),
            StorageLimits(params["min_free_bytes"], params["allow_pins_above_gc_threshold"]),
            params["max_parallel"],
            params["renewed"],
        )
    except EdgefleetError as error:
        share = PinnedShare("", 0, 0, 0, 0, "")
        unknown = StorageAnswer(StorageBudget(0, 0, 0, ()), share, (), str(error))
        module.fail_json(msg=str(error), **_result(unknown), **error.details())
    if not answer.fits and params["fail_on_shortage"]:
        module.fail_json(
            msg=f"checking the storage: {answer.objection}. Nothing was pulled.", **_result(answer)
        )
    module.exit_json(**_result(answer))


def _result(answer: StorageAnswer) -> dict[str, Any]:
    budget = answer.budget
    return {
        "fits": answer.fits,
        "objection": answer.objection,
        "missing_layers": budget.missing_layers,
        "unmeasured_layers": budget.unmeasured_layers,
        "guessed_bytes": budget.guessed_bytes,
        "download_bytes": budget.download_bytes,
        "pinned": _pinned(answer.share),
        "removable": [vars(one) for one in answer.removable],
        "leftovers": [vars(one) for one in answer.leftovers],
        "filesystems": [_filesystem(room) for room in budget.rooms],
    }


def _pinned(share: PinnedShare) -> dict[str, Any]:
    return {
        "present_bytes": share.present_bytes,
        "missing_bytes": share.missing_bytes,
        "total_bytes": share.total_bytes,
        "threshold_bytes": share.threshold_bytes,
        "threshold_source": share.source,
        "above_threshold": share.is_above_threshold,
    }


def _filesystem(room: Room) -> dict[str, Any]:
    return {
        "path": room.filesystem.path,
        "kind": room.filesystem.kind,
        "uses": list(room.uses),
        "have_bytes": room.filesystem.available_bytes,
        "need_bytes": room.need_bytes,
        "image_bytes": room.store.bytes,
        "margin_bytes": room.margin_bytes,
        "in_flight_bytes": room.staged.bytes,
        "guessed_bytes": room.store.guessed_bytes,
        "keep_bytes": room.keep_bytes.bytes,
        "keep_source": room.keep_bytes.source,
        "missing_bytes": room.missing_bytes,
        "have_inodes": room.filesystem.inodes_free,
        "need_inodes": room.need_inodes,
        "image_inodes": room.store.inodes,
        "keep_inodes": room.keep_inodes.inodes,
        "keep_inodes_source": room.keep_inodes.source,
        "missing_inodes": room.missing_inodes,
        "reserves": [vars(one) for one in room.reserves],
    }


if __name__ == "__main__":
    main()
