# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as text."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils.documents import yaml_text
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.yaml_text import (
    InvalidYaml,
    RepeatedKey,
    load_documents,
    load_kubernetes_documents,
    render_document,
)
from hypothesis import given
from hypothesis import strategies as st


def test_documents() -> None:
    """Every document counts, empty ones do not."""
    assert load_documents("---\na: 1\n---\n---\n- b\n", "f.yml") == [{"a": 1}, ["b"]]
    assert load_documents("", "f.yml") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2\n", "expected ',' or ']'"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("a: \x00\n", "reading f.yml: "),
        ("a: !!int ''\n", "reading f.yml: "),
        ("a: !!bool x\n", "reading f.yml: "),
        ("a: 1\nb: {c: 1, d: 2, c: 3}\n", "the key 'c' stands twice in line 2, column 17"),
        ("a: 1\nb: {c: &x 1, d: 2, c: 3}\n", "the key 'c' stands twice in line 2, column 20"),
        ("? [a]\n: 1\n", "found unhashable key"),
        ("a: !!map x\n", "expected a mapping node, but found scalar in line 1, column 4"),
    ],
)
def test_not_yaml(text: str, said: str) -> None:
    """The file and the place are named."""
    with pytest.raises(InvalidYaml) as caught:
        load_documents(text, "f.yml")
    assert said in str(caught.value)
    assert str(caught.value).endswith("It must be YAML.")


SCALARS = st.sampled_from(
    ["a", "1", "0x1f", "1.5", "true", "off", "~", "'1'", '"x"', "sha256:ab", "07"]
)


@given(
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda ones: f"[{', '.join(ones)}]")
            | st.lists(inner, max_size=3).map(
                lambda ones: "{" + ", ".join(f"k{n}: {one}" for n, one in enumerate(ones)) + "}"
            )
        ),
        max_leaves=8,
    )
)
def test_built_as_pyyaml_builds_it(text: str) -> None:
    """Plain documents give what PyYAML's own way gives, types included."""
    text = f"- {text}\n- {text}\n"
    expected = list(yaml.safe_load_all(text))
    loaded = load_documents(text, "f.yml")
    assert repr(loaded) == repr(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}\n", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: !!str 1\n", {"a": "1"}),
        ("<<: {a: 1}\n", {"a": 1}),
    ],
)
def test_what_is_unusual(text: str, value: object) -> None:
    """Aliases, merges and tags mean what they mean to PyYAML."""
    assert load_documents(text, "f.yml") == [value]


@pytest.fixture(params=["C", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have PyYAML with its parser in C, or without it, as where libyaml is missing."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader")


# What PyYAML's own way is taken for, which is the slow one.
UNUSUAL = "- &x u\n"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("before", ["- u\n", UNUSUAL])
@pytest.mark.parametrize("text", ["=", "2026-01-02", "2026-99-99", "2001-12-14t21:59:43.10-05:00"])
def test_plain_text_that_yaml_1_1_gives_a_type(text: str, before: str) -> None:
    """A value key and dates, possible or not, are the text that they are written as."""
    written = f"{before}- ['!=', {text}, =~]\n- {{{text}: {text}}}\n"
    assert load_documents(written, "f.yml") == [["u", ["!=", text, "=~"], {text: text}]]
    rendered = render_document([text, {text: text}], "")
    assert load_documents(rendered, "f.yml") == [[text, {text: text}]]


def test_tags_of_these_types() -> None:
    """Written out they say no more than that."""
    assert load_documents("[!!timestamp 2026-01-02, !!timestamp x, !!value =]", "f.yml") == [
        ["2026-01-02", "x", "="]
    ]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("before", ["- u\n", UNUSUAL])
def test_keys_that_stand_twice_for_kubernetes(before: str) -> None:
    """The last value counts, and each key is told with its line."""
    text = f"{before}- {{d: {{e: 1, e: 2}}, c: 3}}\n- c: 1\n  d: 2\n  c: 3\n  c: {{c: 4}}\n"
    documents, repeated = load_kubernetes_documents(text, "f.yml")
    assert documents == [["u", {"d": {"e": 2}, "c": 3}, {"d": 2, "c": {"c": 4}}]]
    assert repeated == (RepeatedKey("e", 2), RepeatedKey("c", 5), RepeatedKey("c", 6))
    with pytest.raises(InvalidYaml, match=r"the key '[ec]' stands twice"):
        load_documents(text, "f.yml")


def test_nothing_stands_twice_for_kubernetes() -> None:
    """Then nothing is told; what is no YAML is refused as ever."""
    assert load_kubernetes_documents("a: 1\n---\na: 1\n", "f.yml") == ([{"a": 1}, {"a": 1}], ())
    with pytest.raises(InvalidYaml, match=r"reading f\.yml: "):
        load_kubernetes_documents("a: [", "f.yml")


def test_keys_of_merged_mappings() -> None:
    """A key that another mapping brings does not stand twice, whichever is built first."""
    text = "x: &x {k: 1}\na: {y: &y {<<: *x, k: 2}}\nz: {<<: *y, k: 3}\n"
    assert load_documents(text, "f.yml") == [{"x": {"k": 1}, "a": {"y": {"k": 2}}, "z": {"k": 3}}]


def test_nested_too_deep() -> None:
    """It is refused, and ends no process."""
    with pytest.raises(InvalidYaml, match="it is nested too deep"):
        load_documents("[" * 900 + "]" * 900, "f.yml")


def test_rendered_for_review() -> None:
    """The order given, one thing a line, no folding, no references between places."""
    long = "x" * 500
    text = render_document({"b": [long], "a": {"c": None}}, "One.\nTwo.")
    assert text == f"---\n# One.\n# Two.\nb:\n- {long}\na:\n  c: null\n"


def test_import_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module can be imported where it is missing: nodes and sanity checks do."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    spec = importlib.util.spec_from_file_location(f"{yaml_text.__name__}_bare", yaml_text.__file__)
    assert spec
    assert spec.loader
    bare = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, bare)
    spec.loader.exec_module(bare)
    assert isinstance(bare.PYYAML_IMPORT_ERROR, ImportError)


def test_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control machine without PyYAML is told so."""
    monkeypatch.setattr(yaml_text, "PYYAML_IMPORT_ERROR", ImportError("No module named 'yaml'"))
    with pytest.raises(
        InvalidYaml, match=r"reading f.yml: No module named 'yaml'. PyYAML is needed"
    ):
        load_documents("a: 1", "f.yml")
    with pytest.raises(InvalidYaml, match="rendering YAML"):
        render_document({}, "")


def test_the_place() -> None:
    """Line and column are counted from one, as editors do."""
    with pytest.raises(InvalidYaml) as caught:
        load_documents("a: b\nc: !x y\n", "f.yml")
    assert str(caught.value) == (
        "reading f.yml: could not determine a constructor for the tag '!x' in line 2, column 4."
        " It must be YAML."
    )


def test_an_error_without_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML need not say where."""

    def load_all(*_args: object, **_options: object) -> None:
        raise yaml_text.yaml.MarkedYAMLError(problem="odd")

    monkeypatch.setattr(yaml_text.yaml, "load_all", load_all)
    with pytest.raises(InvalidYaml) as caught:
        load_documents("a: !!str 1", "f.yml")
    assert str(caught.value) == "reading f.yml: odd. It must be YAML."
