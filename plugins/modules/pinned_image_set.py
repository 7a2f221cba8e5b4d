#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pinned_image_set
short_description: Have the images of a set in a node's store, or remove what no set wants any more
version_added: 0.1.0
description:
  - With O(state=present), pulls with C(crictl) what is not in the store under its name. What is there is never pulled again, and a node
    that has everything needs no registry.
  - With O(locked), no layer is fetched twice, also where images share it, and the link is kept busy. Images of which the lock says
    nothing, or all without one, are taken to share nothing.
  - Nothing more is started when the disk runs low meanwhile (O(min_free_bytes), and the kubelet's thresholds); what is complete stays.
  - When nothing comes on the whole node for O(pull_stall_timeout) seconds, the pulls in flight are ended and tried again. A pull that
    moves is never ended, however slow it is and however long it takes.
  - What pulls and runs have left that died is removed first (RV(leftovers)). Folders of pulls in CRI-O's temporary directory go when
    they are root's, no process has a file of theirs open, CRI-O was started after their last change, and no podman, buildah or skopeo
    lives since before CRI-O was started.
  - One failed image costs that image; the others are pulled, and the module fails at the end with all outcomes.
  - With O(state=absent), removes the references that this collection had pinned on the node, that are not in O(references) and that
    nothing uses. Images that it never pinned are never removed.
  - CRI-O's own credentials are used. E(CRICTL_AUTH) or E(CRICTL_CREDS) in the task's C(environment) are passed on to C(crictl).
options:
  state:
    description: Whether O(references) must be there, or what is not among them must go.
    type: str
    choices: [present, absent]
    default: present
  references:
    description: The images that the node's sets want, by digest.
    required: true
  min_free_bytes:
    description: What must stay free on the image store's filesystem, in bytes.
    type: int
    default: 1073741824
  allow_pins_above_gc_threshold:
    description: Whether the kubelet's threshold for collecting images need not stay free, as for M(edgefleet.crio.node_storage_check).
    type: bool
    default: false
  max_parallel:
    description: How many images are pulled at once. Take 1 on control plane nodes, to spare etcd's disk.
    type: int
    default: 12
  retries:
    description:
      - How often a failed pull is tried again. What trying again cannot change (V(not_found), V(unauthorized), V(tls), V(no_space),
        V(signature_rejected)) is tried once.
    type: int
    default: 4
  retry_delay:
    description: Seconds to wait before the first retry; doubled for each further one, up to a minute.
    type: float
    default: 1
  pull_stall_timeout:
    description:
      - After how many seconds in which nothing comes, for no image of the node, the pulls in flight are ended and tried again; V(0)
        for never. Each of those counts as a try of its image, with the cause V(timeout).
      - What comes is seen in the files that CRI-O stages and unpacks, and in its store.
    type: int
    default: 120
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
  - edgefleet.crio.node.locked
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Have the images in the store
  edgefleet.crio.pinned_image_set:
    references: "{{ references }}"

- name: Have them there with each layer fetched once
  edgefleet.crio.pinned_image_set:
    references: "{{ references }}"
    locked: "{{ wanted.lock | edgefleet.crio.layers_on_platform(look.missing, look.platform) }}"

- name: Have them on a control plane node, gently
  edgefleet.crio.pinned_image_set:
    references: "{{ references }}"
    max_parallel: 1

- name: Remove what we once pinned and no set wants any more
  edgefleet.crio.pinned_image_set:
    state: absent
    references: "{{ references }}"
"""

RETURN = r"""
images:
  description: What became of each image. Where the module fails, those that are simply present are left out.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
    outcome:
      description:
        - V(present), V(pulled), V(would_pull) or V(failed) with O(state=present).
        - V(removed), V(would_remove), V(left) or V(failed) with O(state=absent).
      type: str
    cause:
      description:
        - Class of the failure, empty when there was none.
        - One of V(not_found), V(unauthorized), V(unreachable), V(tls), V(rate_limited), V(no_space), V(timeout), V(corrupt), V(io_error),
          V(signature_rejected) and V(unknown).
      type: str
    message:
      description: What CRI-O said, or why the image was left.
      type: str
    attempts:
      description: How often it was tried.
      type: int
    seconds:
      description: How long that took.
      type: float
    bytes:
      description:
        - What it adds to the download, compressed. A layer that several images need counts with the first one in RV(plan).
        - 0 where nothing is known of its layers, and with O(state=absent).
      type: int
plan:
  description:
    - What is to be pulled, in the order of its starts when those that were begun end one after the other.
    - Empty where the module fails.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
    bytes:
      description: What it adds to the download, as in RV(images).
      type: int
leftovers:
  description: What pulls and runs left that died, with O(state=present).
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
      description: V(removed), V(found) in check mode, or V(left) when it could not be removed or looked for.
      type: str
    message:
      description: Why it was left; otherwise empty.
      type: str
download_bytes:
  description: Compressed size of the layers that are missing, each once.
  returned: always
  type: int
"""


from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.image_outcome import FAILED, ImageOutcome
from ..module_utils.actions.pull import PRESENT, PullResult, pull_missing
from ..module_utils.actions.pull_run import PullPolicy
from ..module_utils.actions.remove import remove_unwanted
from ..module_utils.actions.storage import StorageLimits, StorageWatch
from ..module_utils.decisions.pull_order import NOTHING_LOCKED
from ..module_utils.documents.locked_images import OPTIONS, parse_locked_images
from ..module_utils.documents.readable import readable_count
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.documents.shape import require_at_least
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost
from ..module_utils.observed.crio import RunningConfig

_UNCHANGED = ("present", "left", "failed")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "references": {"type": "list", "elements": "str", "required": True},
            "locked": {"type": "dict", "options": OPTIONS},
            "min_free_bytes": {"type": "int", "default": 1073741824},
            "allow_pins_above_gc_threshold": {"type": "bool", "default": False},
            "max_parallel": {"type": "int", "default": 12},
            "retries": {"type": "int", "default": 4},
            "retry_delay": {"type": "float", "default": 1},
            "pull_stall_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        pulled = _run(module)
    except EdgefleetError as error:
        module.fail_json(msg=str(error), **_result(PullResult()), **error.details())
    result = {
        "changed": any(
            one.outcome not in _UNCHANGED for one in (*pulled.images, *pulled.leftovers)
        ),
        **_result(pulled),
    }
    failed = [one for one in pulled.images if one.outcome == FAILED]
    if failed:
        # Ansible prints all that a task returns when it fails.
        told = [vars(one) for one in pulled.images if one.outcome != PRESENT]
        result.update(images=told, plan=[])
        module.fail_json(msg=_failure(failed, len(pulled.images)), **result)
    module.exit_json(**result)


def _run(module: AnsibleModule) -> PullResult:
    params = module.params
    at_least_0 = ("min_free_bytes", "retries", "retry_delay", "pull_stall_timeout")
    require_at_least(params, {"max_parallel": 1, **dict.fromkeys(at_least_0, 0)})
    references = parse_digest_references(params["references"], "references")
    if params["state"] == "absent":
        return PullResult(tuple(remove_unwanted(LocalHost(), references, module.check_mode)))
    policy = PullPolicy(
        params["retries"],
        params["retry_delay"],
        params["max_parallel"],
        params["pull_stall_timeout"],
    )
    locked = parse_locked_images(params["locked"]) if params["locked"] else NOTHING_LOCKED
    limits = StorageLimits(params["min_free_bytes"], params["allow_pins_above_gc_threshold"])

    def watch(config: RunningConfig) -> StorageWatch:
        return StorageWatch(LocalHost(), config, limits)

    return pull_missing(LocalHost(), references, policy, module.check_mode, locked, watch)


def _result(pulled: PullResult) -> dict[str, Any]:
    return {
        "images": [vars(one) for one in pulled.images],
        "plan": [{"reference": one.reference, "bytes": one.bytes} for one in pulled.plan],
        "leftovers": [vars(one) for one in pulled.leftovers],
        "download_bytes": sum(one.bytes for one in pulled.plan),
    }


def _failure(failed: list[ImageOutcome], total: int) -> str:
    causes = ", ".join(sorted({one.cause for one in failed}))
    first = failed[0]
    return (
        f"{len(failed)} of {readable_count(total, 'image')} failed ({causes}):"
        f" {first.reference}: {first.message}."
        " The others were done; run again when the cause is mended."
    )


if __name__ == "__main__":
    main()
