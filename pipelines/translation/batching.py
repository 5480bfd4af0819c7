"""The texts of a chunk, translated: lines of like lengths together, the same line once, and long ones in parts.

What goes together depends on the chunk and on what translates alone, so that whoever translates it, and whatever else
there is, it comes out the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from pipelines.translation.asked import ALIGNMENT, NBEST, SCORE, TRANSLATION, Answer, Asked
from pipelines.translation.chunks import ChunkTexts, Counts
from serving.client.alignment import Alignment
from serving.client.answers import BLANK, TOO_LONG, Translation
from serving.client.long_text import answered, by_sentence

# Of a batch: enough to keep a core busy. A text counts as the longest beside it, to which it is filled up.
BATCH_TEXTS = 128
BATCH_SUBWORDS = 8_000
_LINE_END = re.compile(r"(\r\n|[\r\n])")
_TOO_LONG = "it is longer than the model translates, and has no sentence end, comma or space where it could be split"


class Found(NamedTuple):
    """What an engine makes of a text, and why it makes nothing of it, where it refuses it."""

    translation: Translation
    nbest: Sequence[Translation] = ()
    alignment: Alignment | None = None
    why: str | None = None


class Ready(Protocol):
    """What translates, made ready in a worker; its threads may share it."""

    def batches(self, texts: Collection[str]) -> Iterable[list[str]]:
        """Different texts, in the batches in which they are translated, shorter ones first; always in the same."""

    def translate(self, batch: list[str], asked: Asked) -> Iterable[Found]:
        """What is found for each text of a batch, as soon as it is there."""


def translate_chunk(
    chunk: ChunkTexts, asked: Asked, ready: Ready, done: Callable[[int], object]
) -> tuple[list[Answer], Counts, list[dict[str, Any]]]:
    """The answer to every text, in their order; how they divide; and file, line and reason of each that has none.

    ``done`` is told of numbers of texts that are finished, as they are.
    """
    # A record may have several lines, which alternate with their ends; each line is translated by itself.
    of_texts = [_LINE_END.split(text) for text in chunk.texts]
    filled = [[line for line in map(str.strip, lines[::2]) if line] for lines in of_texts]
    batches = list(ready.batches({line for lines in filled for line in lines}))
    different = [line for batch in batches for line in batch]
    place = {line: number for number, line in enumerate(different)}
    # Of every line, the texts that are finished with it.
    finished = Counter(max(lines, key=place.__getitem__) for lines in filled if lines)
    done(len(filled) - finished.total())
    found: dict[str, Found] = {}
    for line, answer in _each(batches, asked, ready):
        found[line] = answer
        if finished[line]:
            done(finished[line])
    long = [line for line in different if found[line].translation.too_long and not found[line].why]
    refused: dict[str, str] = {}

    def in_parts(parts: list[str]) -> list[Translation]:
        of_parts = dict(_each(ready.batches(parts), asked, ready))
        refused.update({part: answer.why for part, answer in of_parts.items() if answer.why})
        return [of_parts[part].translation for part in parts]

    split = {}
    for line, translation in zip(long, answered(by_sentence(long), in_parts), strict=True):
        if translation.too_long:
            found[line] = Found(TOO_LONG, why=next((why for part, why in refused.items() if part in line), _TOO_LONG))
        else:
            found[line] = Found(translation, [translation])
            split[line] = translation
    answers: list[Answer] = []
    failed: list[dict[str, Any]] = []
    counts = Counts(records=len(chunk.texts))
    seen: set[str] = set()
    for number, (text, lines) in enumerate(zip(chunk.texts, of_texts, strict=True)):
        of_lines = [found.get(line.strip(), _BLANK) for line in lines[::2]]
        why = chunk.whys.get(number) or next((each.why for each in of_lines if each.why), None)
        if why:
            failed.append({"file": chunk.file, "line": chunk.lines[number], "reason": why})
            answers.append(asked.nothing)
            counts = counts._replace(failed=counts.failed + 1)
        elif not text.strip():
            answers.append(asked.nothing)
            counts = counts._replace(blank=counts.blank + 1)
        else:
            answers.append(_answer(of_lines, lines, asked))
            counts = counts._replace(
                translated=counts.translated + 1,
                split=counts.split + any(line.strip() in split for line in lines[::2]),
                repeated=counts.repeated + (text in seen),
            )
            seen.add(text)
    assert counts.records == counts.translated + counts.blank + counts.failed
    return answers, counts, failed


_BLANK = Found(BLANK)


def _each(batches: Iterable[list[str]], asked: Asked, ready: Ready) -> Iterator[tuple[str, Found]]:
    for batch in batches:
        yield from zip(batch, ready.translate(batch, asked), strict=True)


def _answer(of_lines: Sequence[Found], lines: Sequence[str], asked: Asked) -> Answer:
    """Of a text whose lines, which alternate with their ends, have all been translated."""
    translations = [each.translation for each in of_lines]
    ends = [*lines[1::2], ""]
    filled = [translation for translation in translations if translation is not BLANK]
    whole = Translation(
        "".join(translation.text + end for translation, end in zip(translations, ends, strict=True)),
        sum(translation.score for translation in filled) / len(filled),
    )
    one = of_lines[0] if len(of_lines) == 1 else Found(whole, [whole])
    values: Answer = {
        TRANSLATION: whole.text,
        SCORE: _rounded(whole.score),
        NBEST: [{TRANSLATION: each.text, SCORE: _rounded(each.score)} for each in one.nbest],
        ALIGNMENT: _links(one.alignment) if one.alignment else None,
    }
    return {name: values[name] for name in asked.fields}


def _links(alignment: Alignment) -> dict[str, Any]:
    links = " ".join(f"{source}-{target}" for source, target in alignment.links())
    return {"source": alignment.source, "target": alignment.target, "links": links}


def _rounded(score: float) -> float:
    """A score with the digits that mean something."""
    return round(score, 6)


def in_batches(texts: Iterable[str], subwords: Callable[[str], int]) -> Iterator[list[str]]:
    """Texts, those of fewer subwords first, in batches as large as BATCH_TEXTS and BATCH_SUBWORDS allow, or of one."""
    batch: list[str] = []
    for length, text in sorted((subwords(text), text) for text in texts):
        if batch and (len(batch) == BATCH_TEXTS or (len(batch) + 1) * length > BATCH_SUBWORDS):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch
