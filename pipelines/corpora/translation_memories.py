"""Reads the sentence pairs of what translators work with: TMX, XLIFF and gettext PO.

TMX and XLIFF are XML, and read unit by unit. An XML file may not declare entities or attributes of its own: none that
translators exchange does, and a few such lines can expand to gigabytes. A DTD that it names is not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polib
from lxml import etree

from pipelines.corpora.file_access import in_one_line, local_file, open_file
from pipelines.corpora.raw_pairs import RawPair, encoded
from recipes.data_schema import PairFiles
from workspace.errors import UserError

# Elements of a segment that hold the codes of another format instead of text; not hi, g, pc and mrk, which mark
# text. Text within a code (sub) is not part of the sentence.
_CODES = ("bpt", "ept", "ph", "it", "ut")
_TEXT = etree.XPath(f"descendant::text()[not({' or '.join(f'ancestor::*[local-name()={code!r}]' for code in _CODES)})]")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NOT_FINAL = ("new", "initial", "needs-")


def read_tmx(files: PairFiles) -> Iterator[RawPair | None]:
    """Source and target of every unit, None for one without both; the fields of ``files`` are languages.

    A language stands for its regional kinds too (en for en-GB). Raises UserError where the file is not TMX, or
    no unit has both languages.
    """
    path = str(files.file)
    languages = str(files.source_field), str(files.target_field)
    found: set[str] = set()
    is_any = False
    for unit in _elements(path, "tmx", ("tu",)):
        segments = {_language(variant): variant.find("{*}seg") for variant in unit.iterchildren("{*}tuv")}
        found.update(segments)
        source, target = (_segment_in(language, segments) for language in languages)
        if source is None or target is None:
            yield None
        else:
            is_any = True
            yield _text(source), _text(target)
    if found and not is_any:
        raise UserError(
            f"{path} has no unit in both {languages[0]} and {languages[1]}, but in {', '.join(sorted(found))}; "
            "set source_field and target_field to two of them"
        )


def read_xliff(files: PairFiles) -> Iterator[RawPair | None]:
    """Source and target of every unit of XLIFF 1.2, or segment of 2.0; None for one that is not translated yet.

    Raises UserError where the file is not XLIFF.
    """
    for unit in _elements(str(files.file), "xliff", ("trans-unit", "segment")):
        source, target = unit.find("{*}source"), unit.find("{*}target")
        if source is None or target is None or _is_unfinished(unit, target):
            yield None
        else:
            yield _text(source), _text(target)


def read_po(files: PairFiles) -> Iterator[RawPair | None]:
    """Of a message with a plural, the plural is taken: the forms of two languages do not match one by one."""
    path = str(files.file)
    with local_file(path) as local:
        last = local.read_bytes().rstrip().rpartition(b"\n")[2]
        # The library takes a string without its closing quote for an empty one.
        if not last.startswith(b"#") and not last.endswith(b'"'):
            raise UserError(f"{path} is cut short in its last line; fetch or make it again")
        try:
            entries = polib.pofile(str(local))
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not in the character set its header names ({error}); mend it") from error
        except (OSError, LookupError, ValueError) as error:
            said = in_one_line(error).replace(str(local), path)
            raise UserError(f"{path} is not gettext PO ({said}); mend it") from error
    for entry in entries:
        if entry.obsolete:
            continue
        translation = entry.msgstr_plural[max(entry.msgstr_plural)] if entry.msgstr_plural else entry.msgstr
        if entry.fuzzy or not translation:
            yield None
        else:
            yield encoded(entry.msgid_plural or entry.msgid), encoded(translation)


def _is_unfinished(unit: Any, target: Any) -> bool:
    """Whether the translation is missing or said to be provisional, on the target (XLIFF 1.2) or the segment (2.0)."""
    state = target.get("state") or unit.get("state") or ""
    return state.startswith(_NOT_FINAL) or not _text(target)


def _language(variant: Any) -> str:
    return str(variant.get(_XML_LANG) or variant.get("lang") or "")


def _segment_in(language: str, segments: dict[str, Any]) -> Any:
    """The segment in that very language or else in a regional kind of it, None if there is none."""
    wanted = language.lower().replace("_", "-")
    kinds = {given.lower().replace("_", "-"): segment for given, segment in segments.items()}
    regional = (segment for kind, segment in kinds.items() if kind.startswith(f"{wanted}-"))
    return kinds.get(wanted, next(regional, None))


def _text(segment: Any) -> bytes:
    text = "".join(_TEXT(segment)) if len(segment) else segment.text or ""
    return text.encode()


def _elements(path: str, root: str, names: tuple[str, ...]) -> Iterator[Any]:
    """The elements of those names, each valid only until the next is asked for."""
    try:
        _check_beginning(path, root)
        with open_file(path) as file:
            # Safe only because there are no entities: huge_tree lifts all limits, not only the one on long texts.
            for _, element in etree.iterparse(
                file, tag=[f"{{*}}{name}" for name in names], resolve_entities=False, no_network=True, huge_tree=True
            ):
                yield element
                _forget(element)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = str(error.msg).split(", line ", maxsplit=1)[0]
        raise UserError(
            f"{path} line {line:,}, column {column:,}, is not well-formed XML ({reason}); mend it or fetch it again"
        ) from error


def _check_beginning(path: str, root: str) -> None:
    """Raises UserError where the first element is not ``root``, or there are declarations before it.

    The declarations are parsed here, under the library's limits on what they may expand to.
    """
    with open_file(path) as file:
        _, first = next(iter(etree.iterparse(file, events=("start",), resolve_entities=False, no_network=True)))
        # An attribute with a long default can expand as far as entities; lxml shows it only in what it writes.
        if re.search(r"<!DOCTYPE[^>]*\[", etree.tostring(first.getroottree(), encoding="unicode")):
            raise UserError(f"{path} has XML declarations in its DOCTYPE, which may be an attack; take them out")
        if (found := etree.QName(first).localname) != root:
            raise UserError(f"{path} is not {root.upper()}: its first element is {found}; set format")


def _forget(element: Any) -> None:
    """Frees the memory of an element and of all before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
