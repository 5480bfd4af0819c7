"""JSON as TensorFlow Serving reads it: RapidJSON, with NaN and Inf, iterative, which stops after the first value.

What the standard library reads otherwise is put right before or after it. Sources: ParseJson in util/json_tensor.cc;
RapidJSON's reader.h and error/en.h.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from serving.protocol.status import StatusError, invalid_argument

# Deeper lists cost more memory than any request is worth.
DEEPEST = 1_000_000

_SPACE = re.compile(r"[ \t\r\n]*")
_LARGE_EXPONENT = re.compile(r"\d[eE]\+?\d{3}")
# Of two kinds of tokens the standard library has one: strings, which are passed over, and what it has no word for.
_UNKNOWN_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|-NaN\b|-?\bInf\b', re.DOTALL)


class JsonObject(dict[str, Any]):
    """An object. Of members with the same name the first counts; ``members`` are all, in their order."""

    def __init__(self, members: Iterable[tuple[str, Any]] = ()):
        super().__init__()
        self._all: list[tuple[str, Any]] | None = None
        members = list(members)
        for name, value in members:
            self.setdefault(name, value)
        if len(members) > len(self):
            self._all = members

    @property
    def members(self) -> Iterable[tuple[str, Any]]:
        return self.items() if self._all is None else self._all


def parse_json(body: bytes) -> Any:
    """The first value in ``body``; bytes that are not UTF-8 become surrogates. Raises StatusError INVALID_ARGUMENT."""
    text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")
    begin = _after_space(text, 0)
    if begin == len(text):
        raise _error("The document is empty", text, None)
    decoder = json.JSONDecoder(
        object_pairs_hook=JsonObject, parse_float=_not_too_big if _LARGE_EXPONENT.search(text) else None
    )
    try:
        try:
            return decoder.raw_decode(text, begin)[0]
        except json.JSONDecodeError as error:
            if not re.compile("-?(Inf|NaN)").match(text, error.pos):
                raise
            text = _UNKNOWN_WORDS.sub(lambda found: _KNOWN_WORDS.get(found[0], found[0]), text)
            return decoder.raw_decode(text, begin)[0]
    except json.JSONDecodeError as error:
        raise _error(_REASONS.get(error.msg, error.msg), text, error.pos) from error
    except RecursionError:
        return _parse_deep(text, begin, decoder)
    except ValueError as error:  # an integer of thousands of digits
        raise _error("Number too big to be stored in double.", text, None) from error


def quoted_json(value: Any, limit: int) -> str:
    """The first ``limit`` characters of a value's JSON, whatever its size."""
    parts, length = [], 0
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        parts.append(part[:limit])
        length += len(part)
        if length >= limit:
            break
    return "".join(parts)[:limit]


_KNOWN_WORDS = {"Inf": "Infinity", "-Inf": "-Infinity", "-NaN": "NaN"}
# The standard library's words and RapidJSON's.
_REASONS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}


def _parse_deep(text: str, at: int, decoder: json.JSONDecoder) -> Any:
    """As ``decoder`` reads it, without its recursion: for what is nested deeper than the stack of C."""
    # Of each list or object that is open: its elements or members, and the name of the member to come.
    opened: list[tuple[list[Any], str | None]] = []
    while True:
        at = _after_space(text, at)
        value: Any
        if text[at : at + 1] in ("[", "{"):
            if len(opened) == DEEPEST:
                raise invalid_argument("JSON Parse error: the lists are nested too deep")
            is_object = text[at] == "{"
            at = _after_space(text, at + 1)
            if text[at : at + 1] != ("}" if is_object else "]"):
                name, at = _name(text, at, decoder) if is_object else (None, at)
                opened.append(([], name))
                continue
            value, at = (JsonObject() if is_object else []), at + 1
        else:
            value, at = _atom(text, at, decoder)
        while True:
            if not opened:
                return value
            elements, name = opened.pop()
            elements.append(value if name is None else (name, value))
            at = _after_space(text, at)
            following = text[at : at + 1]
            if following == ",":
                name, at = (None, at + 1) if name is None else _name(text, _after_space(text, at + 1), decoder)
                opened.append((elements, name))
                break
            if following != ("]" if name is None else "}"):
                missing = "] after an array element." if name is None else "} after an object member."
                raise _error(f"Missing a comma or {missing}", text, at)
            value, at = (elements if name is None else JsonObject(elements)), at + 1


def _name(text: str, at: int, decoder: json.JSONDecoder) -> tuple[str, int]:
    """The name of a member at ``at``, and where its value begins."""
    if text[at : at + 1] != '"':
        raise _error("Missing a name for object member.", text, at)
    name, at = _atom(text, at, decoder)
    at = _after_space(text, at)
    if text[at : at + 1] != ":":
        raise _error("Missing a colon after a name of object member.", text, at)
    return name, at + 1


def _atom(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """The string, number or word at ``at``, and where it ends."""
    try:
        return decoder.scan_once(text, at)  # type: ignore[attr-defined]
    except (StopIteration, json.JSONDecodeError) as error:
        raise _error("Invalid value.", text, at) from error


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _not_too_big(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise invalid_argument("JSON Parse error: Number too big to be stored in double.")
    return value


def _error(reason: str, text: str, at: int | None) -> StatusError:
    """``at`` is counted in characters, and told in bytes."""
    where = "" if at is None else f" at offset: {len(text[:at].encode('utf-8', errors='surrogateescape'))}"
    return invalid_argument(f"JSON Parse error: {reason}{where}")
