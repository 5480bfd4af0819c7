"""What the packages must agree on, said once: the files of a work directory, the features of a record,
the ids every vocabulary begins with, and the names of the exported model's signature.

``pipelines`` writes what ``model`` reads, ``model`` writes what ``serving`` loads; they do not import
one another and meet only in the files named here:

    corpus/          the fetched corpus, where the recipe fetches one: train.<language>, corpus.json
    intermediate/    what the steps of the preparation leave to one another; may be deleted at any time
    data/            {train,dev,test}-NNNNN-of-NNNNN.tfrecord.gz, the subword model(s),
                     rejected/NNNNN-of-NNNNN.jsonl.gz, report.html, and last manifest.json
    training/        checkpoints/<step>/ (the newest, and that of the best dev score), tensorboard/,
                     history.jsonl, and last training.json
    evaluation/      test.hypotheses.txt, test.alignments.{source,target,align}, shown.json, details.json, report.html,
                     and last scores.json; comparison.json with another run
    export/N/        SavedModel versions; TensorFlow Serving's model_base_path is export/

A stage writes its mark (manifest.json, training.json, scores.json, a version's provenance.json) last:
a directory without it is unfinished work.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

from workspace.errors import UserError
from workspace.listing import entries
from workspace.locations import Location, RemotePath

if TYPE_CHECKING:
    import typing_extensions
    from typing_extensions import Self

Split: TypeAlias = Literal["train", "dev", "test"]
Side: TypeAlias = Literal["source", "target"]
Precision: TypeAlias = Literal["int8", "float32"]  # of weights: of the engine for CPUs, of the SavedModel
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
SIDES: tuple[Side, ...] = ("source", "target")

# The features of a tf.train.Example in a shard.
SOURCE = "source"  # int64 list: subword ids, without the end-of-sentence id
TARGET = "target"  # int64 list: likewise
SOURCE_TEXT = "source_text"  # bytes: the cleaned sentence, UTF-8
TARGET_TEXT = "target_text"  # bytes: likewise
FILE = "file"  # bytes: base name of the source file the pair came from
LINE = "line"  # int64: its line there, the first is 1

# The ids that every vocabulary begins with.
PADDING_ID = 0
END_ID = 1
UNKNOWN_ID = 2

# No subword has more: SentencePiece learns those of up to 16 characters, of 4 bytes each at most.
LARGEST_SUBWORD_BYTES = 64

# The exported model, as TensorFlow Serving shows it: its name, and what its signatures take and give for a batch of
# sentences. k is the size of the beam; the end of a sentence counts as a subword.
MODEL_NAME = "rnnsearch"
SAVED_MODEL = "saved_model.pb"  # of a version, without which it is none
DEFAULT_ADDRESS = "localhost:8500"  # where it is served unless told otherwise
SIGNATURE = "serving_default"  # text -> translation, score
NBEST_SIGNATURE = "nbest"  # text -> translation, score, both [batch, k], the best first, each another text
# text, beam_size -> the same, of a beam of so many hypotheses; the recipe's k at most
NBEST_WITH_SIGNATURE = "nbest_with"
ALIGN_SIGNATURE = "align"  # text -> translation, score, source_subwords, target_subwords, alignment
SCORE_SIGNATURE = "score"  # text, translation -> score
CONSTRAINED_SIGNATURE = "constrained"  # text, prefix, required, forbidden -> translation, score
# text, translation -> score, target_subwords, log_probability; with attention also source_subwords, alignment
SCORE_SUBWORDS_SIGNATURE = "score_subwords"
IDENTITY_SIGNATURE = "identity"  # text -> weights: which model it is, whatever the text
TEXT_INPUT = "text"  # string [batch]: source sentences
TRANSLATION_INPUT = "translation"  # string [batch]: translations of them
PREFIX_INPUT = "prefix"  # string [batch]: how the translation begins; "" where it may begin as it likes
# Of a phrase; its place in a text is a bit of an int64, whose sign is none, and one more says where it may begin.
MOST_CHARACTERS = 62
REQUIRED_INPUT = "required"  # string [batch]: phrases that it has, one a line
FORBIDDEN_INPUT = "forbidden"  # string [batch]: phrases that it has not, one a line
# text, prefix -> word, probability, both [batch, alternatives], the likeliest first
ALTERNATIVES_SIGNATURE = "alternatives"
SAMPLE_SIGNATURE = "sample"  # text, seed -> translation, score, both [batch, samples], in no order
SAMPLE_WITH_SIGNATURE = "sample_with"  # text, seed, temperature, top_k, top_p -> the same
BEAM_SIZE_INPUT = "beam_size"  # int32 [batch]: 1 or more
SEED_INPUT = "seed"  # int64 [batch]
TEMPERATURE_INPUT = "temperature"  # float32 [batch]: above 0
TOP_K_INPUT = "top_k"  # int32 [batch]: 0 for all words
TOP_P_INPUT = "top_p"  # float32 [batch]: above 0, 1 for all words
TRANSLATION_OUTPUT = "translation"  # string [batch]
SCORE_OUTPUT = "score"  # float32 [batch]: length-normalised log-probability
WORD_OUTPUT = "word"  # string [batch, alternatives]: that may follow the prefix; "" where there are fewer
PROBABILITY_OUTPUT = "probability"  # float32 [batch, alternatives]: among all translations that begin so
LOG_PROBABILITY_OUTPUT = "log_probability"  # float32 [batch, target length]: of each subword, 0 where there is none
SOURCE_SUBWORDS_OUTPUT = "source_subwords"  # string [batch, source length], "" where there is none
TARGET_SUBWORDS_OUTPUT = "target_subwords"  # string [batch, target length], likewise
WEIGHTS_OUTPUT = "weights"  # string [batch]: the SHA-256 of the weights, as in the mark of the version
ALIGNMENT_OUTPUT = "alignment"  # float32 [batch, target length, source length]
TOO_MANY_TEXTS = "a request has more than {} texts"  # how its signatures begin to refuse one of more than they take

_OF_PATTERNS = "*?[\\"

DEFAULT_WORK = Path("work/bible")  # that of make without WORK, RECIPE and SRC


def shard_name(split: str, index: int, count: int) -> str:
    """File name of one shard: ``train-00003-of-00008.tfrecord.gz``."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord.gz"


