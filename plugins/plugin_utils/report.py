# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pin_images run did to a node: from the role's registered results to values and lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..module_utils.documents.readable import readable_bytes, readable_count, readable_names
from .node_failure import DEVIATES, DISK, LOGIN, OTHER, NodeFailure, failure_of_node
from .remedies import remedy_for, remedy_for_deviation, remedy_for_node

CONVERGED = "converged"
CHANGED = "changed"
WOULD_CHANGE = "would change"
FAILED = "failed"
UNREACHABLE = "unreachable"
_ORDER = (CONVERGED, CHANGED, WOULD_CHANGE, FAILED, UNREACHABLE)
_WHOLE = (CONVERGED, CHANGED)
# Who or what mends a node that is not whole: a person, the same run once more, or pin_images.
PERSON = "person"
RUN = "run"
PIN_IMAGES = "pin_images"
# The last lines, in this order, with the nodes that they are about.
_SAID = {
    PERSON: "Needs a person",
    PIN_IMAGES: "The next pin_images run mends",
    RUN: "The next run tries again",
}
# The step that removes what is wanted no more, the only one of a node on which all else is well.
_REMOVAL = "image_pull_removal_result"
_FAILURES = ("failed", "not_removed")
# How many images or deviations of one node are worth the screen; the document has all.
_SHOWN_MAX = 5


def node_report(
    steps: Mapping[str, Mapping[str, Any]],
    failure: Mapping[str, Any],
    is_in_play: bool,
    check_mode: bool,
) -> dict[str, Any]:
    """Return what became of one node.

    :param steps: the results of the steps, by the names under which they were registered, in the
        order in which they are taken; the first one looked at the node. An earlier run in the
        same process may have left results of steps that this one did not need.
    :param failure: the result that ended the run for this node; empty, or that of a skipped task,
        where nothing did. A look that failed ended it before.
    :param is_in_play: whether Ansible still has it in the play; it has not where a task failed.
    :param check_mode: whether the run only predicted.
    :returns: ``state``, ``cause`` (of a node that failed, a class as in :mod:`node_failure`),
        ``message``, ``wanted`` (references), ``pulled``, ``removed``, ``bytes``
        (of pulled images, compressed), ``staged`` (old pins that stay until a run can finish),
        ``would_pin`` and ``would_unpin`` (where the run only predicted: present images that it
        would pin, and references whose pins it would let go), ``stays_free`` (there, beside
        pulls: the ``bytes`` of the image store that they leave free, and whether their need is
        ``guessed``; otherwise empty),
        ``images`` (those not simply present, each with ``reference``, ``outcome``, ``cause``,
        ``message``, ``attempts`` and ``bytes``, its own part of the download), ``plan`` (where the
        run only predicted: each ``reference`` and its ``bytes`` in the order of their pulls),
        ``deviations`` (what the node was found to lack, when it is not whole) and ``needs`` (who
        mends it: one of the constants above, empty for a node that did not fail).
    """
    look = next(iter(steps.values()), {})
    is_only_verified = "pin_verify_result" in list(steps)[:1]
    unreachable = _unreachable(steps, look, failure)
    if look.get("converged"):
        needed = [*list(steps)[:1], *([_REMOVAL] if look.get("removable") else [])]
        steps = {name: steps[name] for name in needed if name in steps}
    images = _images(steps, look, check_mode)
    failed = _failed(look, failure, unreachable, is_in_play)
    state = _state(check_mode, look, images)
    if failed:
        state = UNREACHABLE if unreachable else FAILED
    is_verdict = failed is not None and failed.cause == DEVIATES and not check_mode
    found = (steps.get("pin_verify_result") if is_verdict else None) or look
    deviations = [] if state in _WHOLE else list(found.get("deviations") or ())
    pulled = steps.get("image_pull_result") or {}
    return {
        "state": state,
        "cause": failed.cause if failed else "",
        "message": _with_remedy(failed) if failed else "",
        "wanted": int(look.get("wanted") or 0),
        "pulled": sum(1 for one in images if one["outcome"] == "pulled"),
        "removed": sum(1 for one in images if one["outcome"] in ("removed", "would_remove")),
        "bytes": sum(one["bytes"] for one in images if one["outcome"] == "pulled"),
        "staged": list((steps.get("pin_dropin_result") or {}).get("kept") or ()),
        **_predicted(steps, look if state == WOULD_CHANGE else {}),
        "images": images,
        "plan": list(pulled.get("plan") or ()) if check_mode and look.get("missing") else [],
        "deviations": deviations,
        "needs": _needs(failed, images, deviations, is_only_verified) if failed else "",
    }


