"""Two runs on the same test set: whether their scores differ by more than chance, and which sentences do.

    evaluation/comparison.json      Comparison

It is no mark of a stage: scores.json is the same whether or not a run was compared, and with which.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from model.data.references import further_references, read_references
from model.data.subwords import NormalForm, load_subwords
from model.evaluation.measures import measure_of
from model.evaluation.metrics import metrics_of, sentence_scores
from model.evaluation.significance import Significance, significance
from model.evaluation.words import words_with_space
from recipes import schema
from workspace.errors import UserError
from workspace.layout import Precision, WorkDirectory
from workspace.marks import changed_file, read_manifest, read_scores
from workspace.storage import read_json, sha256_of, write_json
from workspace.text_lines import written_lines


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Frozen):
    """A part of a translation, with the white space before it; the parts of a translation, joined, are its text.
    differs: the other translation has something else there, or nothing."""

    text: str
    differs: bool


class Change(_Frozen):
    """A sentence of which the two runs have different translations; number: its place in the test set, from 0; chrf,
    baseline_chrf: of the two translations, 0 to 100."""

    number: int
    source: str
    references: list[str]
    translation: list[Part]
    baseline: list[Part]
    chrf: float
    baseline_chrf: float


class Comparison(_Frozen):
    """Of a run with another, the baseline.

    baseline: the other's work directory; precisions: of the run and of the baseline; hypotheses: SHA-256 of both files
    of translations; significance: by the metric's name (model.evaluation.metrics); better, worse: sentences whose chrF
    is higher or lower than the baseline's, those with the largest difference first; equal: sentences with the same
    translation; as_good: with another one of the same chrF.
    """

    baseline: str
    precisions: tuple[Precision, Precision]
    hypotheses: tuple[str, str]
    significance: dict[str, Significance]
    better: list[Change]
    worse: list[Change]
    equal: int
    as_good: int


def compare(work: WorkDirectory, recipe: schema.Recipe, other: WorkDirectory) -> Comparison:
    """Compares the translations of two evaluated runs, and writes evaluation/comparison.json of the first.

    Raises UserError where one was not evaluated, or their test sets differ.
    """
    scores = read_scores(work), read_scores(other)
    if scores[0].test_set != scores[1].test_set:
        raise UserError(
            f"{work.root} and {other.root} were evaluated on different test sets; compare runs whose TEST_SRC= and "
            "TEST_TGT=, or whose corpus and split, are the same"
        )
    for each, mark in zip((work, other), scores, strict=True):
        if changed := changed_file(each, mark):
            raise UserError(f"{changed}; make it anew with {each.command('evaluate')}")
    manifest = read_manifest(work)
    test = read_references(work, manifest, "test")
    references = [test.targets, *further_references(work, manifest, recipe.evaluation.references)]
    ours, theirs = (written_lines(each.hypotheses) for each in (work, other))
    measure, _ = measure_of(recipe, test.targets)
    form = load_subwords(work, recipe.subwords.joint)[1].normal_form
    changes = _changes(test.sources, references, ours, theirs, form)
    found = Comparison(
        baseline=str(other.root),
        precisions=(scores[0].precision, scores[1].precision),
        hypotheses=(sha256_of(work.hypotheses), sha256_of(other.hypotheses)),
        significance={
            name: significance(name, metric, ours, theirs, references)
            for name, metric in metrics_of(measure, form).items()
        },
        better=sorted((change for change in changes if _gain(change) > 0), key=_gain, reverse=True),
        worse=sorted((change for change in changes if _gain(change) < 0), key=_gain),
        equal=len(ours) - len(changes),
        as_good=sum(_gain(change) == 0 for change in changes),
    )
    write_json(work.comparison, found.model_dump(mode="json"))
    return found


def read_comparison(work: WorkDirectory) -> Comparison | None:
    """The last comparison of the translations that are there; None where there is none."""
    value = read_json(work.comparison)
    try:
        return None if value is None else Comparison.model_validate(value)
    except ValidationError:  # of another version of the project
        return None


def parts_of(text: str, other: str) -> tuple[list[Part], list[Part]]:
    """Both in parts, by whether the other has them too at their place."""
    words = words_with_space(text), words_with_space(other)
    # At the beginning there is no white space, and a word is the same with and without it.
    a, b = ([word.strip() for word in side] for side in words)
    opcodes = difflib.SequenceMatcher(a=a, b=b, autojunk=False).get_opcodes()
    places = (
        [(kind, start, end) for kind, start, end, _, _ in opcodes],
        [(kind, start, end) for kind, _, _, start, end in opcodes],
    )
    ours, theirs = (
        [Part(text="".join(side[start:end]), differs=kind != "equal") for kind, start, end in of_side if start < end]
        for side, of_side in zip(words, places, strict=True)
    )
    return ours, theirs


def _gain(change: Change) -> float:
    return change.chrf - change.baseline_chrf


def _changes(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    ours: Sequence[str],
    theirs: Sequence[str],
    form: NormalForm,
) -> list[Change]:
    of_ours, of_theirs = (sentence_scores(side, references, form) for side in (ours, theirs))
    changes = []
    for number, (text, other) in enumerate(zip(ours, theirs, strict=True)):
        if text != other:
            translation, baseline = parts_of(text, other)
            change = Change(
                number=number,
                source=sources[number],
                references=[side[number] for side in references],
                translation=translation,
                baseline=baseline,
                chrf=of_ours[number],
                baseline_chrf=of_theirs[number],
            )
            changes.append(change)
    return changes


def summary(comparison: Comparison, work: WorkDirectory) -> str:
    """A comparison in a few lines, for who started it."""
    lines = [f"{work.root} against {comparison.baseline}:"]
    lines += [
        f"  {name:8} {found.score:6.2f} against {found.baseline:6.2f}: {found.difference:+.2f} "
        f"({found.low:+.2f} to {found.high:+.2f}); p = {found.bootstrap_p:.4f} (bootstrap), "
        f"{found.randomisation_p:.4f} (randomisation)"
        for name, found in comparison.significance.items()
    ]
    same = comparison.equal + comparison.as_good
    lines.append(f"  {len(comparison.better):,} sentences better, {len(comparison.worse):,} worse, {same:,} as good")
    return "\n".join(lines)