class _Joined(Protocol):
    def __truediv__(self, name: str, /) -> Self: ...


# Of which kind the locations in a work directory are: of any, unless it is said.
if TYPE_CHECKING:
    Place_co = typing_extensions.TypeVar("Place_co", bound=_Joined, default=Location, covariant=True)
else:
    # Which knows defaults since Python 3.13 only.
    Place_co = TypeVar("Place_co", covariant=True)
_Version = TypeVar("_Version", bound=_Joined)


@dataclass(frozen=True)
class WorkDirectory(Generic[Place_co]):
    """Every path below one ``work/<recipe>`` directory, on this machine or in a store.

    data_here: where data/ is read from in its place, as a copy on this machine. What needs all on this machine takes a
    ``WorkDirectory[Path]``.
    Raises UserError where TensorFlow could not read what it writes there.
    """

    root: Place_co
    data_here: Path | None = None

    def __post_init__(self) -> None:
        """TensorFlow takes the path of a checkpoint for a pattern, and would not find it after hours of training."""
        if found := next((character for character in _OF_PATTERNS if character in str(self.root)), None):
            raise UserError(
                f"work directory {self.root}: TensorFlow cannot read from a path with {found} in it; give another WORK"
            )

    def command(self, target: str) -> str:
        """What makes a target of the Makefile in this directory, ready to be pasted into a shell."""
        return f"make {target}" if self.root == DEFAULT_WORK else f"make {target} WORK={shlex.quote(str(self.root))}"

    @property
    def recipe(self) -> Place_co:
        return self.root / "recipe.yaml"

    @property
    def lock(self) -> Place_co:
        """Locked by the command that changes what is here, and says which that is."""
        return self.root / ".lock"

    @property
    def corpus(self) -> Place_co:
        return self.root / "corpus"

    @property
    def corpus_mark(self) -> Place_co:
        return self.corpus / "corpus.json"

    @property
    def intermediate(self) -> Place_co:
        return self.root / "intermediate"

    @property
    def clean_report(self) -> Place_co:
        """What every cleaning rule would take, as a page."""
        return self.root / "clean-report.html"

    @property
    def data(self) -> Place_co:
        return cast(Place_co, self.data_here) if self.data_here else self.root / "data"

    @property
    def manifest(self) -> Place_co:
        return self.data / "manifest.json"

    @property
    def report(self) -> Place_co:
        """What the preparation took and left, as a page."""
        return self.data / "report.html"

    @property
    def rejected(self) -> Place_co:
        return self.data / "rejected"

    def subword_model(self, side: str, joint: bool) -> Place_co:
        """The SentencePiece model of ``side`` ("source" or "target"); one file for both if ``joint``."""
        return self.data / ("subwords.model" if joint else f"subwords.{side}.model")

    @property
    def training(self) -> Place_co:
        return self.root / "training"

    @property
    def checkpoints(self) -> Place_co:
        return self.training / "checkpoints"

    def checkpoint(self, step: int) -> Place_co:
        """The directory of the checkpoint after ``step`` updates."""
        return self.checkpoints / str(step)

    def steps(self) -> list[int]:
        """The steps that have checkpoints, damaged ones among them, in ascending order."""
        return numbered(self.checkpoints)

    @property
    def tensorboard(self) -> Place_co:
        """The events: to TensorBoard a run is called as its directory is, and this one as the work directory."""
        return self.training / "tensorboard" / name_of(self.root)

    @property
    def history(self) -> Place_co:
        """JSON Lines, one evaluation a line: step, epoch, loss, dev_bleu, dev_chrf, seconds."""
        return self.training / "history.jsonl"

    @property
    def diverged(self) -> Place_co:
        """JSON Lines, the pairs of the batch on which a training diverged: file, line, source_text, target_text."""
        return self.training / "diverged.jsonl"

    @property
    def training_start(self) -> Place_co:
        """What the training there is made from, written before its first checkpoint."""
        return self.training / "started.json"

    @property
    def training_mark(self) -> Place_co:
        return self.training / "training.json"

    @property
    def evaluation(self) -> Place_co:
        return self.root / "evaluation"

    @property
    def scores(self) -> Place_co:
        return self.evaluation / "scores.json"

    @property
    def hypotheses(self) -> Place_co:
        return self.evaluation / "test.hypotheses.txt"

    @property
    def details(self) -> Place_co:
        """Every sentence of the test set, and what went wrong (model.evaluation.details)."""
        return self.evaluation / "details.json"

    @property
    def comparison(self) -> Place_co:
        """Of the translations with those of another run; gone when the test set is translated anew."""
        return self.evaluation / "comparison.json"

    @property
    def alignments(self) -> tuple[Place_co, ...]:
        """The words of the test set and of its translations, between spaces, and their links, in Pharaoh's form."""
        return tuple(self.evaluation / f"test.alignments.{ending}" for ending in ("source", "target", "align"))

    @property
    def shown(self) -> Place_co:
        """The alignments that the page shows."""
        return self.evaluation / "shown.json"

    @property
    def evaluation_report(self) -> Place_co:
        """What the evaluation found, as a page."""
        return self.evaluation / "report.html"

    @property
    def export(self) -> Place_co:
        return self.root / "export"

    def versions(self) -> list[int]:
        """The exported versions, oldest first."""
        return numbered(self.export)

    def version(self, number: int) -> Place_co:
        return self.export / str(number)

    def provenance(self, number: int) -> Place_co:
        """The mark of an exported version."""
        return provenance_of(self.version(number))


