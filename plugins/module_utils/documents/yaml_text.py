# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as text, on the control side only: nodes get values, and need no PyYAML."""

from __future__ import annotations

from typing import Any

try:
    import yaml
except ImportError as import_error:
    PYYAML_IMPORT_ERROR: ImportError | None = import_error
else:
    PYYAML_IMPORT_ERROR = None

from ..errors import EdgefleetError

# Wider than any line we write, so that a long reference never folds.
_NEVER_FOLD = 1_000_000


class InvalidYaml(EdgefleetError):
    """Text that is not YAML."""


def load_documents(text: str, origin: str) -> list[Any]:
    """Load every document of ``text``; empty documents are left out.

    :param origin: the file's name, for the message.
    :raises InvalidYaml: with line and column, or when PyYAML is missing.
    """
    _require_pyyaml(f"reading {origin}")
    try:
        documents = list(yaml.load_all(text, Loader=_loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidYaml(
            f"reading {origin}", f"{error.problem}{place}", "It must be YAML."
        ) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise InvalidYaml(f"reading {origin}", str(error), "It must be YAML.") from None
    return [document for document in documents if document is not None]


def _loader() -> type:
    """Return PyYAML's safe loader, made to refuse what it would lose without a word.

    Of a key that stands twice in a mapping, as a careless merge leaves it, PyYAML keeps the last.
    """

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # C or Python
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key in [one for one, _value in node.value if isinstance(one, yaml.ScalarNode)]:
                if key.value in seen:
                    problem = f"the key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

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
