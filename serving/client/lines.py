"""Translates lines with a running server: the work of ``python -m serving.translate``."""

from __future__ import annotations

import argparse
import codecs
import collections
import concurrent.futures
import contextlib
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from serving.client.alignment import UNALIGNED, Alignment
from serving.client.answers import TOO_LONG, NoTranslationError, Translation, check_all_translated
from serving.client.channel import Tls
from serving.client.constraints import UNCONSTRAINED, Constraints, Terms
from serving.client.long_text import answered, by_sentence
from serving.client.questions import BATCH_SENTENCES, BATCHES_IN_FLIGHT, batches
from serving.client.same_model import check_model
from serving.client.translator import Translator
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.storage import reading
from workspace.text_lines import text_lines

REQUESTS_IN_FLIGHT = 8  # of a line each, for --nbest, --sample and --align
LINES_AT_ONCE = BATCHES_IN_FLIGHT * BATCH_SENTENCES  # for --document

# Of the heat map: characters of a cell, and at least of the label before its row.
_CELL, _LEAST_OF_A_WORD = 3, 8
_DENSITIES = " ░▒▓█"
# What the largest weight of a row is shown as at least: where it is thinly spread, or went to the end of the sentence.
_LEAST_OF_A_ROW = 1 / (len(_DENSITIES) - 1)

Answer = Translation | list[Translation] | Alignment


def translate_lines(options: argparse.Namespace) -> None:
    """Prints what the command's options ask for; raises UserError with the numbers of the lines that are too long."""
    tls = Tls(options.tls_authority, options.tls_certificate, options.tls_key)
    work = WorkDirectory(options.work) if options.work else None
    translator = Translator(
        options.server,
        options.model,
        options.timeout,
        options.version,
        options.label,
        tls if options.tls or tls != Tls() else None,
        work,
    )
    hidden = not sys.stderr.isatty() or sys.stdout.isatty() or bool(options.text)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # ASCII is nobody's choice, but what there is where no language is set. No character becomes another in silence.
        is_chosen = codecs.lookup(sys.stdout.encoding).name != "ascii"
        sys.stdout.reconfigure(encoding=sys.stdout.encoding if is_chosen else "utf-8", errors="strict")
    constraints = _constraints(options)
    too_long = []
    with translator, _lines(options) as lines:
        if work:
            check_model(translator, options.server, work)
        answers = tqdm(_answers(translator, lines, options, constraints), "translating", unit=" lines", disable=hidden)
        for number, (line, answer) in enumerate(answers):
            try:
                _print(number, line, answer, options)
            except UnicodeEncodeError as error:
                lacking = f"{error.encoding} has no {error.object[error.start : error.end]!r}, of line {number + 1:,}"
                raise UserError(f"{lacking}; set PYTHONIOENCODING=utf-8, which has every character") from error
            if answer in (TOO_LONG, [], UNALIGNED):
                too_long.append(number + 1)
    if constraints:
        check_all_translated(too_long, "without a translation that keeps to what is asked", "ask for less")
    check_all_translated(too_long)


@contextlib.contextmanager
def _lines(options: argparse.Namespace) -> Iterator[Iterable[str]]:
    """The texts to translate. Lines end at a newline only, whatever other separators are in them."""
    if options.text:
        yield [_in_utf_8(text) for text in options.text]
    elif options.input:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(reading(options.input))
            except OSError as error:
                reason = error.strerror or "no such file"
                raise UserError(f"{options.input} cannot be read: {reason}; give a text file") from error
            yield _checked(file, str(options.input))
    else:
        yield _checked(sys.stdin.buffer, "standard input")


def _checked(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a file; of one that can be read twice all are looked at before the first is translated.

    Raises UserError where one is not UTF-8, and where the file is compressed.
    """
    if file.seekable():
        start = file.tell()
        for _ in text_lines(file, name):
            pass
        file.seek(start)
    return text_lines(file, name)


def _in_utf_8(text: str) -> str:
    """Raises UserError for what came from the command line in another encoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"the TEXT {text!r} is not UTF-8; give it in UTF-8, or in a file of --input") from error
    return text


def _answers(
    translator: Translator,
    lines: Iterable[str],
    options: argparse.Namespace,
    constraints: Callable[[str], Constraints] | None,
) -> Iterator[tuple[str, Answer]]:
    """Every line with the answer to it, in their order; ``constraints`` gives those of each."""
    typed = not (options.text or options.input) and sys.stdin.isatty()
    at_once = 1 if typed else REQUESTS_IN_FLIGHT  # each is answered as it is typed
    if options.nbest or options.beam:

        def nbest(line: str) -> Answer:
            found = translator.nbest(line, options.nbest or 1, options.beam)
            return found if options.nbest else found[0]

        return _asked(nbest, [] if options.nbest else TOO_LONG, lines, at_once)
    if options.sample:
        drawing = options.seed, options.temperature, options.top_k, options.top_p
        return _asked(lambda line: translator.sample(line, options.sample, *drawing), [], lines, at_once)
    if constraints:
        return _asked(lambda line: translator.constrained(line, constraints(line)), TOO_LONG, lines, at_once)
    if options.align:
        return _asked(translator.align, UNALIGNED, lines, at_once)
    if options.document:
        return _by_sentence(translator, batches(lines, lambda: 1 if typed else LINES_AT_ONCE))
    if typed:
        found = _asked(translator.translate, TOO_LONG, lines, at_once)
    else:
        lines, sent = itertools.tee(lines)
        found = zip(lines, translator.translate_many(sent), strict=True)
    return _split_where_too_long(translator, found)


