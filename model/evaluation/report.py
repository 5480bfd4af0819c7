"""``report.html``: what an evaluation found, on one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.references import further_references, read_references
from model.data.subwords import load_subwords
from model.evaluation.by_length import LengthPoint, bleu_by_length, draw_by_length, lengths_of
from model.evaluation.comparison import Comparison, read_comparison
from model.evaluation.measures import measure_of
from model.evaluation.metrics import BLEU, CHRF, CHRF_PLUS_PLUS, TER, metrics_of, sentence_scores
from model.evaluation.shown import Shown, read_shown
from model.evaluation.training_curves import training_curves
from recipes.schema import Recipe
from workspace.layout import WorkDirectory
from workspace.marks import Scores, read_manifest, read_training_mark
from workspace.pages import rendered, svg_of
from workspace.storage import replacing, sha256_of

# Sentences that got better, and that got worse.
_MOST_CHANGES = 10


@dataclass(frozen=True)
class Evaluation:
    """All that the page is made of, beside the training.

    references: [references][sentences]; chrf: of every sentence; by_length: of every run by name, this one first;
    comparison: with another run, where there was one.
    """

    scores: Scores
    sources: Sequence[str]
    references: Sequence[Sequence[str]]
    translations: Sequence[str]
    chrf: Sequence[float]
    by_length: Mapping[str, Sequence[LengthPoint]]
    shown: Shown
    comparison: Comparison | None = None


def write_report(work: WorkDirectory, recipe: Recipe, scores: Scores) -> None:
    """Writes the page of what an evaluation left in the work directory."""
    page = render_report(work, recipe, _read(work, recipe, scores))
    with replacing(work.evaluation_report) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _read(work: WorkDirectory, recipe: Recipe, scores: Scores) -> Evaluation:
    manifest = read_manifest(work)
    test = read_references(work, manifest, "test")
    references = [test.targets, *further_references(work, manifest, recipe.evaluation.references)]
    measure, _ = measure_of(recipe, test.targets)
    form = load_subwords(work, recipe.subwords.joint)[1].normal_form
    bleu = metrics_of(measure, form)[BLEU]
    comparison = read_comparison(work)
    runs = {work.root.resolve().name: _translations(work)}
    if comparison and (other := _baseline(comparison)):
        runs[comparison.baseline] = other
    translations = next(iter(runs.values()))
    return Evaluation(
        scores=scores,
        sources=test.sources,
        references=references,
        translations=translations,
        chrf=sentence_scores(translations, references, form),
        by_length={name: bleu_by_length(test.sources, texts, references, bleu) for name, texts in runs.items()},
        shown=read_shown(work),
        comparison=comparison,
    )


def render_report(work: WorkDirectory, recipe: Recipe, found: Evaluation) -> str:
    """The page."""
    training, scores = read_training_mark(work), found.scores
    unit, _ = lengths_of(found.sources)
    return rendered(
        "model.evaluation",
        "report.html.j2",
        title=f"Evaluation of {recipe.name}",
        summary=(
            f"{scores.sentences:,} sentences of the test set, translated in {scores.seconds:,.0f} s "
            f"with a beam of {recipe.search.beam_size}, in {scores.precision}."
        ),
        found=found,
        scores=[(BLEU, scores.bleu), (CHRF, scores.chrf), (CHRF_PLUS_PLUS, scores.chrf_plus_plus), (TER, scores.ter)],
        most_changes=_MOST_CHANGES,
        by_length=svg_of(draw_by_length(found.by_length, unit), f"BLEU by the {unit} of the source"),
        unit=unit,
        zip=zip,
        alignment_files=" ".join(path.name for path in work.alignments),
        training=(
            f"{training.steps:,} updates in {training.seconds / 60:.1f} minutes, {training.parameters:,} parameters; "
            f"the weights kept are those after {training.best_step:,}. Loss and speed are means since the last dev "
            "evaluation."
        ),
        curves=training_curves(work, training),
    )


def _baseline(comparison: Comparison) -> list[str] | None:
    """The translations that a run was compared with, if they are still there."""
    work = WorkDirectory(Path(comparison.baseline))
    if not work.hypotheses.is_file() or sha256_of(work.hypotheses) != comparison.hypotheses[1]:
        return None
    return _translations(work)


def _translations(work: WorkDirectory) -> list[str]:
    return work.hypotheses.read_text(encoding="utf-8").split("\n")[:-1]
