"""Reads the sentence pairs of what translators work with: TMX and XLIFF.

Both are XML, and read unit by unit. No DTD that a file names is looked for. Entities that it declares itself
may be short pieces of text; whatever else a few lines of declarations could make gigabytes of is refused.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from pipelines.corpora.asked_languages import may_be, not_found
from pipelines.corpora.file_access import in_one_line, open_file
from pipelines.corpora.inline_codes import UnknownEntityError, text_of
from pipelines.corpora.raw_pairs import UNTRANSLATED, LeftOut, RawPair, Warn
from recipes.data_schema import PairFiles
from recipes.languages import nearness
from workspace.errors import UserError

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NOT_FINAL = ("new", "initial", "needs-")
# An entity costs as few as three bytes to name.
_LONGEST_ENTITY = 100
_MORE_THAN_ENTITIES = re.compile(r"<!ATTLIST|<!ENTITY\s+%")
_NOT_TEXT = re.compile(r"<|&(?!(amp|lt|gt|quot|apos);)")


@dataclass(frozen=True)
class _Unit:
    """An element that may hold a pair, valid only until the next is asked for, and the line that it begins in."""

    element: Any
    line: int
    entities: Mapping[str, str]

    def pair(self, source: Any, target: Any) -> RawPair | LeftOut:
        """The pair of two segments."""
        try:
            texts = [text_of(segment, self.entities).encode() for segment in (source, target)]
        except UnknownEntityError:
            return LeftOut("have entities that are declared nowhere but in a DTD, which is not read,", self.line)
        return RawPair(texts[0], texts[1], self.line)


def read_tmx(files: PairFiles, warn: Warn) -> Iterator[RawPair | LeftOut]:
    """The pairs of every unit; the fields of ``files`` are languages.

    The language itself goes before its regional kinds. A unit that still has several variants of a side gives a pair
    for each, of which ``warn`` is told. Raises UserError where the file is not TMX, or no unit has both languages.
    """
    path = str(files.file)
    asked = str(files.source_field), str(files.target_field)
    found: set[str] = set()
    with_both = 0
    several: list[int] = []
    for unit in _units(path, "tmx", ("tu",), warn):
        variants = list(unit.element.iterchildren("{*}tuv"))
        found.update(map(_language, variants))
        sides = [_segments_in(language, variants) for language in asked]
        if not all(sides):
            yield LeftOut(UNTRANSLATED, unit.line)
            continue
        with_both += 1
        if any(len(side) > 1 for side in sides):
            several.append(unit.line)
        for source in sides[0]:
            for target in sides[1]:
                yield unit.pair(source, target)
    if found and not with_both:
        raise not_found(path, asked, ", ".join(sorted(found)))
    if several:
        warn(
            f"{path}: {len(several):,} of {with_both:,} units have several variants in {asked[0]} or {asked[1]}, the "
            f"first in line {several[0]:,}; each of them makes a pair"
        )


def read_xliff(files: PairFiles, warn: Warn) -> Iterator[RawPair | LeftOut]:
    """The pair of every unit of XLIFF 1.2 that is translated, or of every segment where those are marked, as in 2.0.

    The fields of ``files`` are languages. Sides that the file has in the other order are exchanged. Raises UserError
    where the file is not XLIFF, or says of every unit that it is in other languages.
    """
    path = str(files.file)
    asked = str(files.source_field), str(files.target_field)
    others: dict[str, None] = {}
    is_any = False
    for unit in _units(path, "xliff", ("trans-unit", "segment"), warn):
        source, target = (unit.element.find(f"{{*}}{name}") for name in ("source", "target"))
        if source is None or target is None or _is_unfinished(unit, target):
            yield LeftOut(UNTRANSLATED, unit.line)
            continue
        said = (
            _language_of_side(source, "source-language", "srcLang"),
            _language_of_side(target, "target-language", "trgLang"),
        )
        is_reversed = not may_be(said, asked)
        if is_reversed and not may_be(said, asked[::-1]):
            others[f"{said[0] or asked[0]} and {said[1] or asked[1]}"] = None
            yield LeftOut(f"are not in {asked[0]} and {asked[1]}", unit.line)
            continue
        is_any = True
        for sides in _parts(unit, source, target):
            if sides[1] is None:
                yield LeftOut(UNTRANSLATED, unit.line)
            else:
                yield unit.pair(*(sides[::-1] if is_reversed else sides))
    if others and not is_any:
        raise not_found(path, asked, ", ".join(others))


def _parts(unit: _Unit, source: Any, target: Any) -> list[tuple[Any, Any]]:
    """The source and target of every segment that XLIFF 1.2 marks by its number on both sides, or else of the unit.

    The target is None where there is no translation: of the unit, where any segment marked in it is empty.
    """
    sources, targets = map(_marked_segments, (unit.element.find("{*}seg-source"), target))
    by_number = {segment.get("mid"): segment for segment in targets if _has_text(segment)}
    if targets and {segment.get("mid") for segment in targets} <= {segment.get("mid") for segment in sources} - {None}:
        return [(segment, by_number.get(segment.get("mid"))) for segment in sources]
    return [(source, target if all(map(_has_text, targets)) else None)]


def _marked_segments(side: Any) -> list[Any]:
    return [] if side is None else [mark for mark in side.iter("{*}mrk") if mark.get("mtype") == "seg"]


def _has_text(segment: Any) -> bool:
    return any(map(str.strip, segment.itertext()))


def _is_unfinished(unit: _Unit, target: Any) -> bool:
    """Whether the translation is missing or said to be provisional, on the target (XLIFF 1.2) or the segment (2.0)."""
    state = target.get("state") or unit.element.get("state") or ""
    return state.startswith(_NOT_FINAL) or not (len(target) or target.text)


def _language(variant: Any) -> str:
    return str(variant.get(_XML_LANG) or variant.get("lang") or "")


def _language_of_side(side: Any, of_file: str, of_document: str) -> str:
    """The language of a side of XLIFF: its own, or that of the file (1.2) or document (2.0); empty if nothing says."""
    said = [side.get(_XML_LANG)]
    for above in side.iterancestors("{*}file", "{*}xliff"):
        said += above.get(of_file), above.get(of_document)
    return str(next(filter(None, said), ""))


def _segments_in(language: str, variants: list[Any]) -> list[Any]:
    """The segments in the language, as near to it as there are any."""
    by_nearness: dict[int, list[Any]] = {}
    for variant in variants:
        near, segment = nearness(_language(variant), language), variant.find("{*}seg")
        if near is not None and segment is not None:
            by_nearness.setdefault(near, []).append(segment)
    return by_nearness[min(by_nearness)] if by_nearness else []


def _units(path: str, root: str, names: tuple[str, ...], warn: Warn) -> Iterator[_Unit]:
    """The elements of those names. Raises UserError where the file is not XML, or its first element not ``root``."""
    try:
        entities = _declared_entities(path, root, warn)
        with open_file(path, warn) as file:
            lines = _Lines(file)
            line = 0
            for event, element in etree.iterparse(
                lines,
                events=("start", "end"),
                tag=[f"{{*}}{name}" for name in names],
                resolve_entities=False,
                no_network=True,
                # It lifts all limits, also those on what entities expand to, and not only the one on long texts.
                huge_tree=not entities,
            ):
                if event == "start":
                    line = lines.number
                    continue
                yield _Unit(element, line, entities)
                _forget(element)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = str(error.msg).split(", line ", maxsplit=1)[0]
        # An error without a place is about what came of another, the last that there is a record of.
        if not line and (fatal := list(error.error_log.filter_from_fatals())):
            line, column, reason = fatal[-1].line, fatal[-1].column, in_one_line(fatal[-1].message)
        raise UserError(
            f"{path} line {line:,}, column {column:,}, is not well-formed XML ({reason}); mend it or fetch it again"
        ) from error


class _Lines:
    """An XML file that is read no more than a line at a time, and the number of the line last read from.

    The numbers that libxml2 gives to elements have 16 bits.
    """

    def __init__(self, file: io.BufferedReader[Any]):
        self._file = file
        # It begins with a character of ASCII, a mark aside.
        self._is_utf_16 = b"\0" in file.peek(4)[:4]
        self._size = self._ended = 0
        self.number = 0

    def read(self, most: int) -> bytes:
        piece = self._file.readline(most)
        self._size += len(piece)
        self.number = self._ended + 1
        if piece.endswith(b"\n"):
            self._ended += not self._is_utf_16 or self._other_half(piece) == b"\0"
        return piece

    def _other_half(self, piece: bytes) -> bytes:
        """What makes a character of UTF-16 together with the last byte that was read."""
        return self._file.peek(1)[:1] if self._size % 2 else piece[-2:-1]


def _declared_entities(path: str, root: str, warn: Warn) -> dict[str, str]:
    """The texts of the entities that a file declares before its first element, which must be ``root``.

    The declarations are parsed here, under the library's limits on what they may expand to. Raises UserError for those
    that a small file could become a large one by: of an entity in an entity, or in another file, or of a long text.
    """
    with open_file(path, lambda sentence: None) as file:
        _, first = next(iter(etree.iterparse(file, events=("start",), resolve_entities=False, no_network=True)))
        document = first.getroottree()
        declared = document.docinfo.internalDTD
        entities = {each.name: each.content for each in declared.iterentities()} if declared is not None else {}
        # lxml shows the defaults of attributes only in what it writes, and not which entities are for declarations.
        is_more = _MORE_THAN_ENTITIES.search(etree.tostring(document, encoding="unicode"))
        if is_more or not all(map(_is_short_text, entities.values())):
            raise UserError(f"{path} has XML declarations in its DOCTYPE, which may be an attack; take them out")
        if (found := etree.QName(first).localname) != root:
            raise UserError(f"{path} is not {root.upper()}: its first element is {found}; set format")
    return {name: html.unescape(text) for name, text in entities.items()}


def _is_short_text(content: str | None) -> bool:
    """Whether an entity is text, of no more characters than do harm; it has no content if that is in another file."""
    return content is not None and len(content) <= _LONGEST_ENTITY and not _NOT_TEXT.search(content)


def _forget(element: Any) -> None:
    """Frees the memory of an element and of all before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
