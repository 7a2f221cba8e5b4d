# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes in, a parser takes it or refuses it with our own error, and soon.

Every public function of ``documents`` and ``observed``, and of the journal's reader, is either fed here
or named as no parser, so a new one cannot be forgotten.
"""

from __future__ import annotations

import ast
import base64
import gzip
import importlib
import inspect
import io
import json
import pkgutil
import tarfile
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils import documents, observed
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import pin_record
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import digest_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What makes values of our own, orders them or prints them: its input is no longer foreign.
NO_PARSERS = {
    "apply_exclusions", "bounded", "build_lock", "catalog_files", "change_lines", "channel_head",
    "check_content", "check_expansion", "check_length", "check_packing", "check_set_names", "checksum_of",
    "check_tags",
    "compare_locks", "digest_of", "digests_of", "layer_document", "layer_of", "layers_on_platform",
    "load_answer",
    "lock_document", "lock_totals", "locked_images_document", "measure_of", "platform_of",
    "platforms_of_references", "read_pin_record", "readable_bytes", "readable_count", "readable_names", "references_for_pool",
    "render_document", "render_drop_in", "require_at_least", "select_components", "shown", "total_lines", "unique", "unpacked_limit",
    # Its values come out of Ansible's check against OPTIONS, which gives them their types.
    "parse_locked_images",
}  # fmt: skip
# Processor time, in seconds, for any one input of up to a megabyte on a slow machine.
SOON = 5.0
# Parameters that only say where something came from, or name a thing that was asked for.
NAMES = {
    "origin": "here", "path": "/here", "digest": "sha256:" + "a" * 64, "folder": "manifests",
    "reference": "example.com/a@sha256:" + "a" * 64, "name": "here", "total": 100,
}  # fmt: skip

Parser = Callable[..., Any]


def functions() -> dict[str, Parser]:
    """Return all public functions of these, by their names with their modules."""
    modules = [
        importlib.import_module(f"{room.__name__}.{module_info.name}")
        for room in (documents, observed)
        for module_info in pkgutil.iter_modules(room.__path__)
    ]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for module in (*modules, pin_record)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


PARSERS = {
    name: function
    for name, function in functions().items()
    if name.partition(".")[2] not in NO_PARSERS
}


def words_of(parser: Parser) -> list[str]:
    """Return the strings in a parser's module: the keys that it looks for are among them."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(parser)))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return sorted(one for one in strings if isinstance(one, str) and 0 < len(one) < 80)


def values(words: list[str]) -> st.SearchStrategy[Any]:
    """Return anything that JSON or YAML can say, made of a module's own words where it helps."""
    words = words or ["x"]
    leaf = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
        | st.sampled_from([*words, "sha256:" + "a" * 64, "example.com/a@sha256:" + "b" * 64])
    )  # fmt: skip
    keys = st.sampled_from(words) | st.text(max_size=5)
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=25,
    )


def texts(words: list[str]) -> st.SearchStrategy[str]:
    """Return any text, and any value written as JSON, YAML or lines of a module's words."""
    lines = st.lists(st.sampled_from(words or ["x"]) | st.text(max_size=8), max_size=12)
    return (
        st.text(max_size=200)
        | values(words).map(json.dumps)
        | values(words).map(lambda one: json.dumps(one)[:-1])
        | values(words).map(yaml.safe_dump)
        | lines.map(" ".join)
        | lines.map("\n".join)
    )


