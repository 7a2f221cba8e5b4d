# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: parsed, validated and normalised as containers/image does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable

from ..errors import EdgefleetError

# The grammar of github.com/distribution/reference (regexp.go), which containers/image uses.
_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_NAME_PATTERN = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*)"
)
_TAG_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_PATTERNS = {
    # The algorithms that github.com/opencontainers/go-digest registers, lower-case hex only.
    "sha256": re.compile(r"[a-f0-9]{64}"),
    "sha384": re.compile(r"[a-f0-9]{96}"),
    "sha512": re.compile(r"[a-f0-9]{128}"),
}
# RepositoryNameTotalLengthMax of github.com/distribution/reference (reference.go), in characters.
_PATH_LENGTH_MAX = 255
# What names without a registry mean to containers/image (normalize.go).
_DEFAULT_DOMAIN = "docker.io"
_LEGACY_DEFAULT_DOMAIN = "index.docker.io"
_OFFICIAL_PREFIX = "library/"
# How much of a broken reference is worth showing, in characters.
_SHOWN_MAX = 200
_DIGEST_NEEDED = (
    "Nodes take name@sha256:<64 hex> only; a tag can be locked as a source of `images`"
    " (docs/locking.md)."
)


class InvalidReference(EdgefleetError):
    """A string that is no image reference, or not one that can be pinned."""


@dataclass(frozen=True)
class ImageReference:
    """An image reference in its normal form; ``digest`` is ``<algorithm>:<hex>`` or None."""

    domain: str
    path: str
    tag: str | None
    digest: str | None

    @property
    def repository(self) -> str:
        """``domain/path``, without tag and digest."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def validate_digest(digest: str) -> str | None:
    """Return why ``digest`` is not one, or None when it is."""
    algorithm, colon, encoded = digest.partition(":")
    pattern = _DIGEST_PATTERNS.get(algorithm)
    if not colon or pattern is None:
        return f"unknown digest algorithm {algorithm!r}"
    if pattern.fullmatch(encoded):
        return None
    if pattern.fullmatch(encoded.lower()):
        return "the digest has upper-case letters"
    length = pattern.pattern[pattern.pattern.index("{") + 1 : -1]
    return f"the digest has {len(encoded)} characters where {algorithm} has {length} lower-case hex"


def _is_digest(text: str) -> bool:
    """Say whether ``text`` is a digest, or as containers/image takes it the hex of one."""
    return validate_digest(text) is None or bool(_DIGEST_PATTERNS["sha256"].fullmatch(text))


def is_tag(text: object) -> bool:
    """Say whether ``text`` is a tag."""
    return isinstance(text, str) and bool(_TAG_PATTERN.fullmatch(text))


def parse_reference(text: object, origin: str) -> ImageReference:
    """Parse and normalise one reference.

    :param text: the reference as written.
    :param origin: where it stands, for the message.
    :raises InvalidReference: when containers/image would not take it.
    """
    if not isinstance(text, str):
        raise _refusal(text, origin, f"it is a {type(text).__name__}, not a string")
    if _is_digest(text):
        raise _refusal(text, origin, "a digest alone names no image", "Write name@sha256:<64 hex>.")
    rest, at, digest = text.partition("@")
    if at:
        cause = validate_digest(digest)
        if cause:
            raise _refusal(text, origin, cause)
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG_PATTERN.fullmatch(tag):
        raise _refusal(text, origin, f"{tag[:_SHOWN_MAX]!r} is no tag")
    match = _NAME_PATTERN.fullmatch(name)
    if not match:
        raise _refusal(text, origin, _name_cause(name))
    domain, path = _normalise(name)
    if len(path) > _PATH_LENGTH_MAX:
        raise _refusal(text, origin, f"its path is longer than {_PATH_LENGTH_MAX} characters")
    return ImageReference(domain, path, tag, digest or None)


def parse_digest_reference(text: object, origin: str) -> str:
    """Return the one string under which a node pulls and pins ``text``.

    That is ``repository@digest``: CRI-O matches pins against the name that was pulled, and drops
    the tag of a reference that carries both.

    :raises InvalidReference: when it is no reference or has no digest.
    """
    reference = parse_reference(text, origin)
    if reference.digest is None:
        raise _refusal(text, origin, "it has no digest", _DIGEST_NEEDED)
    return f"{reference.repository}@{reference.digest}"


def parse_digest_references(texts: Iterable[object], origin: str) -> list[str]:
    """Return the references of :func:`parse_digest_reference`, sorted, each once."""
    return sorted({parse_digest_reference(text, origin) for text in texts})


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split ``name[:tag]``; a colon before the last slash belongs to the registry's port."""
    colon = rest.rfind(":")
    if colon > rest.rfind("/"):
        return rest[:colon], rest[colon + 1 :]
    return rest, None


def _normalise(name: str) -> tuple[str, str]:
    """Split domain and path as splitDockerDomain of distribution/reference does."""
    first, slash, remainder = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not is_domain:
        first, remainder = _DEFAULT_DOMAIN, name
    if first == _LEGACY_DEFAULT_DOMAIN:
        first = _DEFAULT_DOMAIN
    if first == _DEFAULT_DOMAIN and "/" not in remainder:
        remainder = _OFFICIAL_PREFIX + remainder
    return first, remainder


def _name_cause(name: str) -> str:
    if not name:
        return "it is empty"
    if "*" in name:
        return "a wildcard is no reference: it would pin what nobody reviewed"
    if name != name.strip() or any(character.isspace() for character in name):
        return "it has white space"
    return "it is no image reference"


def _refusal(text: object, origin: str, cause: str, needed: str = "") -> InvalidReference:
    shown = repr(text)
    if len(shown) > _SHOWN_MAX:
        shown = shown[:_SHOWN_MAX] + "..."
    return InvalidReference(f"image reference {shown} in {origin}", cause, needed)