def _split_where_too_long(
    translator: Translator, answers: Iterable[tuple[str, Answer]]
) -> Iterator[tuple[str, Answer]]:
    for line, answer in answers:
        if answer == TOO_LONG:
            yield from _by_sentence(translator, [[line]])
        else:
            yield line, answer


def _by_sentence(translator: Translator, some_lines: Iterable[list[str]]) -> Iterator[tuple[str, Answer]]:
    for lines in some_lines:
        yield from zip(lines, answered(by_sentence(lines), translator.translate_many), strict=True)


def _constraints(options: argparse.Namespace) -> Callable[[str], Constraints] | None:
    """Of each line what is asked of its translation."""
    asked = Constraints(options.prefix or "", options.require, options.forbid)
    if options.terms or options.keep:
        terms = Terms.read(options.terms, options.keep) if options.terms else Terms({}, options.keep)
        return lambda line: terms.asked_of(line, asked)
    return (lambda line: asked) if asked != UNCONSTRAINED else None


def _asked(
    ask: Callable[[str], Answer], if_none: Answer, lines: Iterable[str], at_once: int
) -> Iterator[tuple[str, Answer]]:
    def answered(line: str) -> tuple[str, Answer]:
        try:
            return line, ask(line)
        except NoTranslationError:
            return line, if_none

    under_way: collections.deque[concurrent.futures.Future[tuple[str, Answer]]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for line in lines:
            under_way.append(pool.submit(answered, line))
            if len(under_way) == at_once:
                yield under_way.popleft().result()
        yield from (call.result() for call in under_way)


def _print(number: int, line: str, answer: Answer, options: argparse.Namespace) -> None:
    if options.json:
        several = "samples" if options.sample else "nbest"
        print(json.dumps({"text": line, **_fields(answer, several)}, ensure_ascii=False), flush=True)
    elif isinstance(answer, Translation):
        print(_in_a_line(answer.text), flush=True)
    elif isinstance(answer, list):
        for translation in answer:
            print(f"{number} ||| {_in_a_line(translation.text)} ||| {translation.score:.6f}", flush=True)
    elif sys.stdout.isatty():
        # A text may have square brackets, which rich would take for markup.
        console = Console(markup=False, highlight=False)
        console.print(answer.translation.text, heat_map(answer), _numbered(answer.source), "", sep="\n")
    else:
        links = " ".join(f"{source}-{target}" for source, target in answer.links())
        print(f"{_in_a_line(answer.translation.text)} ||| {links}", flush=True)


def _fields(answer: Answer, several: str = "") -> dict[str, Any]:
    """The keys and values of an object in JSON; ``several`` is the key of several translations."""
    if isinstance(answer, Translation):
        return {"translation": answer.text, "score": None if answer.too_long else answer.score}
    if isinstance(answer, list):
        return {several: [_fields(translation) for translation in answer]}
    words = {"source": answer.source, "target": answer.target}
    return {**_fields(answer.translation), **words, "links": answer.links(), "weights": answer.weights}


def _in_a_line(text: str) -> str:
    return text.replace("\n", " ")


def heat_map(alignment: Alignment) -> HeatMap:
    """For a rich console: a row for each word of the translation, a numbered column for each of the source."""
    return HeatMap(alignment)


@dataclass(frozen=True)
class HeatMap:
    """Lighter for more weight; in a terminal of few colours or none, denser. The largest of a row can always be seen.

    Where the source has more words than the console has room for, the columns go on below the last row.
    """

    alignment: Alignment

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        source, target = self.alignment.source, self.alignment.target
        longest = max((cell_len(word) for word in target), default=0)
        label = max(1, min(longest, max(_LEAST_OF_A_WORD, options.max_width // 3)))
        at_once = max(1, (options.max_width - label - 1) // _CELL)
        cell = _lighter if console.color_system in ("truecolor", "256") else _denser
        for start in range(0, len(source), at_once):
            columns = range(start, min(start + at_once, len(source)))
            table = Table(box=None, padding=0)
            table.add_column(justify="right", width=label, no_wrap=True, overflow="ellipsis")
            table.add_column(width=1)
            for number in columns:
                table.add_column(f"{number % 100:>{_CELL}}", width=_CELL)
            for word, weights in zip(target, self.alignment.weights, strict=True):
                shown = _visible(weights)
                table.add_row(Text(word), "", *(cell(min(1.0, shown[number])) for number in columns))
            yield table


def _visible(weights: list[float]) -> list[float]:
    """A row's weights, made larger where the largest would not be seen."""
    largest = max(weights)
    return [weight * _LEAST_OF_A_ROW / largest for weight in weights] if 0 < largest < _LEAST_OF_A_ROW else weights


def _lighter(weight: float) -> Text:
    shade = round(255 * weight)
    return Text(" " * _CELL, style=f"on rgb({shade},{shade},{shade})")


def _denser(weight: float) -> Text:
    return Text(_DENSITIES[round(weight * (len(_DENSITIES) - 1))] * _CELL)


def _numbered(words: list[str]) -> str:
    return "  ".join(f"{number} {word}" for number, word in enumerate(words))
