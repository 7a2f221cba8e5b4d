# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pin_images run did to a node: from the role's registered results to values and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CONVERGED = "converged"
CHANGED = "changed"
WOULD_CHANGE = "would change"
FAILED = "failed"
UNREACHABLE = "unreachable"
_ORDER = (CONVERGED, CHANGED, WOULD_CHANGE, FAILED, UNREACHABLE)
# What interpreters and ansible-core say of a node whose Python cannot run the modules.
_OLD_PYTHON = (
    "future feature annotations is not defined",
    "requires a minimum of Python",
    "SyntaxError: invalid syntax",
)


def node_report(
    steps: Mapping[str, Mapping[str, Any]], failure: Mapping[str, Any], check_mode: bool
) -> dict[str, Any]:
    """Return what became of one node.

    :param steps: the results of the steps, by the names under which they were registered, in the
        order in which they are taken; the first one looked at the node. An earlier run in the
        same process may have left results of steps that this one did not need.
    :param failure: the result that ended the run for this node, or empty.
    :param check_mode: whether the run only predicted.
    :returns: ``state``, ``message``, ``wanted`` (references), ``pulled``, ``bytes`` (of pulled
        images, compressed) and ``images`` (those not simply present, each with ``reference``,
        ``outcome``, ``cause``, ``message``, and ``bytes``: its own part of the download).
    """
    look = next(iter(steps.values()), {})
    images = _images(steps, look)
    if any(result.get("unreachable") for result in steps.values()):
        state, message = UNREACHABLE, _one_line(failure or look)
    else:
        state, message = _state(check_mode, look, failure)
    return {
        "state": state,
        "message": message,
        "wanted": int(look.get("wanted") or 0),
        "pulled": sum(1 for one in images if one["outcome"] == "pulled"),
        "bytes": sum(one["bytes"] for one in images if one["outcome"] == "pulled"),
        "images": images,
    }


def node_lines(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each node, those that need a person last, with the images that failed."""
    width = max((len(name) for name in nodes), default=0)
    lines = []
    for name in sorted(nodes, key=lambda name: (_ORDER.index(nodes[name]["state"]), name)):
        node = nodes[name]
        lines.append(f"{name:<{width}}  {node['state']:<12}  {_summary(node)}")
        lines += [
            f"{'':<{width}}    {one['reference']}: {one['cause']}: {one['message']}"
            for one in node["images"]
            if one["outcome"] == "failed"
        ]
    counted = [
        (state, sum(1 for one in nodes.values() if one["state"] == state)) for state in _ORDER
    ]
    lines.append(", ".join(f"{count} {state}" for state, count in counted if count) or "no nodes")
    return lines


def _summary(node: Mapping[str, Any]) -> str:
    causes = {one["cause"] for one in node["images"] if one["outcome"] == "failed"}
    if node["state"] == FAILED and causes:
        failed = sum(1 for one in node["images"] if one["outcome"] == "failed")
        return f"{failed} of {node['wanted']} images failed ({', '.join(sorted(causes))})"
    if node["state"] in (FAILED, UNREACHABLE):
        return str(node["message"])
    if node["state"] == CONVERGED:
        return f"{node['wanted']} images present and pinned"
    if node["state"] == WOULD_CHANGE:
        missing = sum(1 for one in node["images"] if one["outcome"] == "would_pull")
        size = sum(one["bytes"] for one in node["images"])
        return f"{missing} of {node['wanted']} images would be pulled, {_megabytes(size)}"
    pulled = f"{node['pulled']} pulled, {_megabytes(node['bytes'])}"
    return f"{node['wanted']} images present and pinned, {pulled}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _state(
    check_mode: bool, look: Mapping[str, Any], failure: Mapping[str, Any]
) -> tuple[str, str]:
    if failure:
        return FAILED, _one_line(failure)
    if not look:
        return FAILED, "it was never asked; see the messages above"
    if look.get("converged"):
        return CONVERGED, ""
    return (WOULD_CHANGE if check_mode else CHANGED), ""


def _one_line(failure: Mapping[str, Any]) -> str:
    said = " ".join(
        str(failure.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")
    )
    if any(sign in said for sign in _OLD_PYTHON):
        return "its Python is too old. Python 3.8 or newer is needed (ansible_python_interpreter)."
    # ansible-core 2.19 and newer put these words before the cause.
    message = " ".join(str(failure.get("msg") or "").split())
    return message.replace("Task failed: ", "").replace("Action failed: ", "")


def _images(
    steps: Mapping[str, Mapping[str, Any]], look: Mapping[str, Any]
) -> list[dict[str, Any]]:
    told: list[Mapping[str, Any]] = []
    if look.get("missing"):
        told += _not_locked(steps.get("__pin_images_made_lock", {}), look["missing"])
        told += steps.get("image_pull_result", {}).get("images") or ()
    if look.get("removable"):
        told += steps.get("image_pull_removal_result", {}).get("images") or ()
    return [
        {
            "reference": one["reference"],
            "outcome": one["outcome"],
            "cause": one["cause"],
            "message": one["message"],
            "bytes": one.get("bytes", 0),
        }
        for one in told
        if one["outcome"] != "present"
    ]


def _not_locked(lock: Mapping[str, Any], missing: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the node lacks and no registry told anything of, when the run made its lock.

    One that a registry does not have is left out: the node tries to pull it, and says the same.
    """
    return [
        {**one, "outcome": "failed", "message": f"locking on the control node: {one['message']}"}
        for one in lock.get("unresolved") or ()
        if one["reference"] in missing and one["cause"] != "not_found"
    ]
