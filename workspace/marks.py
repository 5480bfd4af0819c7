"""The marks that stages leave when their results are complete: their contents, read and written only here.

    data/manifest.json                              Manifest        of the preparation
    training/training.json                          TrainingMark    of the training
    evaluation/scores.json                          Scores          of the evaluation
    export/N/assets.extra/provenance.json           Provenance      of an exported version
    corpus/corpus.json                              CorpusMark      of the fetched corpora

A mark is written last: a directory without it is unfinished work. Every mark has ``made_from``, the settings and the
digests of the files that its stage read (``recipes.stages``), and what its stage left.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from workspace.errors import UserError
from workspace.layout import Precision, Side, Split, WorkDirectory, provenance_of
from workspace.listing import files_under, is_file, sizes_of
from workspace.locations import Location, reached, relative
from workspace.storage import read_json, sha256_of, write_json


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mark(_Frozen):
    """What all marks have; ``stage`` is the target of make that leaves it.

    left: the size in bytes of every file that the stage left, by its path from the directory of the mark.
    """

    stage: ClassVar[str]

    made_from: dict[str, Any]
    left: dict[str, int] = {}

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        """Where it is."""
        raise NotImplementedError


class CorpusMark(Mark):
    """States that all fetched corpora are there."""

    stage = "prepare"

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        return work.corpus_mark


class PairCounts(_Frozen):
    """Pairs read, and how they divide into those kept, by split, and those rejected, by reason."""

    read: int
    kept: dict[Split, int]
    rejected: dict[str, int]


class SubwordModels(_Frozen):
    """The subword models: one for both sides if ``joint``; their sizes, and the SHA-256 of their files by name."""

    joint: bool
    vocabulary: dict[Side, int]
    files: dict[str, str]


class Manifest(Mark):
    """What the preparation left in data/.

    records: those written, more or fewer than the pairs kept where corpora have weights; corpora: the pairs of each;
    inputs: the files read, each with its path on this machine and what identified it; shards: SHA-256 by name;
    tokens: subwords; words: as cleaning.max_words counts them; unknown: subwords that are not in the vocabulary;
    lengths: records by the subwords of their longer side, end of sentence not counted; seconds: of each step.
    """

    stage = "prepare"

    pairs: PairCounts
    records: dict[Split, int]
    corpora: dict[str, PairCounts]
    inputs: list[dict[str, Any]]
    subwords: SubwordModels
    shards: dict[str, str]
    tokens: dict[Split, dict[Side, int]]
    words: dict[Split, dict[Side, int]]
    unknown: dict[Split, dict[Side, int]]
    lengths: dict[Split, dict[int, int]]
    versions: dict[str, str]
    seconds: dict[str, float]

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        return work.manifest

    def shards_of(self, split: Split) -> list[str]:
        """The file names of a split's shards, in their order."""
        return sorted(name for name in self.shards if name.startswith(f"{split}-"))


class TrainingMark(Mark):
    """States that a training is finished.

    weights: SHA-256 of the best; steps: updates made; best_by: "bleu", "chrf" or "loss", by which the best dev
    evaluation was chosen; best_step: updates up to it; best_dev_score: what it was, 0 to 100 or nats a target word;
    tokenize: the tokenizer of dev BLEU; seconds: of all sessions; checkpoints: those of the last dev evaluations that
    are kept, by their updates, in order.
    """

    stage = "train"

    weights: str
    parameters: int
    steps: int
    best_step: int
    best_by: Literal["bleu", "chrf", "loss"]
    best_dev_score: float
    tokenize: str
    seconds: float
    checkpoints: tuple[int, ...] = ()

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        return work.training_mark


class Score(_Frozen):
    """One of sacreBLEU's scores, 0 to 100, with its signature, and the text that sacreBLEU prints of it.

    mean, margin: of sets drawn anew from the test set, 95 % score between the mean less the margin and the mean with it
    (sacreBLEU's bootstrap); None where no sets were drawn.
    """

    score: float
    signature: str
    text: str
    mean: float | None = None
    margin: float | None = None


class Sample(_Frozen):
    source: str
    reference: str
    translation: str


class AlignmentError(_Frozen):
    """Alignment error rate with its precision and recall, 0 to 1, over so many sentences aligned by hand."""

    error: float
    precision: float
    recall: float
    sentences: int


class Scores(Mark):
    """The evaluation of the test set; precision: of the weights that translated it; chrf: chrF2; chrf_plus_plus:
    chrF2++; ter: the lower, the better, None where only characters can be told; comet: None where it is not
    installed or not asked for, and otherwise about 0 to 1; test_set: SHA-256 of its sources and
    first references, in their order; too_long: sentences with more subwords than the model takes; alignment_error: of
    the gold alignment, where one was given."""

    stage = "evaluate"

    precision: Precision = "float32"
    bleu: Score
    chrf: Score
    chrf_plus_plus: Score
    ter: Score | None
    comet: Score | None = None
    test_set: str
    sentences: int
    too_long: int
    seconds: float
    samples: list[Sample]
    alignment_error: AlignmentError | None = None

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        return work.scores


class EngineScores(_Frozen):
    """What the translations of some dev sentences scored, of the SavedModel and of the engine in int8; ``holds``: the
    engine is as good, and so is there."""

    measure: Literal["bleu", "chrf"]
    sentences: int
    float32: float
    int8: float
    holds: bool


