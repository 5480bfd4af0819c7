"""Learns the SentencePiece model(s) of a corpus, or takes those of another run.

The ids every vocabulary begins with are those of ``workspace.layout``; there is no beginning-of-sentence
id. SentencePiece's normaliser, by the rules of ``pipelines.preparation.normalization``, is the only text normalisation
the model depends on, and the same file is embedded in the exported SavedModel.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import itertools
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sentencepiece

from pipelines.cleaning.records import Pair
from pipelines.preparation.coverage import with_covered_characters
from pipelines.preparation.normalization import named, trainer_options
from pipelines.preparation.partitions import Partitions
from recipes.data_schema import Subwords
from workspace.errors import UserError
from workspace.layout import END_ID, PADDING_ID, SIDES, UNKNOWN_ID, Side, WorkDirectory
from workspace.locations import Location, located
from workspace.marks import SubwordModels
from workspace.progress import progress_bar
from workspace.storage import read_bytes, write_bytes

# SentencePiece leaves out longer sentences silently, and its default (4,192) is near what 100 words take in a
# script with three bytes a character.
_MAX_SENTENCE_BYTES = 1 << 16
_SECONDS_BETWEEN_LOOKS = 0.2


def learn_subwords(partitions: Partitions, models: WorkDirectory) -> SubwordModels:
    """Learns the recipe's subword models from a sample of what is in the partitions, into ``models.data``.

    Where the recipe names another run to take them from, they are copied instead.
    """
    settings = partitions.recipe.subwords
    tags = sorted({corpus.tag for corpus in partitions.corpora if corpus.tag})
    paths = {side: models.subword_model(side, settings.joint) for side in SIDES}
    if settings.from_work is not None:
        learnt = _take_subwords(WorkDirectory(located(settings.from_work)), paths, settings, tags)
    elif settings.joint:
        both = itertools.chain.from_iterable((pair.source, pair.target) for pair in _sample(partitions))
        learnt = dict.fromkeys(SIDES, train_subwords(both, settings, paths["source"], tags))
    else:
        # Read once: in a store, that takes longer than to remember it.
        source, target = zip(*((pair.source, pair.target) for pair in _sample(partitions)), strict=True)
        learnt = {
            "source": train_subwords(source, settings, paths["source"], tags),
            "target": train_subwords(target, settings, paths["target"], tags),
        }
    return SubwordModels(
        joint=settings.joint,
        vocabulary={side: _loaded(model).vocab_size() for side, model in learnt.items()},
        files={paths[side].name: hashlib.sha256(model).hexdigest() for side, model in learnt.items()},
    )


def train_subwords(sentences: Iterable[str], settings: Subwords, path: Location, tags: Sequence[str] = ()) -> bytes:
    """Learns a model from ``sentences``, writes it to ``path`` and gives it; ``tags`` are symbols beside the recipe's.

    The same sentences in the same order give the same bytes. Raises UserError where the sentences do
    not allow a vocabulary of the size that the recipe sets.
    """
    model = io.BytesIO()
    failures: list[BaseException] = []
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for sentence in sentences:
            read += 1
            yield sentence

    symbols = [*settings.symbols, *tags]

    def learn() -> None:
        try:
            covered = with_covered_characters(counted(), settings, len(symbols))
            with trainer_options(settings.normalization) as normalization:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(covered.sentences),
                    model_writer=model,
                    model_type=settings.type,
                    vocab_size=settings.vocabulary,
                    hard_vocab_limit=not settings.shrink,
                    character_coverage=1.0,
                    pad_id=PADDING_ID,
                    eos_id=END_ID,
                    unk_id=UNKNOWN_ID,
                    bos_id=-1,
                    byte_fallback=covered.has_bytes,
                    user_defined_symbols=symbols,
                    max_sentence_length=_MAX_SENTENCE_BYTES,
                    # More threads change the result from run to run.
                    num_threads=1,
                    minloglevel=2,
                    **normalization,
                )
        except BaseException as error:
            failures.append(error)

    # In a thread of its own, for SentencePiece does not hear Ctrl-C and may take minutes.
    learning = threading.Thread(target=learn, daemon=True)
    learning.start()
    # SentencePiece does not say how far it is: the bar counts the sentences it reads, and then shows only the time.
    with progress_bar(None, f"learning {settings.vocabulary:,} subwords ({settings.type})", "sentence") as bar:
        while learning.is_alive():
            learning.join(_SECONDS_BETWEEN_LOOKS)
            bar.update(read - bar.n)
    if failures:
        raise _explained(failures[0], settings) from failures[0]
    learnt = named(model.getvalue(), settings.normalization)
    write_bytes(path, learnt)
    return learnt


def load_subwords(location: Location) -> sentencepiece.SentencePieceProcessor:
    """The model in a file."""
    return _loaded(read_bytes(location))


def _loaded(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def _take_subwords(
    other: WorkDirectory, paths: Mapping[Side, Location], settings: Subwords, tags: list[str]
) -> dict[Side, bytes]:
    """Copies another run's models to ``paths`` and gives them. Raises UserError where they do not have the symbols that
    this run needs."""
    taken = {}
    for side, path in paths.items():
        taken[side] = read_bytes(other.subword_model(side, settings.joint))
        write_bytes(path, taken[side])
        subwords = _loaded(taken[side])
        # A tag stands before source sentences only, but learning puts it into both models.
        for symbol in (*settings.symbols, *tags):
            if subwords.piece_to_id(symbol) == subwords.unk_id():
                raise UserError(
                    f"the subwords taken from {other.root} have no symbol {symbol}; learn them with it in "
                    "subwords.symbols there, or leave it out here"
                )
    return taken


def _sample(partitions: Partitions) -> Iterator[Pair]:
    """The training pairs with the smallest hashes, as many as the recipe allows, in that order."""
    shuffled = [
        itertools.chain.from_iterable(partitions.read_kept(partition)) for partition in partitions.of_split("train")
    ]
    return itertools.islice(heapq.merge(*shuffled), partitions.recipe.subwords.sample_pairs)


def _explained(error: BaseException, settings: Subwords) -> BaseException:
    """The UserError for a vocabulary that cannot be; the error itself if it is about something else."""
    setting = f"subwords.vocabulary is {settings.vocabulary}, but the corpus"
    if too_high := re.search(r"Vocabulary size too high.*<= (\d+)", str(error)):
        return UserError(f"{setting} allows {too_high[1]} at most; set it to that or less")
    if too_low := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        ways = "set it to that or more"
        if not settings.byte_fallback:
            ways += ", or set subwords.byte_fallback to true, so that rare characters are spelt in bytes"
        return UserError(f"{setting} needs {too_low[1]} at least, for its single characters; {ways}")
    return error
