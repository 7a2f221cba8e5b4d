# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as text, on the control side only: nodes get values, and need no PyYAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

try:
    import yaml
except ImportError as import_error:
    PYYAML_IMPORT_ERROR: ImportError | None = import_error
else:
    PYYAML_IMPORT_ERROR = None

from ..errors import EdgefleetError
from .shape import check_expansion

# Wider than any line we write, so that a long reference never folds.
_NEVER_FOLD = 1_000_000
# A key that stands for more than itself (yaml.org/type/merge).
_MERGE_KEY = "<<"
# Types that YAML 1.1 gives plain text and 1.2 does not: a lone = is no value that PyYAML can build,
# and 2020-13-45 is no date.
_TEXT_TAGS = ("tag:yaml.org,2002:value", "tag:yaml.org,2002:timestamp")
# Told a key that stands twice in a mapping, and where.
_Twice = Callable[[str, Any], None]


class InvalidYaml(EdgefleetError):
    """Text that is not YAML."""


@dataclass(frozen=True)
class RepeatedKey:
    """A key that stands in its mapping before already, and its line, from one on."""

    key: str
    line: int


def load_documents(text: str, origin: str) -> list[Any]:
    """Load every document of ``text``; empty documents are left out. Dates are text.

    :param origin: the file's name, for the message.
    :raises InvalidYaml: with line and column, also where a key stands twice in a mapping; or when
        PyYAML is missing.
    :raises TooLarge: when its aliases stand for more than any real document has.
    """
    return _documents(text, origin, _refuse_twice)


def load_kubernetes_documents(text: str, origin: str) -> tuple[list[Any], tuple[RepeatedKey, ...]]:
    """Load every document as Kubernetes does: of a key that stands twice the last value counts.

    :param origin: the file's name, for the message.
    :returns: the documents, without empty ones, and such keys by their lines.
    :raises InvalidYaml: as :func:`load_documents`, but for these keys.
    :raises TooLarge: as :func:`load_documents`.
    """
    repeated: set[RepeatedKey] = set()
    documents = _documents(
        text, origin, lambda key, mark: repeated.add(RepeatedKey(key, mark.line + 1))
    )
    return documents, tuple(sorted(repeated, key=lambda one: (one.line, one.key)))


def _documents(text: str, origin: str, twice: _Twice) -> list[Any]:
    _require_pyyaml(f"reading {origin}")
    try:
        documents = _load(text, origin, twice)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidYaml(
            f"reading {origin}", f"{error.problem}{place}", "It must be YAML."
        ) from None
    except RecursionError:
        raise InvalidYaml(f"reading {origin}", "it is nested too deep", "Write it flat.") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise InvalidYaml(f"reading {origin}", str(error), "It must be YAML.") from None
    return [document for document in documents if document is not None]


class _Unusual(Exception):
    """Something in a document that only the whole of PyYAML knows to build."""


def _load(text: str, origin: str, twice: _Twice) -> list[Any]:
    loader = _loader(twice)
    try:
        return _Builder(loader(text), twice).documents()
    except _Unusual:
        documents = list(yaml.load_all(text, Loader=loader))
    check_expansion(documents, origin)
    return documents


class _Builder:
    """Builds values straight from the parser's events, as PyYAML would, in a tenth of its time.

    PyYAML's way by nodes costs five seconds for a lock of ten thousand images.
    """

    def __init__(self, loader: Any, twice: _Twice) -> None:
        self._loader = loader
        self._twice = twice
        self._scalars: dict[str, Any] = {}

    def documents(self) -> list[Any]:
        """Return the values of all documents.

        :raises _Unusual: when there is an alias, an anchor, a tag, or a key that is no plain text.
        """
        found: list[Any] = []
        while True:
            event = self._loader.get_event()
            if isinstance(event, yaml.StreamEndEvent):
                return found
            if isinstance(event, yaml.DocumentStartEvent):
                found.append(self._value(self._loader.get_event()))

    def _value(self, event: Any) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            raise _Unusual
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence()
        return self._mapping()

    def _sequence(self) -> list[Any]:
        values: list[Any] = []
        while True:
            event = self._loader.get_event()
            if isinstance(event, yaml.SequenceEndEvent):
                return values
            values.append(self._value(event))

    def _mapping(self) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        while True:
            event = self._loader.get_event()
            if isinstance(event, yaml.MappingEndEvent):
                return values
            if not isinstance(event, yaml.ScalarEvent) or event.value == _MERGE_KEY:
                raise _Unusual
            key = self._value(event)
            if key in values:
                self._twice(event.value, event.start_mark)
            values[key] = self._value(self._loader.get_event())

    def _scalar(self, event: Any) -> Any:
        """Return a plain scalar: text, or what it says by its form, as a number does."""
        text = event.value
        if text not in self._scalars:
            tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
            node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
            self._scalars[text] = self._loader.construct_object(node)
        return self._scalars[text]


def _refuse_twice(key: str, mark: Any) -> None:
    problem = f"the key {key!r} stands twice"
    raise yaml.constructor.ConstructorError(None, None, problem, mark)


def _loader(twice: _Twice) -> Any:
    """Return PyYAML's safe loader, made to tell what it would lose without a word.

    Of a key that stands twice in a mapping, as a careless merge leaves it, PyYAML keeps the last.
    """

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # C or Python
        def __init__(self, stream: str) -> None:
            super().__init__(stream)
            self._told: set[Any] = set()

        def flatten_mapping(self, node: Any) -> None:
            # It comes here first as it is written, and then with what it merges among its keys.
            if node not in self._told:
                self._told.add(node)
                self._tell(node)
            super().flatten_mapping(node)

        def _tell(self, node: Any) -> None:
            seen = set()
            for key in [one for one, _value in node.value if isinstance(one, yaml.ScalarNode)]:
                if key.value in seen:
                    twice(key.value, key.start_mark)
                seen.add(key.value)

    for tag in _TEXT_TAGS:
        Loader.add_constructor(tag, Loader.construct_yaml_str)
    return Loader


def render_document(value: Any, heading: str) -> str:
    """Render ``value`` in block style, one thing a line, in the given order, below ``heading``."""
    _require_pyyaml("rendering YAML")
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    body: str = yaml.dump(
        value, Dumper=dumper, sort_keys=False, default_flow_style=False, width=_NEVER_FOLD
    )
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return f"---\n{comment}{body}"


def _require_pyyaml(problem: str) -> None:
    if PYYAML_IMPORT_ERROR is not None:
        raise InvalidYaml(problem, str(PYYAML_IMPORT_ERROR), "PyYAML is needed.")