class Compared(_Frozen):
    """An older version on the test set of a new one: its score there, and the p-value of the difference, two-sided."""

    version: int
    score: float
    p_value: float


class Evaluated(_Frozen):
    """How an exported version translates the test set, which it keeps the translations of.

    score: 0 to 100, in float32; test_set: as ``Scores`` have it; before: the version that was
    the newest, None where it cannot be compared; overridden: why the export was refused, where it was forced.
    """

    measure: Literal["bleu", "chrf"]
    score: float
    test_set: str
    before: Compared | None = None
    overridden: str | None = None


class Provenance(Mark):
    """Where an exported version comes from; engine: None where there can be none; evaluated: None where nothing was
    evaluated; sha256: of each file, by its path as in ``left``, empty in older versions."""

    stage = "export"

    tensorflow: str
    engine: EngineScores | None
    evaluated: Evaluated | None = None
    sha256: dict[str, str] = {}

    @staticmethod
    def path(work: WorkDirectory) -> Location:
        return work.provenance(max(work.versions(), default=0))


class AnotherVersionError(UserError):
    """A mark whose fields are not those of this version of the project."""


M = TypeVar("M", bound=Mark)


def find_mark(work: WorkDirectory, kind: type[M]) -> M | None:
    """The mark of a kind (for Provenance that of the newest version); None where there is none, or half of one.

    Raises AnotherVersionError.
    """
    path = kind.path(work)
    value = read_json(path)
    if value is None:
        return None
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise AnotherVersionError(
            f"{path} comes from another version of the project; {work.command(kind.stage)} makes it anew"
        ) from error


def exported_weights(work: WorkDirectory) -> set[str]:
    """The SHA-256 of the weights of every exported version that has a mark of this version of the project."""
    found = set()
    for number in work.versions():
        with contextlib.suppress(ValidationError):
            found.add(Provenance.model_validate(read_json(work.provenance(number))).made_from["weights"])
    return found


def write_mark(path: Location, mark: M, left: Iterable[Location] = ()) -> M:
    """Writes a mark, atomically, with the sizes of the files that its stage has ``left``; returns it as written."""
    sizes = sizes_of((relative(file, path.parent) for file in sorted(left, key=str)), path.parent)
    written = mark.model_copy(update={"left": sizes})
    write_json(path, written.model_dump(mode="json"))
    return written


def write_version_mark(version: Path, mark: Provenance) -> Provenance:
    """Writes the mark of an exported version, with the size and the SHA-256 of every other file, by which copies are
    checked (``workspace.staging``)."""
    path = provenance_of(version)
    files = [file for file in files_under(version) if file != path]
    sha256 = {relative(file, path.parent): sha256_of(file) for file in files}
    return write_mark(path, mark.model_copy(update={"sha256": sha256}), files)


def changed_file(work: WorkDirectory, mark: Mark) -> str | None:
    """What is the case with the first file that a stage left and that is not as it was left; None where all are.

    By the sizes: to read all that a stage left may take minutes.
    """
    directory = mark.path(work).parent
    found = sizes_of(mark.left, directory)
    for name, size in mark.left.items():
        if found[name] != size:
            return f"{reached(directory, name)} is {'missing' if found[name] is None else 'damaged'}"
    return None


def read_manifest(work: WorkDirectory) -> Manifest:
    """The manifest. Raises UserError where no corpus is prepared."""
    manifest = find_mark(work, Manifest)
    if manifest is None:
        raise UserError(f"{work.data} holds no prepared corpus; make one with {work.command('prepare')}")
    return manifest


def files_of(manifest: Manifest, split: Split) -> dict[str, str]:
    """The SHA-256 of the subword models and of the shards of a split, by their names in data/."""
    return {**manifest.subwords.files, **{name: manifest.shards[name] for name in manifest.shards_of(split)}}


def check_prepared(work: WorkDirectory, manifest: Manifest, split: Split) -> None:
    """Raises UserError where a subword model or a shard of the split is missing, or not as it was left."""
    for name, sha256 in files_of(manifest, split).items():
        path = work.data / name
        if not is_file(path) or sha256_of(path) != sha256:
            raise damaged_data(work, path)


def damaged_data(work: WorkDirectory, path: Location) -> UserError:
    """The error to raise for a file of data/ that is not as it was left."""
    make = work.command("prepare")
    if isinstance(path, Path):
        return UserError(
            f"{path} is missing or damaged; make the data anew with rm -f {shlex.quote(str(path))} && {make}"
        )
    return UserError(f"{path} is missing or damaged; remove it if it is there, and make the data anew with {make}")


def read_training_mark(work: WorkDirectory) -> TrainingMark:
    """The mark of a training. Raises UserError where none is finished."""
    mark = find_mark(work, TrainingMark)
    if mark is None:
        raise UserError(f"{work.training} holds no finished training; make one with {work.command('train')}")
    return mark


def read_scores(work: WorkDirectory) -> Scores:
    """The scores. Raises UserError where nothing has been evaluated."""
    scores = find_mark(work, Scores)
    if scores is None:
        raise UserError(f"{work.evaluation} holds no scores; make them with {work.command('evaluate')}")
    return scores
