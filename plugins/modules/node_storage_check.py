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
  - Counts the layers that the node's store lacks, each once over all images, and holds what they need, unpacked and while in flight,
    against what is free now on the filesystems of the image store and of CRI-O's temporary directory.
  - What must stay free is the largest of O(min_free_bytes), the kubelet's garbage collection threshold and its eviction thresholds,
    where the node has a kubelet configuration.
  - Unpacked sizes are estimated as three times the compressed size.
  - Never changes anything, and does not contact a registry.
options:
  locked:
    required: true
  min_free_bytes:
    description: What must stay free on the image store's filesystem, in bytes.
    type: int
    default: 1073741824
  max_parallel:
    description: How many images will be pulled at once; their blobs lie in the temporary directory meanwhile.
    type: int
    default: 8
  fail_on_shortage:
    description: Whether to fail when it does not fit; otherwise RV(fits) says so.
    type: bool
    default: true
extends_documentation_fragment:
  - edgefleet.crio.node
  - edgefleet.crio.node.locked
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Check that the image fits
  edgefleet.crio.node_storage_check:
    locked: "{{ wanted.lock | edgefleet.crio.layers_on_platform(look.missing, look.platform) }}"
    min_free_bytes: 4294967296
"""

RETURN = r"""
fits:
  description: Whether every filesystem has room.
  returned: always
  type: bool
missing_layers:
  description: How many layers the store lacks.
  returned: always
  type: int
download_bytes:
  description: Their compressed size in bytes, each layer once.
  returned: always
  type: int
downloads:
  description: What each image adds to the download; a layer that several need counts with the first.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
    bytes:
      description: Compressed size in bytes.
      type: int
filesystems:
  description: The filesystems that take part of it.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: A path on the filesystem.
      type: str
    uses:
      description: V(images) for the image store, V(temporary) for blobs in flight.
      type: list
      elements: str
    have_bytes:
      description: What is free now, in bytes, without what is reserved for root.
      type: int
    need_bytes:
      description: What the download will take of it, in bytes.
      type: int
    keep_bytes:
      description: What must stay free, in bytes.
      type: int
    keep_source:
      description: Who says so.
      type: str
    missing_bytes:
      description: How many bytes are lacking; 0 when it fits.
      type: int
    have_inodes:
      description: Free inodes.
      type: int
    need_inodes:
      description: Inodes that the download will take.
      type: int
    keep_inodes:
      description: Inodes that must stay free.
      type: int
    missing_inodes:
      description: How many inodes are lacking; 0 when it fits.
      type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.storage import check_storage
from ..module_utils.decisions.budget import Room, StorageBudget, describe_shortage
from ..module_utils.documents.locked_images import OPTIONS, parse_locked_images
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "locked": {"type": "dict", "options": OPTIONS, "required": True},
            "min_free_bytes": {"type": "int", "default": 1073741824},
            "max_parallel": {"type": "int", "default": 8},
            "fail_on_shortage": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        budget = check_storage(
            LocalHost(),
            parse_locked_images(module.params["locked"]),
            module.params["min_free_bytes"],
            module.params["max_parallel"],
        )
    except EdgefleetError as error:
        empty = StorageBudget(0, (), ())
        module.fail_json(msg=str(error), **{**_result(empty), "fits": False}, **error.details())
    if not budget.fits and module.params["fail_on_shortage"]:
        shortages = [describe_shortage(room) for room in budget.rooms]
        module.fail_json(
            msg="checking the storage: "
            + "; ".join(filter(None, shortages))
            + ". Nothing was pulled.",
            **_result(budget),
        )
    module.exit_json(**_result(budget))


def _result(budget: StorageBudget) -> dict[str, Any]:
    return {
        "fits": budget.fits,
        "missing_layers": budget.missing_layers,
        "download_bytes": budget.download_bytes,
        "downloads": [{"reference": name, "bytes": size} for name, size in budget.downloads],
        "filesystems": [_filesystem(room) for room in budget.rooms],
    }


def _filesystem(room: Room) -> dict[str, Any]:
    return {
        "path": room.filesystem.path,
        "uses": list(room.uses),
        "have_bytes": room.filesystem.available_bytes,
        "need_bytes": room.need_bytes,
        "keep_bytes": room.reserve.bytes,
        "keep_source": room.reserve.source,
        "missing_bytes": room.missing_bytes,
        "have_inodes": room.filesystem.inodes_free,
        "need_inodes": room.need_inodes,
        "keep_inodes": room.reserve.inodes,
        "missing_inodes": room.missing_inodes,
    }


if __name__ == "__main__":
    main()
