"""Where every sentence pair goes: a partition is what becomes one shard.

Which partition a pair goes to is decided by a hash of the letters of its source sentence alone, so that no
sentence is in two splits, whatever its case and punctuation, and all copies of a pair meet in one partition; a
hash of the whole pair is its place there, which is the shuffle. Nothing depends on the order in which workers
finish. Of the jobs of ``pipelines.preparation.job`` the second writes the partitions' files, the third reads them.
"""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.cleaning.duplicates import ranks_of
from pipelines.cleaning.records import Pair, Rejected
from pipelines.cleaning.statistics import Statistics
from recipes.corpora import Corpus
from recipes.schema import Recipe
from workspace.errors import UserError
from workspace.layout import SPLITS
from workspace.locations import Location
from workspace.storage import read_bytes, reading, write_bytes, writing

_HASHES = 1 << 64
_PAIRS_AT_A_TIME = 4096
# Of what is handed on between workers, where every byte is copied several times.
_CODEC = pa.Codec("lz4_raw")
_SIZE = 8
# More than the counts take that a file of kept pairs begins with.
_BYTES_OF_COUNTS = 1 << 12
# What a file that is gone raises, and bytes that are not pickle's own.
_NOT_AS_LEFT = (
    *(FileNotFoundError, NotADirectoryError, EOFError, pickle.UnpicklingError, ValueError),
    *(AttributeError, ImportError, LookupError, TypeError),
)


class CleanedPairs(NamedTuple):
    """How many pairs of a partition were kept, and how many rejected for each reason."""

    kept: int
    rejected: dict[str, int]


@dataclass(frozen=True)
class Partitions:
    """The partitions of one run, and their files in ``directory``.

    The first ``recipe.shards`` partitions are the training split's; dev and test have one each. ``pairs`` is the
    number of pairs of every corpus.
    """

    directory: Location
    recipe: Recipe
    corpora: Sequence[Corpus]
    pairs: Sequence[int]

    def __len__(self) -> int:
        return self.recipe.shards + 2

    def split(self, partition: int) -> str:
        return SPLITS[max(0, partition - self.recipe.shards + 1)]

    def of_split(self, split: str) -> range:
        """The partitions of one split."""
        if split == "train":
            return range(self.recipe.shards)
        partition = self.recipe.shards + SPLITS.index(split) - 1
        return range(partition, partition + 1)

    def is_given(self, split: str) -> bool:
        """Whether the split is kept as the user gave it: dev or test, with files of its own."""
        return split != "train" and any(corpus.split == split for corpus in self.corpora)

    def pairs_of(self, split: str) -> int:
        """The number of pairs in the corpora of a split."""
        return sum(pairs for corpus, pairs in zip(self.corpora, self.pairs, strict=True) if corpus.split == split)

    @cached_property
    def ranks(self) -> list[int]:
        """By number of a corpus, its rank where pairs are alike (``pipelines.cleaning.duplicates``)."""
        return ranks_of([corpus.weight for corpus in self.corpora])

    def write(self, partition: int, kept: list[Pair], rejected: list[Rejected]) -> None:
        """Writes a partition's pairs, each list in its order, last those that are kept, behind the counts of both."""
        write_bytes(self._rejected(partition), pickle.dumps(list(map(tuple, rejected))))
        counts = CleanedPairs(len(kept), dict(Counter(pair.reason for pair in rejected)))
        with writing(self._kept(partition)) as file:
            pickle.dump(tuple(counts), file)
            for begin in range(0, len(kept), _PAIRS_AT_A_TIME):
                # As bare tuples: the name of their class would be written and looked up for every one.
                pickle.dump(list(map(tuple, kept[begin : begin + _PAIRS_AT_A_TIME])), file)

    def completed(self) -> list[CleanedPairs]:
        """The counts of all partitions, in their order. Writes those that no pair went to, so that a file that is
        missing is one that was taken away."""
        return [self._counts(partition) for partition in range(len(self))]

    def write_statistics(self, corpus: int, statistics: Statistics) -> None:
        """Writes the statistics of a corpus as it was read."""
        write_bytes(self._statistics(corpus), pickle.dumps(statistics))

    def read_statistics(self, corpus: int) -> Statistics:
        """The statistics of a corpus as it was read."""
        with _as_it_was_left(self._statistics(corpus)) as path:
            statistics: Statistics = pickle.loads(read_bytes(path))
        return statistics

    def read_kept(self, partition: int) -> Iterator[list[Pair]]:
        """The kept pairs of a partition in order, some thousands at a time."""
        with _as_it_was_left(self._kept(partition)) as path, reading(path) as file:
            left, _ = pickle.load(file)
            while left:
                pairs = list(map(Pair._make, pickle.load(file)))
                left -= len(pairs)
                yield pairs

    def read_rejected(self, partition: int) -> list[Rejected]:
        """The rejected pairs of a partition in order."""
        with _as_it_was_left(self._rejected(partition)) as path:
            return list(map(Rejected._make, pickle.loads(read_bytes(path))))

    def _counts(self, partition: int) -> CleanedPairs:
        with _as_it_was_left(self._kept(partition)) as path:
            try:
                beginning = read_bytes(path, 0, _BYTES_OF_COUNTS)
            except FileNotFoundError:
                self.write(partition, [], [])
                return CleanedPairs(0, {})
            return CleanedPairs(*pickle.loads(beginning))

    def _statistics(self, corpus: int) -> Location:
        return self.directory / f"{corpus:03d}.statistics"

    def _kept(self, partition: int) -> Location:
        return self.directory / f"{partition:05d}.kept"

    def _rejected(self, partition: int) -> Location:
        return self.directory / f"{partition:05d}.rejected"


