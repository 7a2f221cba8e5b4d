# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: what containers/image takes, what it makes of it, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.reference import (
    InvalidReference,
    parse_digest_reference,
    parse_digest_references,
    parse_reference,
)
from hypothesis import given
from hypothesis import strategies as st

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (f"quay.io/edge/app@{DIGEST}", f"quay.io/edge/app@{DIGEST}"),
        (f"quay.io/a/b/c/d@{DIGEST}", f"quay.io/a/b/c/d@{DIGEST}"),
        (f"quay.io/edge/app:v1@{DIGEST}", f"quay.io/edge/app@{DIGEST}"),
        (f"localhost:5000/app@{DIGEST}", f"localhost:5000/app@{DIGEST}"),
        (f"localhost/app@{DIGEST}", f"localhost/app@{DIGEST}"),
        (f"[fd00::1]:5000/app@{DIGEST}", f"[fd00::1]:5000/app@{DIGEST}"),
        (f"REG/app@{DIGEST}", f"REG/app@{DIGEST}"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"edge/app@{DIGEST}", f"docker.io/edge/app@{DIGEST}"),
        (f"index.docker.io/busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"docker.io/busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"example.com/a__b/c--d/e.f@{DIGEST}", f"example.com/a__b/c--d/e.f@{DIGEST}"),
        (f"example.com/a@sha384:{HEX}{HEX[:32]}", f"example.com/a@sha384:{HEX}{HEX[:32]}"),
        (f"example.com/a@sha512:{HEX * 2}", f"example.com/a@sha512:{HEX * 2}"),
        (f"app.v1@{DIGEST}", f"docker.io/library/app.v1@{DIGEST}"),
        (f"example.com/{'a' * 255}@{DIGEST}", f"example.com/{'a' * 255}@{DIGEST}"),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    """A digest reference has one form, the one under which a node pulls and pins it."""
    assert parse_digest_reference(written, "here") == normal


def test_parts() -> None:
    """Tag and digest are kept beside the repository."""
    reference = parse_reference(f"example.com:5000/a/b:v1@{DIGEST}", "here")
    assert (reference.domain, reference.path) == ("example.com:5000", "a/b")
    assert (reference.tag, reference.digest) == ("v1", DIGEST)
    assert reference.repository == "example.com:5000/a/b"
    assert str(reference) == f"example.com:5000/a/b:v1@{DIGEST}"
    assert str(parse_reference("example.com/a", "here")) == "example.com/a"


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (
            "example.com/app:v1",
            "it has no digest. Nodes take name@sha256:<64 hex> only; a tag can be",
        ),
        ("example.com/app", "it has no digest"),
        (f"example.com/app@sha256:{HEX[:-1]}", "has 63 characters where sha256 has 64 lower-case"),
        (f"example.com/app@sha256:{HEX}0", "has 65 characters"),
        (f"example.com/app@sha512:{HEX}", "has 64 characters where sha512 has 128"),
        (f"example.com/app@sha256:{HEX.upper()}", "the digest has upper-case letters"),
        (f"example.com/app@md5:{HEX}", "unknown digest algorithm 'md5'"),
        ("example.com/app@", "unknown digest algorithm ''"),
        (f"example.com/app@{HEX}", f"unknown digest algorithm '{HEX}'"),
        ("*", "a wildcard is no reference"),
        ("example.com/*", "a wildcard is no reference"),
        (f"example.com/app*@{DIGEST}", "a wildcard is no reference"),
        ("", "it is empty"),
        (f"@{DIGEST}", "it is empty"),
        (f" example.com/app@{DIGEST}", "it has white space"),
        (f"example.com/a\nb@{DIGEST}", "it has white space"),
        (f"example.com/App@{DIGEST}", "it is no image reference"),
        (f'example.com/a"]\nx = ["@{DIGEST}', "it has white space"),
        (f"example.com/$(reboot)@{DIGEST}", "it is no image reference"),
        (f"example.com/a;b@{DIGEST}", "it is no image reference"),
        (f"example.com/a:not/@{DIGEST}", "it is no image reference"),
        (f"example.com/a:-x@{DIGEST}", "'-x' is no tag"),
        (f"example.com/a:{'t' * 129}@{DIGEST}", "is no tag"),
        (f"example.com/{'a' * 256}@{DIGEST}", "its path is longer than 255 characters"),
        (f"example.com/a@sha384:{HEX}", "has 64 characters where sha384 has 96 lower-case hex"),
        (f"example.com/a b@{DIGEST}", "it has white space"),
        (DIGEST, "a digest alone names no image. Write name@sha256:<64 hex>."),
        (f"sha512:{HEX * 2}", "a digest alone names no image."),
        (HEX, "a digest alone names no image."),
        (7, "it is a int, not a string"),
        (None, "it is a NoneType, not a string"),
    ],
)
def test_refused(written: object, cause: str) -> None:
    """What is refused names the reference, where it stands, and the cause, in one line."""
    with pytest.raises(InvalidReference) as caught:
        parse_digest_reference(written, "set 'base'")
    message = str(caught.value)
    assert message.startswith("image reference ")
    assert "in set 'base': " in message
    assert cause in message
    assert "\n" not in message


