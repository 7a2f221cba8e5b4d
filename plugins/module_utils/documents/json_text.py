# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as text: one document, or a stream of them."""

from __future__ import annotations

import json
from typing import Any, Iterator

from ..errors import EdgefleetError
from .shape import check_length

# Lists of images are some hundred kilobytes; the largest file of an operator index some ten
# megabytes. In characters.
DOCUMENT_MAX = 16 * 1024 * 1024
STREAM_MAX = 256 * 1024 * 1024
_SPACE = " \t\r\n"


class InvalidJson(EdgefleetError):
    """Text that is not JSON."""


def load_json(text: str, origin: str) -> Any:
    """Load the one document of ``text``.

    :param origin: where the text came from, for the message.
    :raises InvalidJson: with line and column.
    :raises TooLarge: when it is longer than ``DOCUMENT_MAX``.
    """
    check_length(text, DOCUMENT_MAX, origin)
    documents = list(iterate_json(text, origin))
    if len(documents) != 1:
        raise InvalidJson(
            f"reading {origin}", f"it holds {len(documents)} documents", "One is needed."
        )
    return documents[0]


def iterate_json(text: str, origin: str) -> Iterator[Any]:
    """Yield the documents of a stream one after the other; white space is all between them.

    :raises InvalidJson: with line and column, after the documents before that place.
    :raises TooLarge: when it is longer than ``STREAM_MAX``.
    """
    check_length(text, STREAM_MAX, origin)
    decoder = json.JSONDecoder()
    place = _skip_space(text, 0)
    while place < len(text):
        try:
            document, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            cause = f"{error.msg} in line {error.lineno}, column {error.colno}"
            raise InvalidJson(f"reading {origin}", cause, "It must be JSON.") from None
        except (ValueError, RecursionError) as error:
            raise InvalidJson(f"reading {origin}", str(error), "It must be JSON.") from None
        yield document
        place = _skip_space(text, place)


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place