def archive(names: Iterable[str]) -> bytes:
    """Return a small tar, so that what is cut out of it or put into it meets a real one."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name.replace("\0", "") or "x")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return packed.getvalue()


def blobs() -> st.SearchStrategy[list[bytes]]:
    """Return chunks of anything, of tars that are whole or torn, and of what gzip makes of them."""
    tars = st.lists(st.text(max_size=20), max_size=3).map(archive)
    torn = st.tuples(tars, st.integers(0, 2000), st.binary(max_size=40)).map(
        lambda given: given[0][: given[1]] + given[2] + given[0][given[1] + len(given[2]) :]
    )
    whole = st.binary(max_size=1500) | tars | torn
    packed = whole | whole.map(gzip.compress) | whole.map(lambda one: gzip.compress(one)[:-5])
    return packed.map(lambda one: [one[at : at + 700] for at in range(0, len(one), 700)])


def entries() -> st.SearchStrategy[list[bytes]]:
    """Return lines as tar-split writes them, and others."""
    payload = st.binary(max_size=600).map(lambda one: base64.b64encode(one).decode())
    entry = st.fixed_dictionaries(
        {"type": st.sampled_from([1, 2])},
        optional={
            "name": st.text(max_size=9), "name_raw": payload, "size": st.integers(-1, 9),
            "payload": payload | st.none(),
        },
    )  # fmt: skip
    line = entry.map(json.dumps).map(str.encode) | values(["type"]).map(json.dumps).map(str.encode)
    return st.lists(line | st.binary(max_size=50), max_size=6)


def inputs(parser: Parser) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return arguments by the types that a parser declares; another type needs a line here."""
    words = words_of(parser)
    if parser.__name__ == "recorded_files":
        return st.tuples(entries())
    if parser.__name__ == "parse_manifest":
        # What does not match its digest is refused unread.
        return texts(words).map(lambda text: (text, digest_of(text), NAMES["reference"]))
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "str": texts(words),
        "int": st.integers(0, 1 << 40),
        "float": st.floats(0, 1e12),
        "Callable[[Entry], bool]": st.just(lambda _entry: True),
        "object": values(words),
        "Any": values(words),
        "Sequence[Any]": st.lists(values(words), max_size=3),
        "Iterable[object]": st.lists(values(words), max_size=3),
        "Iterable[bytes]": blobs(),
        "Mapping[str, str] | None": st.none()
        | st.dictionaries(st.sampled_from(words or ["x"]), texts(words), max_size=3),
        "Iterable[tuple[str, str]]": st.lists(
            st.tuples(st.sampled_from(["a.json", "b.yaml", "c"]), texts(words)), max_size=3
        ),
    }
    given_ones = []
    for number, parameter in enumerate(inspect.signature(parser).parameters.values()):
        told = number > 0 and parameter.name in NAMES
        given_ones.append(
            st.just(NAMES[parameter.name]) if told else by_type[str(parameter.annotation)]
        )
    return st.tuples(*given_ones)


def feed(parser: Parser, arguments: tuple[Any, ...]) -> None:
    """Call a parser; anything but a value or our own error fails."""
    begun = time.process_time()
    try:
        result = parser(*arguments)
        if inspect.isgenerator(result):
            for _one in result:
                pass
    except EdgefleetError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    assert time.process_time() - begun < SOON


def test_every_function_is_known() -> None:
    """None of the names above is of a function that has gone."""
    assert {name.partition(".")[2] for name in functions()} >= NO_PARSERS
    assert len(PARSERS) > 30


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_any_input(name: str) -> None:
    """Text, JSON, YAML and bytes, many of them made of the words that the parser looks for."""

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(inputs(PARSERS[name]))
    def fed(arguments: tuple[Any, ...]) -> None:
        feed(PARSERS[name], arguments)

    fed()


# What has stalled or crashed parsers elsewhere.
HOSTILE = {
    "nested lists": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "nested flow": "- " * 20_000 + "x",
    "aliases": "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "an alias of itself": "&a [*a]",
    "digits": "1" * 100_000,
    "a version of digits": "1." * 50_000,
    "dots": "." * 500_000,
    "slashes": "a/" * 250_000,
    "colons": ":" * 200_000,
    "spaces": " " * 200_000,
    "quotes": '"' * 200_000,
    "escapes": "\\" * 200_000,
    "lines": "a\n" * 200_000,
    "equal signs": "a = " * 100_000,
    "separators": "---\n" * 10_000,
    "NUL": "\0" * 100_000,
    "half a surrogate": "\ud800" * 1000,
    "a byte order mark": "\ufeff{}",
    "infinity": "[NaN, Infinity, -Infinity, 1e999]",
    "comparators": ">=1 " * 20_000,
    "wildcards": "*" * 50_000,
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_text(kind: str) -> None:
    """Each parser of text, on what is long, deep or grows by itself."""
    fed = 0
    for parser in PARSERS.values():
        parameters = list(inspect.signature(parser).parameters.values())
        if str(parameters[0].annotation) in ("str", "object", "Any"):
            names = {**NAMES, "digest": digest_of(HOSTILE[kind])}
            required = [one.name for one in parameters[1:] if one.default is one.empty]
            others = [names.get(one, HOSTILE[kind]) for one in required]
            feed(parser, (HOSTILE[kind], *others))
            fed += 1
    assert fed > 20