def test_a_long_reference_is_shortened_in_the_message() -> None:
    """A broken reference of any length gives a line that can be read."""
    with pytest.raises(InvalidReference) as caught:
        parse_digest_reference("A" * 100_000, "here")
    assert len(str(caught.value)) < 300


def test_many_are_sorted_and_each_once() -> None:
    """Two ways of writing one reference are one."""
    written = [f"example.com/b:v1@{DIGEST}", f"example.com/a@{DIGEST}", f"example.com/b@{DIGEST}"]
    expected = [f"example.com/a@{DIGEST}", f"example.com/b@{DIGEST}"]
    assert parse_digest_references(written, "here") == expected


NAMES = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+)*", fullmatch=True)
HOSTS = st.from_regex(r"[a-z0-9]+(?:\.[a-z0-9]+)+(?::[0-9]{1,5})?", fullmatch=True)


@given(host=HOSTS, name=NAMES, digest=st.from_regex(r"[a-f0-9]{64}", fullmatch=True))
def test_the_normal_form_stays(host: str, name: str, digest: str) -> None:
    """Parsing what parsing returned changes nothing."""
    once = parse_digest_reference(f"{host}/{name}@sha256:{digest}", "here")
    assert parse_digest_reference(once, "there") == once


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """There is no text that leads to another error, and none that leaves quotes or line breaks."""
    try:
        reference = parse_digest_reference(text, "here")
    except InvalidReference:
        return
    assert not set(reference) & set("\"'\\*$;` \n")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "example.com/a:v1",
            (
                "image reference 'example.com/a:v1' in f.yml: it has no digest."
                " Nodes take name@sha256:<64 hex> only; a tag can be locked as a source of"
                " `images` (docs/locking.md)."
            ),
        ),
        (
            "*",
            (
                "image reference '*' in f.yml: a wildcard is no reference: it would pin what nobody"
                " reviewed."
            ),
        ),
        ("", "image reference '' in f.yml: it is empty."),
        ("A", "image reference 'A' in f.yml: it is no image reference."),
        (
            f"a@sha256:{'A' * 64}",
            f"image reference 'a@sha256:{'A' * 64}' in f.yml: the digest has upper-case letters.",
        ),
        (" a", "image reference ' a' in f.yml: it has white space."),
        ("B" * 199, f"image reference '{'B' * 199}... in f.yml: it is no image reference."),
        ("B" * 198, f"image reference '{'B' * 198}' in f.yml: it is no image reference."),
        (
            f"a:{'t' * 300}",
            f"image reference 'a:{'t' * 197}... in f.yml: '{'t' * 200}' is no tag.",
        ),
    ],
)
def test_the_whole_message(written: str, message: str) -> None:
    """What failed on what, the cause, what is needed; a long reference is cut at 200 characters."""
    with pytest.raises(InvalidReference) as caught:
        parse_digest_reference(written, "f.yml")
    assert str(caught.value) == message


def test_many_are_sorted() -> None:
    """The order does not depend on that of the input."""
    written = [f"example.com/{letter}@{DIGEST}" for letter in "hgfedcba"]
    assert parse_digest_references(written, "here") == written[::-1]


@given(
    host=HOSTS,
    name=NAMES,
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    digest=st.none() | st.integers(0, 2**256 - 1).map("sha256:{:064x}".format),
)
def test_round_trip(host: str, name: str, tag: str | None, digest: str | None) -> None:
    """Tag and digest come back as written, and what was rendered is parsed as the same."""
    written = f"{host}/{name}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = parse_reference(written, "here")
    assert (reference.tag, reference.digest) == (tag, digest)
    assert parse_reference(str(reference), "there") == reference