def numbered(directory: _Joined) -> list[int]:
    """The numbers that what is in a directory is called by, in ascending order; nothing where there is none."""
    return sorted(int(found.name) for found in entries(cast(Location, directory)) if found.name.isdigit())


def name_of(root: _Joined) -> str:
    """The name of a directory, also of the one that this process is in."""
    return root.resolve().name if isinstance(root, Path) else cast(RemotePath, root).name


def provenance_of(version: _Version) -> _Version:
    """The mark in a version's directory; TensorFlow Serving ignores what it does not know in assets.extra."""
    return version / "assets.extra" / "provenance.json"


def hypotheses_of(version: _Version) -> _Version:
    """The translations of the test set by an exported version, a line each, where it was evaluated."""
    return version / "assets.extra" / "test.hypotheses.txt"


def model_card_of(version: _Version, ending: Literal["md", "html"]) -> _Version:
    """What is to be known of an exported version, as Markdown and as a page."""
    return version / "assets.extra" / f"model-card.{ending}"


def subwords_of(version: _Version) -> _Version:
    """The SentencePiece model of the source texts of an exported version."""
    return version / "assets.extra" / "source.model"


def engine_of(version: _Version) -> _Version:
    """The engine of an exported version, where there is one."""
    return version / "assets.extra" / "engine"