@contextlib.contextmanager
def _as_it_was_left(path: Location) -> Iterator[Location]:
    """Around reading a file of an earlier step. Raises UserError where it is gone or damaged since that began."""
    try:
        yield path
    except _NOT_AS_LEFT as error:
        raise UserError(f"{path} was removed or damaged meanwhile; the same command makes it anew") from error


class Assignment:
    """Partition and place of the pairs, by hash under the recipe's seed."""

    def __init__(self, partitions: Partitions):
        split = partitions.recipe.split
        # A key would be a block of its own to hash before each of these short texts.
        self._salt = blake2b(str(split.seed).encode(), digest_size=blake2b.SALT_SIZE).digest()
        self._shards = partitions.recipe.shards
        pairs = max(1, partitions.pairs_of("train"))
        dev = 0 if partitions.is_given("dev") else split.dev_pairs
        test = 0 if partitions.is_given("test") else split.test_pairs
        self._dev_below = min(dev * _HASHES // pairs, _HASHES - 1)
        self._test_below = min((dev + test) * _HASHES // pairs, _HASHES - 1)

    def digests(self, texts: Iterable[str]) -> list[bytes]:
        """A digest of 16 bytes of every text."""
        salt = self._salt
        return [blake2b(text.encode(), digest_size=16, salt=salt).digest() for text in texts]

    def partitions(self, digests: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """The partitions of source sentences with these digests: half decides on the split, half on the shard."""
        halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        shard = (halves[:, 1] % np.uint64(self._shards)).astype(np.int64)
        dev, test = self._shards, self._shards + 1
        split_off = np.where(halves[:, 0] < np.uint64(self._dev_below), dev, test)
        return np.where(halves[:, 0] < np.uint64(self._test_below), split_off, shard)

    def copy(self, place: bytes, number: int) -> bytes:
        """The place of a further copy of a pair."""
        return self.digests([f"{place.hex()} {number}"])[0]


def pack(value: object) -> bytes:
    """``value`` in about half the bytes that pickle makes of sentences, in less time than they take to be copied."""
    pickled = pickle.dumps(value)
    return len(pickled).to_bytes(_SIZE, "big") + _CODEC.compress(pickled, asbytes=True)


def unpack(packed: bytes) -> Any:
    """The value that ``pack`` was given."""
    size = int.from_bytes(packed[:_SIZE], "big")
    return pickle.loads(_CODEC.decompress(memoryview(packed)[_SIZE:], size))
