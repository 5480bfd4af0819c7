"""The test set translated with the best checkpoint, its scores by sacreBLEU, on plain text, and a page of it all."""

from __future__ import annotations

import functools
import hashlib
import sys
import time
from collections.abc import Callable, Sequence

from model.data.references import References, further_references, read_references
from model.evaluation.alignment_error import alignment_error, gold_alignments, read_gold
from model.evaluation.comet import comet_score
from model.evaluation.details import details_of
from model.evaluation.measures import measure_of
from model.evaluation.metrics import BLEU, CHRF, CHRF_PLUS_PLUS, TER, metrics_of, score_of
from model.evaluation.report import write_report
from model.evaluation.shown import Shown, read_shown, shown_of, shown_of_gold
from model.evaluation.word_alignment import WordAlignment, align_subwords, align_words, write_alignments
from model.search.many_texts import TranslateAll, translate_all
from model.search.scores import IMPOSSIBLE
from model.search.translator import TextTranslator, best_translator
from recipes import schema
from recipes.stages import EVALUATE, MadeFrom
from workspace.errors import UserError, as_given
from workspace.layout import Precision, WorkDirectory
from workspace.locations import Location
from workspace.marks import (
    AlignmentError,
    AnotherVersionError,
    Sample,
    Scores,
    changed_file,
    find_mark,
    read_manifest,
    write_mark,
)
from workspace.progress import progress_bar
from workspace.storage import remove, write_json, write_text
from workspace.text_lines import written_lines

SAMPLES = 3


def evaluate(
    work: WorkDirectory,
    recipe: schema.Recipe,
    in_int8: Callable[[TextTranslator], TranslateAll] | None = None,
    show: Sequence[int] = (),
    align_gold: Location | None = None,
) -> Scores:
    """Writes the translations, their alignments, the page and scores.json, and returns the latter. Raises UserError
    where nothing is trained.

    in_int8: makes of the translator one in int8, and that is scored (model.exported.int8). Scores in int8 are not those
    that the road is for, which makes them anew. show: the numbers of sentences, the first is 1, whose alignments are to
    be on the page; align_gold: alignments by hand (model.evaluation.alignment_error). Where the translations are the
    same as before, what they have been compared with stays, and so does what an earlier ``align_gold`` gave.
    """
    gold = read_gold(align_gold) if align_gold else []
    manifest = read_manifest(work)
    test = read_references(work, manifest, "test")
    if outside := [number for number in show if not 1 <= number <= len(test.sources)]:
        raise UserError(
            f"{as_given('--show')}: there is no sentence {outside[0]}; the test set has 1 to {len(test.sources):,}"
        )
    translator = best_translator(work, recipe)
    translate = in_int8(translator) if in_int8 else functools.partial(translate_all, translator)
    precision: Precision = "int8" if in_int8 else "float32"
    references = [test.targets, *further_references(work, manifest, recipe.evaluation.references)]
    gold_aligned = gold_alignments(translator, gold) if gold else []
    measure, note = measure_of(recipe, test.targets)
    if note:
        print(f"warning: {note}", file=sys.stderr)
    metrics = metrics_of(measure, translator.target_subwords.normal_form)
    began = time.monotonic()
    with progress_bar(len(test.sources), "translating test", "sentence") as bar:
        translated = translate(test.sources, bar)
    # A subword may be the byte of a line feed, and a translation is one line.
    translations = [text.replace("\n", " ") for text, _ in translated]
    seconds = time.monotonic() - began
    scored = {name: score_of(metric, translations, references) for name, metric in metrics.items()}
    made_from = {**EVALUATE.made_from(recipe, work), **({"precision": precision} if in_int8 else {})}
    before = _scores_before(work, made_from, translations)
    if before is None:
        remove(work.comparison)
    write_text(work.hypotheses, "".join(text + "\n" for text in translations))
    alignments = _alignments(translator, test.sources, translations)
    write_alignments(work.alignments, alignments)
    rated = list(zip(translations, (found for _, found in translated), strict=True))
    details = details_of(work, manifest, translator, test.sources, references, rated, alignments, metrics)
    write_json(work.details, details.model_dump(mode="json"))
    chrf = [sentence.chrf for sentence in details.sentences]
    sentences = list(shown_of(alignments, chrf, test.sources, [number - 1 for number in show]))
    if gold:
        error: AlignmentError | None = alignment_error([each.links() for each in gold_aligned], gold)
        shown = Shown(sentences=sentences, gold_name=str(align_gold), gold=list(shown_of_gold(gold_aligned, gold)))
    else:
        error = before.alignment_error if before else None
        stays = read_shown(work) if error else Shown(sentences=[], gold_name="", gold=[])
        shown = stays.model_copy(update={"sentences": sentences})
    write_json(work.shown, shown.model_dump(mode="json"))
    scores = Scores(
        made_from=made_from,
        precision=precision,
        bleu=scored[BLEU],
        chrf=scored[CHRF],
        chrf_plus_plus=scored[CHRF_PLUS_PLUS],
        ter=scored.get(TER),
        comet=comet_score(recipe.evaluation.comet, test.sources, translations, test.targets),
        test_set=digest_of(test),
        sentences=len(translations),
        too_long=sum(found == IMPOSSIBLE for _, found in translated),
        seconds=round(seconds, 1),
        samples=samples(test.sources, test.targets, translations),
        alignment_error=error,
    )
    write_report(work, recipe, scores)
    return write_mark(work.scores, scores, [work.hypotheses, *work.alignments, work.details, work.shown])


def _scores_before(work: WorkDirectory, made_from: MadeFrom, translations: list[str]) -> Scores | None:
    """Those of an earlier evaluation of the same, which gave the same translations; None where there is none."""
    try:
        before = find_mark(work, Scores)
    except AnotherVersionError:
        return None
    if before is None or before.made_from != made_from or changed_file(work, before):
        return None
    return before if written_lines(work.hypotheses) == translations else None


def _alignments(translator: TextTranslator, sources: list[str], translations: list[str]) -> list[WordAlignment]:
    """Of every sentence; empty where the architecture aligns nothing."""
    if not translator.model.attends:
        return []
    with progress_bar(len(sources), "aligning test", "sentence") as bar:
        found = align_subwords(translator, sources, translations, bar)
    return [align_words(*each) for each in zip(sources, translations, found, strict=True)]


def digest_of(test: References) -> str:
    """SHA-256 of a test set. A sentence is one line, so that nothing else has the same."""
    lines = (f"{text}\n" for side in test for text in side)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def samples(sources: list[str], references: list[str], translations: list[str]) -> list[Sample]:
    """A few sentences spread over the set: source, reference and translation."""
    step = max(1, len(sources) // SAMPLES)
    return [
        Sample(source=sources[index], reference=references[index], translation=translations[index])
        for index in range(0, len(sources), step)[:SAMPLES]
    ]
