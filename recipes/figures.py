"""The table at the end of the road: what was read, learnt and scored, where it is, what to run next."""

from __future__ import annotations

import re
import shlex

from rich.console import Console
from rich.table import Table

from recipes.schema import Ensemble, Recipe
from workspace.errors import UserError
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.listing import is_file
from workspace.locations import address_of
from workspace.marks import Manifest, Sample, Score, Scores, TrainingMark, find_mark

# What the best weights are chosen by, and the decimals that tell evaluations apart.
_MEASURES = {"bleu": ("BLEU", 1), "chrf": ("chrF", 1), "loss": ("loss", 3)}


def print_summary(recipe: Recipe, work: WorkDirectory) -> None:
    """Prints the table of a finished run. Raises UserError where a stage is missing."""
    manifest = find_mark(work, Manifest)
    training, scores = find_mark(work, TrainingMark), find_mark(work, Scores)
    if not (manifest and training and scores and work.versions()):
        raise UserError(f"{work.root} holds no finished run; make one with {work.command('train')}")
    table = Table(title=f"{recipe.name} in {work.root}", title_justify="left", show_header=False)
    for name, value in _rows(recipe, manifest, training, scores, read_history(work), work):
        table.add_row(name, value, end_section=name in ("tokens", "trained for", "chrF", "sample 3"))
    # Sentences may hold square brackets, which rich would take for markup.
    Console(markup=False).print(table)
    # Outside the table, which would break long lines, so that they can be pasted.
    if is_file(work.evaluation_report):
        print(f"see:  {address_of(work.evaluation_report)}")
    print(f"next: {work.command('serve')}")
    if scores.samples:
        print(f"      {work.command('translate')} TEXT={shlex.quote(scores.samples[0].source)}")
    print(f"      {work.command('tensorboard')}")


def print_scores(work: WorkDirectory) -> None:
    """Prints the scores of an evaluation, and where its page is."""
    scores = find_mark(work, Scores)
    if scores is None:
        raise UserError(f"{work.root} is not evaluated; do so with {work.command('evaluate')}")
    for score in (scores.bleu, scores.chrf, scores.chrf_plus_plus, scores.ter, scores.comet):
        if score:
            print(f"test {score.text}")
    if scores.alignment_error:
        print(f"alignment error rate {100 * scores.alignment_error.error:.1f} %")
    print(f"see:  {address_of(work.evaluation_report)}")


def _rows(
    recipe: Recipe,
    manifest: Manifest,
    training: TrainingMark,
    scores: Scores,
    history: list[dict[str, float]],
    work: WorkDirectory,
) -> list[tuple[str, str]]:
    pairs, tokens = manifest.pairs, manifest.tokens["train"]
    too_long, in_int8 = scores.too_long, " in int8" if scores.precision == "int8" else ""
    measure, decimals = _MEASURES[training.best_by]
    by_step = ", ".join(f"{line[f'dev_{training.best_by}']:.{decimals}f} at {line['step']:.0f}" for line in history)
    return [
        ("pairs read", f"{pairs.read:,}"),
        ("pairs kept", ", ".join(f"{count:,} {split}" for split, count in pairs.kept.items())),
        (
            "pairs rejected",
            ", ".join(f"{count:,} {reason}" for reason, count in pairs.rejected.items() if count) or "0",
        ),
        ("tokens", f"{tokens['source']:,} source, {tokens['target']:,} target subwords to train on"),
        ("parameters", f"{training.parameters:,}"),
        ("steps", f"{training.steps:,}, the best at {training.best_step:,}"),
        (f"dev {measure}", by_step if training.best_by == "loss" else f"{by_step} (greedy)"),
        ("trained for", f"{training.seconds / 60:.1f} min"),
        *([("ensemble", _ensemble(recipe.ensemble))] if recipe.ensemble != Ensemble() else []),
        (f"test BLEU{in_int8}", _score(scores.bleu)),
        *([("alignment error rate", f"{100 * error.error:.1f} %")] if (error := scores.alignment_error) else []),
        ("chrF", _score(scores.chrf)),
        *([("too long", f"{too_long:,} of test, of more than search.max_source_length subwords")] if too_long else []),
        *((f"sample {n}", _sample(sample)) for n, sample in enumerate(scores.samples, 1)),
        ("data", f"{work.data} (rejected pairs with their reason in {work.rejected.name}/)"),
        ("training", str(work.training)),
        ("evaluation", f"{work.scores}, {work.hypotheses.name}, {work.evaluation_report.name}"),
        ("SavedModel", str(work.version(work.versions()[-1]))),
    ]


def _ensemble(ensemble: Ensemble) -> str:
    """What translates in place of the best weights of the training alone, in words."""
    joined = [f"with {', '.join(ensemble.runs)}"] if ensemble.runs else []
    several = [f"the last {ensemble.checkpoints} checkpoints of each training"] if ensemble.checkpoints > 1 else []
    return "; ".join([*joined, *several, f"mean of {ensemble.average}"])


def _score(score: Score) -> str:
    """With its signature, which says nothing of how an interval was drawn: there is none here, and the line is long."""
    return f"{score.score:.2f}  {re.sub(r'bs:[^|]*[|]seed:[^|]*[|]', '', score.signature)}"


def _sample(sample: Sample) -> str:
    return f"{sample.source}\n→ {sample.translation}\n= {sample.reference} (reference)"
