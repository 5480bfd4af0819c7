"""Where every sentence pair goes: a bucket is what becomes one shard.

Which bucket a pair goes to is decided by a hash of its source sentence alone, so that no sentence is in
two splits and all copies of a pair meet in one bucket; a hash of the whole pair is its place there, which
is the shuffle. Nothing depends on the order in which workers finish. The first Beam job
(``pipelines.bucketing``) writes the buckets' files, the second (``pipelines.encoding``) reads them.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from pipelines.corpus import PairIndex
from pipelines.running import Progress
from recipes.files import read_json, replacing, write_json
from recipes.layout import SPLITS
from recipes.schema import Recipe

_HASHES = 1 << 64
_PAIRS_AT_A_TIME = 4096


class Pair(NamedTuple):
    """A kept pair. As a tuple it sorts by its place, with equal pairs side by side in the order of their lines."""

    order: int
    source: str
    target: str
    line: int


class Rejected(NamedTuple):
    """A rejected pair, and the file (base name) and line to look at; as a tuple it sorts by line."""

    line: int
    reason: str
    file: str
    source: str
    target: str


@dataclass(frozen=True)
class Buckets:
    """The buckets of one run, and their files in ``directory``.

    The first ``recipe.shards`` buckets are the training split's; dev and test have one each.
    """

    directory: Path
    recipe: Recipe
    indexes: list[PairIndex]

    def __len__(self) -> int:
        return self.recipe.shards + 2

    def split(self, bucket: int) -> str:
        return SPLITS[max(0, bucket - self.recipe.shards + 1)]

    def of_split(self, split: str) -> range:
        """The buckets of one split."""
        if split == "train":
            return range(self.recipe.shards)
        bucket = self.recipe.shards + SPLITS.index(split) - 1
        return range(bucket, bucket + 1)

    def origin(self, split: str) -> PairIndex:
        """The files that the pairs of a split come from: its own, or those of the training split."""
        of_split = {index.split: index for index in self.indexes}
        return of_split.get(split, of_split["train"])

    def is_given(self, split: str) -> bool:
        """Whether the split is kept as the user gave it: dev or test, with files of its own."""
        return split != "train" and self.origin(split).split == split

    @property
    def progress(self) -> Progress:
        return Progress(self.directory / "progress")

    def write(self, bucket: int, kept: list[Pair], rejected: list[Rejected]) -> None:
        """Writes a bucket's pairs, each list in its order, and their counts."""
        with replacing(self._rejected(bucket)) as path:
            path.write_bytes(pickle.dumps(rejected))
        with replacing(self._kept(bucket)) as path, path.open("wb") as file:
            for begin in range(0, len(kept), _PAIRS_AT_A_TIME):
                pickle.dump(kept[begin : begin + _PAIRS_AT_A_TIME], file)
        reasons = Counter(pair.reason for pair in rejected)
        write_json(self._counts(bucket), {"kept": len(kept), "rejected": reasons})

    def counts(self, buckets: range) -> tuple[int, Counter[str]]:
        """How many pairs of some buckets were kept, and how many rejected for each reason."""
        counts = [count for bucket in buckets if (count := read_json(self._counts(bucket)))]
        rejected = sum((Counter(count["rejected"]) for count in counts), Counter[str]())
        return sum(count["kept"] for count in counts), rejected

    def read_kept(self, bucket: int) -> Iterator[list[Pair]]:
        """The kept pairs of a bucket in order, some thousands at a time; none where no pair went to it."""
        if not self._kept(bucket).exists():
            return
        with self._kept(bucket).open("rb") as file:
            while file.peek(1):
                yield pickle.load(file)

    def read_rejected(self, bucket: int) -> list[Rejected]:
        """The rejected pairs of a bucket in order."""
        path = self._rejected(bucket)
        return pickle.loads(path.read_bytes()) if path.exists() else []

    def _kept(self, bucket: int) -> Path:
        return self.directory / f"{bucket:05d}.kept"

    def _counts(self, bucket: int) -> Path:
        return self.directory / f"{bucket:05d}.counts.json"

    def _rejected(self, bucket: int) -> Path:
        return self.directory / f"{bucket:05d}.rejected"


class Assignment:
    """Bucket and order of the pairs from the training files, by hash under the recipe's seed."""

    def __init__(self, buckets: Buckets):
        split = buckets.recipe.split
        self._key = str(split.seed).encode()
        self._shards = buckets.recipe.shards
        lines = max(1, buckets.origin("train").lines)
        dev = 0 if buckets.is_given("dev") else split.dev_pairs
        test = 0 if buckets.is_given("test") else split.test_pairs
        self._dev_below = dev * _HASHES // lines
        self._test_below = (dev + test) * _HASHES // lines

    def bucket(self, source: str) -> int:
        """The bucket of a pair: one half of the hash decides on the split, the other on the shard."""
        digest = blake2b(source.encode(), digest_size=16, key=self._key).digest()
        place = int.from_bytes(digest[:8], "little")
        if place < self._dev_below:
            return self._shards
        if place < self._test_below:
            return self._shards + 1
        return int.from_bytes(digest[8:], "little") % self._shards

    def order(self, source: str, target: str) -> int:
        """The place of a pair within its bucket."""
        digest = blake2b(f"{source}\n{target}".encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little")