def wanted_lines(wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each lock, or group of sets, that nodes were held against.

    :param wanted: each ``wanted_by``, what it is, and its ``nodes``.
    """
    if len(wanted) == 1:
        return [f"wanted by {wanted[0]['wanted_by']}"]
    lines = [
        f"wanted on {readable_names(one['nodes'], _SHOWN_MAX)} by {one['wanted_by']}"
        for one in wanted[:_SHOWN_MAX]
    ]
    more = len(wanted) - len(lines)
    return [*lines, f"... and by {more} more (pin_images_result has all)"] if more else lines


def node_lines(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each node, those that need a person last, with what failed; then the sum."""
    width = max((len(name) for name in nodes), default=0)
    lines = []
    for name in sorted(nodes, key=lambda name: (_ORDER.index(nodes[name]["state"]), name)):
        node = nodes[name]
        lines.append(f"{name:<{width}}  {node['state']:<12}  {_summary(node)}")
        details = list(_details(node))
        lines += [f"{'':<{width}}    {detail}" for detail in details[:_SHOWN_MAX]]
        if len(details) > _SHOWN_MAX:
            more = f"... and {len(details) - _SHOWN_MAX} more (pin_images_result has all)"
            lines.append(f"{'':<{width}}    {more}")
    return lines + _sum(nodes)


def _sum(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    counted = [
        (state, sum(1 for one in nodes.values() if one["state"] == state)) for state in _ORDER
    ]
    lines = [", ".join(f"{count} {state}" for state, count in counted if count) or "no nodes"]
    if any(one["needs"] for one in nodes.values()):
        whole = sum(count for state, count in counted if state in _WHOLE)
        verb = "is" if len(nodes) == 1 else "are"
        lines.append(f"{whole} of {readable_count(len(nodes), 'node')} {verb} whole.")
    for needs, said in _SAID.items():
        names = sorted(name for name, one in nodes.items() if one["needs"] == needs)
        if names:
            lines.append(f"{said}: {readable_names(names, _SHOWN_MAX)}.")
    return lines


def _needs(
    failure: NodeFailure,
    images: Sequence[Mapping[str, Any]],
    deviations: Sequence[Mapping[str, Any]],
    is_only_verified: bool,
) -> str:
    """Say who or what mends a node that failed, as far as one can know."""
    if failure.cause in (LOGIN, DISK):
        return PERSON
    failed = [one for one in images if one["outcome"] in _FAILURES]
    if failed:
        return PERSON if any(remedy_for(one["cause"]).person for one in failed) else RUN
    if failure.cause == DEVIATES:
        if any(remedy_for_deviation(one["kind"]).person for one in deviations):
            return PERSON
        return PIN_IMAGES if is_only_verified else RUN
    return PERSON if remedy_for_node(failure.cause).person else RUN


def _details(node: Mapping[str, Any]) -> Iterable[str]:
    failed = [one for one in node["images"] if one["outcome"] in _FAILURES]
    for (cause, message), alike in _alike(failed, "cause", "message"):
        tries = max(one["attempts"] for one in alike)
        said = message.rstrip(".") + (f" ({tries} tries)" if tries > 1 else "")
        yield f"{_first(alike, 'reference')}: {cause}: {said}. {remedy_for(cause).needed}"
    yield from _predicted_lines(node)
    left = [one for one in node["images"] if one["outcome"] == "left"]
    for (why,), alike in _alike(left, "message"):
        yield f"left {_first(alike, 'reference')}: {why}"
    if node["cause"] == DEVIATES:
        yield from _deviation_lines(node["deviations"])


def _predicted_lines(node: Mapping[str, Any]) -> Iterable[str]:
    """Say what the images are, those first that are lost or let go."""
    outcomes = {one["reference"]: one["outcome"] for one in node["images"]}
    removed = [one for one, outcome in outcomes.items() if outcome == "would_remove"]
    yield from (f"would remove {one}" for one in removed)
    damaged = [one for one, outcome in outcomes.items() if outcome == "would_clear"]
    yield from (f"would remove and pull again {one}" for one in damaged)
    yield from (f"would unpin {one}" for one in node["would_unpin"] if one not in removed)
    yield from (f"would pin {one}" for one in node["would_pin"])
    for one in node["plan"]:
        yield f"would pull {one['reference']}, {readable_bytes(one['bytes'])}"


def _deviation_lines(deviations: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for (kind, detail), alike in _alike(deviations, "kind", "detail"):
        needed = remedy_for_deviation(kind).needed
        said = f"{kind}: {_first(alike, 'subject')}: {detail}"
        yield f"{said.rstrip('.')}. {needed}" if needed else said


def _alike(
    found: Iterable[Mapping[str, Any]], *keys: str
) -> Iterable[tuple[tuple[str, ...], list[Mapping[str, Any]]]]:
    """Return those together of which the same is said, with what that is."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in found:
        groups.setdefault(tuple(one[key] for key in keys), []).append(one)
    return groups.items()


def _first(alike: Sequence[Mapping[str, Any]], key: str) -> str:
    """Name the first of those of which the same is said, and count the others."""
    first = str(alike[0][key])
    return f"{first} and {len(alike) - 1} more" if len(alike) > 1 else first


def _summary(node: Mapping[str, Any]) -> str:
    if node["state"] in (FAILED, UNREACHABLE):
        staged = len(node["staged"])
        stays = f"; old pins still staged: {staged} (until a run can finish)"
        return _failure(node).rstrip(".") + stays if staged else _failure(node)
    if node["state"] == WOULD_CHANGE:
        return _prediction(node)
    present = f"{readable_count(node['wanted'], 'image')} present and pinned"
    parts = [present if node["wanted"] else "nothing pinned"]
    if node["pulled"]:
        parts.append(f"{node['pulled']} pulled, {readable_bytes(node['bytes'])}")
    if node["removed"]:
        parts.append(f"{node['removed']} removed")
    left = sum(1 for one in node["images"] if one["outcome"] == "left")
    if left:
        parts.append(f"{left} left")
    return ", ".join(parts)


def _failure(node: Mapping[str, Any]) -> str:
    failed = [one for one in node["images"] if one["outcome"] in _FAILURES]
    if node["state"] == FAILED and failed:
        causes = ", ".join(sorted({one["cause"] for one in failed}))
        if any(one["outcome"] == "failed" for one in failed):
            images = readable_count(node["wanted"], "image")
            return f"{len(failed)} of {images} failed ({causes})"
        return f"{readable_count(len(failed), 'image')} could not be removed ({causes})"
    if node["cause"] == DEVIATES:
        kinds = [one["kind"] for one in node["deviations"]]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return str(node["message"])


def _prediction(node: Mapping[str, Any]) -> str:
    pulls = [one for one in node["images"] if one["outcome"] == "would_pull"]
    damaged = [one for one in node["images"] if one["outcome"] == "would_clear"]
    parts = []
    if pulls:
        images = readable_count(node["wanted"], "image")
        size = readable_bytes(sum(one["bytes"] for one in pulls))
        parts.append(f"{len(pulls)} of {images} would be pulled, {size}")
    if damaged:
        images = readable_count(len(damaged), "damaged image")
        parts.append(f"{images} would be removed and pulled again")
    if node["stays_free"]:
        free = readable_bytes(node["stays_free"]["bytes"])
        about = "about" if node["stays_free"]["guessed"] else "at least"
        parts.append(f"that fits, {about} {free} stay free")
    if node["would_pin"]:
        parts.append(f"{readable_count(len(node['would_pin']), 'present image')} would be pinned")
    if node["would_unpin"]:
        pins = readable_count(len(node["would_unpin"]), "pin")
        parts.append(
            f"{pins} would be let go" if node["wanted"] else f"everything would be unpinned, {pins}"
        )
    if node["removed"]:
        parts.append(f"{readable_count(node['removed'], 'image')} would be removed")
    return "; ".join(parts) or f"the drop-in would be {'written' if node['wanted'] else 'removed'}"


def _predicted(steps: Mapping[str, Mapping[str, Any]], look: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run that only predicts would do to pins, and what stays free.

    :param look: empty for a run that did more than that.
    """
    found = [(one["kind"], one["subject"]) for one in look.get("deviations") or ()]
    drop_in = steps.get("pin_dropin_result") or {}
    withdrawn = drop_in.get("withdrawn") or () if drop_in.get("changed") and look else ()
    return {
        "would_pin": [subject for kind, subject in found if kind == "unpinned"],
        "would_unpin": sorted({*withdrawn, *(name for kind, name in found if kind == "stale_pin")}),
        "stays_free": _stays_free(steps.get("storage_preflight_result") or {})
        if look.get("missing")
        else {},
    }


def _stays_free(storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the storage check leaves of the image store's room, quota included."""
    rooms = [one for one in storage.get("filesystems") or () if "images" in one["uses"]]
    if not rooms:
        return {}
    return {
        "bytes": min(one["have_bytes"] - one["need_bytes"] for one in rooms),
        "guessed": any(one["guessed_bytes"] for one in rooms),
    }


def _unreachable(
    steps: Mapping[str, Mapping[str, Any]], look: Mapping[str, Any], failure: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the result of the step that did not reach the node, or an empty one.

    Each step gives up with the words of its own result; others are of an earlier run.
    """
    if look.get("unreachable"):
        return look
    said = str(failure.get("msg") or "")
    lost = (one for one in steps.values() if one.get("unreachable"))
    return next((one for one in lost if str(one.get("msg")) in said), {})


def _failed(
    look: Mapping[str, Any],
    failure: Mapping[str, Any],
    unreachable: Mapping[str, Any],
    is_in_play: bool,
) -> NodeFailure | None:
    """Return why the node is not whole, where it failed.

    :param unreachable: the result of the step that did not reach it, or empty; what failed after
        that only follows from it.
    """
    ended_by = unreachable or (look if look.get("failed") else failure)
    if ended_by and not ended_by.get("skipped"):
        return failure_of_node(ended_by, bool(unreachable))
    if look and is_in_play:
        return None
    ended = "a task failed on it" if look else "it was never asked"
    return NodeFailure(OTHER, f"{ended}; see the messages above")


def _with_remedy(failure: NodeFailure) -> str:
    needed = remedy_for_node(failure.cause).needed
    return f"{failure.message.rstrip('.')}. {needed}" if needed else failure.message


def _state(check_mode: bool, look: Mapping[str, Any], images: Sequence[Mapping[str, Any]]) -> str:
    """Return the state of a node that did not fail."""
    removals = any(one["outcome"] in ("removed", "would_remove") for one in images)
    if look.get("converged") and not removals:
        return CONVERGED
    return WOULD_CHANGE if check_mode else CHANGED


def _images(
    steps: Mapping[str, Mapping[str, Any]], look: Mapping[str, Any], check_mode: bool
) -> list[dict[str, Any]]:
    told: dict[str, Mapping[str, Any]] = {}
    if look.get("missing"):
        pulled = steps.get("image_pull_result", {}).get("images") or ()
        told.update((one["reference"], one) for one in pulled)
        told.update(_damaged(steps.get("__pin_images_cleared", {}), told))
        told.update(
            (one["reference"], one) for one in _not_locked(steps, look["missing"], check_mode)
        )
    if look.get("removable"):
        removed = steps.get(_REMOVAL, {}).get("images") or ()
        told.update((one["reference"], _removal(one)) for one in removed)
    return [
        {
            "reference": one["reference"],
            "outcome": one["outcome"],
            "cause": one["cause"],
            "message": one["message"],
            "attempts": int(one.get("attempts") or 0),
            "bytes": one.get("bytes", 0),
        }
        for one in told.values()
        if one["outcome"] != "present"
    ]


def _removal(image: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tell an image that could not be removed from one that could not be pulled."""
    return {**image, "outcome": "not_removed"} if image["outcome"] == "failed" else image


def _damaged(
    cleared: Mapping[str, Any], pulled: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Return what became of damaged images, where their pull does not say it.

    A damaged image that is still there counts as present for the pull, in check mode too.
    """
    said = {one["reference"]: one for one in cleared.get("images") or ()}
    return {
        name: one
        for name, one in said.items()
        if pulled.get(name, {}).get("outcome", "present") == "present"
        and one["outcome"] != "cleared"
    }


def _not_locked(
    steps: Mapping[str, Mapping[str, Any]], missing: Sequence[str], check_mode: bool
) -> list[dict[str, Any]]:
    """Return what the node lacks and no registry told anything of, when the run made its lock.

    One that a registry does not have the node tries to pull, and says the same itself; in check
    mode it does not, and would only promise to.
    """
    return [
        {**one, "outcome": "failed", "message": f"locking on the control node: {one['message']}"}
        for one in steps.get("__pin_images_not_locked", {}).get("images") or ()
        if one["reference"] in missing and (check_mode or one["cause"] != "not_found")
    ]
