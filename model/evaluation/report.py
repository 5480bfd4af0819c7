"""``report.html``: what an evaluation found, on one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from model.data.subwords import load_subwords
from model.evaluation.by_length import LengthPoint, bleu_by_length, draw_by_length, lengths_of
from model.evaluation.comparison import Comparison, read_comparison
from model.evaluation.detail_pictures import draw_frequencies, draw_tenths, label_of
from model.evaluation.details import Details, Finding, read_details
from model.evaluation.measures import measure_of
from model.evaluation.metrics import BLEU, CHRF, CHRF_PLUS_PLUS, TER, metrics_of
from model.evaluation.shown import Shown, read_shown
from model.evaluation.training_curves import training_curves
from recipes.schema import Recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory, name_of
from workspace.listing import is_file
from workspace.locations import located
from workspace.marks import Scores, read_training_mark
from workspace.pages import rendered, svg_of
from workspace.storage import sha256_of, write_text
from workspace.text_lines import written_lines

# Sentences that got better, and that got worse.
_MOST_CHANGES = 10
# Sentences of a mistake, and words.
_MOST_WRONG = 20


@dataclass(frozen=True)
class Evaluation:
    """All that the page is made of, beside the training.

    by_length: of every run by name, this one first; comparison: with another run, where there was one.
    """

    scores: Scores
    details: Details
    by_length: Mapping[str, Sequence[LengthPoint]]
    shown: Shown
    comparison: Comparison | None = None


def write_report(work: WorkDirectory, recipe: Recipe, scores: Scores) -> None:
    """Writes the page of what an evaluation left in the work directory. Raises UserError where that is of another
    version of the project."""
    details = read_details(work)
    if details is None:
        raise UserError(
            f"{work.details} is missing or damaged; make it anew with rm -f {work.scores} && {work.command('evaluate')}"
        )
    found = Evaluation(scores, details, {}, read_shown(work), read_comparison(work))
    found = replace(found, by_length=_by_length(work, recipe, found))
    page = render_report(work, recipe, found)
    write_text(work.evaluation_report, page)


def _by_length(work: WorkDirectory, recipe: Recipe, found: Evaluation) -> dict[str, list[LengthPoint]]:
    """Of this run and of the one that it was compared with, if that one's translations are still there."""
    sentences = found.details.sentences
    references = [list(side) for side in zip(*(each.references for each in sentences), strict=True)]
    runs = {name_of(work.root): [each.translation for each in sentences]}
    if found.comparison:
        other = WorkDirectory(located(found.comparison.baseline))
        if is_file(other.hypotheses) and sha256_of(other.hypotheses) == found.comparison.hypotheses[1]:
            name = name_of(other.root)
            runs[f"{name} (the other)" if name in runs else name] = written_lines(other.hypotheses)
    measure, _ = measure_of(recipe, references[0])
    bleu = metrics_of(measure, load_subwords(work, recipe.subwords.joint)[1].normal_form)[BLEU]
    sources = [each.source for each in sentences]
    return {name: bleu_by_length(sources, texts, references, bleu) for name, texts in runs.items()}


def render_report(work: WorkDirectory, recipe: Recipe, found: Evaluation) -> str:
    """The page."""
    training, scores = read_training_mark(work), found.scores
    unit, _ = lengths_of([each.source for each in found.details.sentences])
    return rendered(
        "model.evaluation",
        "report.html.j2",
        title=f"Evaluation of {recipe.name}",
        summary=(
            f"{scores.sentences:,} sentences of the test set, translated in {scores.seconds:,.0f} s "
            f"with a beam of {recipe.search.beam_size}, in {scores.precision}."
        ),
        found=found,
        details=found.details,
        wrong=_wrong(found.details),
        tenths=svg_of(draw_tenths(found.details.tenths), "chrF by tenths of the score"),
        frequencies=svg_of(draw_frequencies(found.details.by_frequency), "F1 of words by their frequency in training"),
        most_wrong=_MOST_WRONG,
        scores=[
            (BLEU, scores.bleu),
            (CHRF, scores.chrf),
            (CHRF_PLUS_PLUS, scores.chrf_plus_plus),
            (TER, scores.ter),
            ("COMET", scores.comet),
        ],
        most_changes=_MOST_CHANGES,
        by_length=svg_of(draw_by_length(found.by_length, unit), f"BLEU by the {unit} of the source"),
        unit=unit,
        zip=zip,
        label_of=label_of,
        alignment_files=" ".join(path.name for path in work.alignments),
        training=(
            f"{training.steps:,} updates in {training.seconds / 60:.1f} minutes, {training.parameters:,} parameters; "
            f"the weights kept are those after {training.best_step:,}. Loss and speed are means since the last dev "
            "evaluation."
        ),
        curves=training_curves(work, training),
    )


def _wrong(details: Details) -> list[tuple[str, list[Finding]]]:
    """What the sentences are that something is wrong with, by what it is."""
    return [
        ("copied from the source", details.copied),
        ("wrong numbers (+ too much, - missing)", details.numbers),
        ("words twice in a row", details.repeated),
        ("less than half as long as the reference", [Finding(sentence=place, words="") for place in details.short]),
        ("more than twice as long as the reference", [Finding(sentence=place, words="") for place in details.long]),
    ]
