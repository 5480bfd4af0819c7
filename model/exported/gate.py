"""The gate of the export: a model that is poor, or worse than the newest version, does not become a version.

It goes by the evaluation, in float32 as servers translate. A version keeps its translations of the test set, so that a
later one can be compared with it on the same sentences: both are scored anew, by the same measure, and a difference
counts where a paired test finds that chance alone hardly makes one as large.
"""

from __future__ import annotations

import sys

from model.data.references import further_references, read_references
from model.data.subwords import load_subwords
from model.evaluation.measures import NAMES, measure_of
from model.evaluation.metrics import BLEU, CHRF, metrics_of
from model.evaluation.significance import significance
from recipes import schema
from recipes.stages import EVALUATE
from workspace.errors import UserError
from workspace.layout import WorkDirectory, hypotheses_of
from workspace.marks import AnotherVersionError, Compared, Evaluated, Manifest, Provenance, find_mark, read_scores
from workspace.text_lines import written_lines

# A p-value below this one is not taken for chance.
SIGNIFICANT = 0.05
PAIRED_TEST = "paired approximate randomisation, two-sided"


def pass_gate(work: WorkDirectory, recipe: schema.Recipe, manifest: Manifest, is_forced: bool) -> Evaluated | None:
    """How the model translates the test set; None where that is not evaluated, and the export forced.

    Raises UserError where the model may not become a version, unless ``is_forced``, which makes a warning of it. Writes
    nothing.
    """
    if reason := EVALUATE.stale_because(recipe, work):
        refused = f"the model is not evaluated as it would be exported ({reason})"
        _refuse(work, refused, f"evaluate it with {work.command('evaluate')}", is_forced)
        return None
    evaluated = _evaluated(work, recipe, manifest)
    if found := refusal(evaluated, recipe.evaluation):
        _refuse(work, found, "train it better", is_forced)
        return evaluated.model_copy(update={"overridden": found})
    if doubts := doubt(evaluated, recipe.evaluation):
        print(f"warning: {doubts}", file=sys.stderr)
    return evaluated


def refusal(evaluated: Evaluated, limits: schema.Evaluation) -> str | None:
    """Why a model is refused, as the beginning of a sentence; None where it may become a version."""
    if evaluated.score < limits.minimum:
        return f"test {NAMES[evaluated.measure]} {evaluated.score:.2f} is under evaluation.minimum ({limits.minimum:g})"
    before = evaluated.before
    if before and before.p_value < SIGNIFICANT and _is_worse(evaluated, before, limits):
        return f"{_comparison(evaluated, before, limits)}, and hardly by chance (p = {before.p_value:.4f})"
    return None


def doubt(evaluated: Evaluated, limits: schema.Evaluation) -> str | None:
    """What speaks against a model that is not refused, as a sentence; None where nothing does."""
    before = evaluated.before
    if before and before.p_value >= SIGNIFICANT and _is_worse(evaluated, before, limits):
        return f"{_comparison(evaluated, before, limits)}, but that may be chance (p = {before.p_value:.4f})"
    return None


def _is_worse(evaluated: Evaluated, before: Compared, limits: schema.Evaluation) -> bool:
    # Rounded, for the same score can be the sum of its parts in another order.
    return round(before.score - evaluated.score, 6) > limits.tolerance


def _comparison(evaluated: Evaluated, before: Compared, limits: schema.Evaluation) -> str:
    return (
        f"test {NAMES[evaluated.measure]} {evaluated.score:.2f} is below that of version {before.version}, "
        f"{before.score:.2f}, by more than evaluation.tolerance ({limits.tolerance:g})"
    )


def _refuse(work: WorkDirectory, refused: str, way: str, is_forced: bool) -> None:
    if is_forced:
        print(f"warning: {refused}; it is exported all the same, for it is forced", file=sys.stderr)
        return
    newest = max(work.versions(), default=0)
    stays = f"version {newest} stays the newest" if newest else "there is no version"
    raise UserError(f"{work.root}: {refused}, so that {stays}; {way}, or export it all the same with FORCE=1")


def _evaluated(work: WorkDirectory, recipe: schema.Recipe, manifest: Manifest) -> Evaluated:
    """The scores that the gate goes by; says where the newest version cannot be compared."""
    targets = read_references(work, manifest, "test").targets
    measure, _ = measure_of(recipe, targets)
    scores, name = read_scores(work), CHRF if measure.best_by == "chrf" else BLEU
    evaluated = Evaluated(
        measure="chrf" if name == CHRF else "bleu",
        score=(scores.chrf if name == CHRF else scores.bleu).score,
        test_set=scores.test_set,
    )
    newest = max(work.versions(), default=0)
    if not newest:
        return evaluated
    ours, theirs = written_lines(work.hypotheses), written_lines(hypotheses_of(work.version(newest)))
    if lacking := _lacking(work, evaluated, len(theirs) == len(ours)):
        print(f"warning: version {newest} {lacking}, so that nothing says whether it is better", file=sys.stderr)
        return evaluated
    _, subwords = load_subwords(work, recipe.subwords.joint)
    references = [targets, *further_references(work, manifest, recipe.evaluation.references)]
    found = significance(name, metrics_of(measure, subwords.normal_form)[name], ours, theirs, references)
    before = Compared(version=newest, score=found.baseline, p_value=found.randomisation_p)
    return evaluated.model_copy(update={"before": before})


def _lacking(work: WorkDirectory, evaluated: Evaluated, has_all: bool) -> str | None:
    """What the newest version lacks that it could be compared by, in words; has_all: the translations are there."""
    try:
        mark = find_mark(work, Provenance)
    except AnotherVersionError:
        mark = None
    if mark and mark.evaluated and mark.evaluated.test_set != evaluated.test_set:
        return "was tested on another test set"
    return None if mark and mark.evaluated and has_all else "has no translations of the test set"
