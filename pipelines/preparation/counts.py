"""What became of one partition: the counts that the manifest and the report are put together from."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from pipelines.cleaning.records import Pair, Rejected
from pipelines.cleaning.rules import NOT_UTF8
from pipelines.cleaning.sentences import Sentences
from pipelines.cleaning.statistics import Statistics, added, statistics_of
from pipelines.preparation.shards import EncodedPair
from workspace.layout import UNKNOWN_ID

# Of the pairs kept, and of those rejected for each reason.
SAMPLES = 6


@dataclass
class PartitionCounts:
    """``kept`` and ``rejected`` count pairs by corpus, and by corpus and reason; ``records`` counts what is written,
    more or less than the pairs kept where corpora have weights.

    ``sha256`` and ``rejected_sha256`` are of the shard and of the file of its rejected pairs.
    ``subwords``, ``words`` (as ``max_words`` counts them), ``characters`` and ``unknown`` (subwords) are sums over the
    records by side, ``lengths`` are records by the subwords of their longer side. ``not_utf8`` is corpus, line and
    file of the first pair that is not UTF-8.
    """

    split: str
    shard: str
    sha256: str = ""
    rejected_sha256: str = ""
    records: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    subwords: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    not_utf8: tuple[int, int, str] | None = None
    statistics: Statistics = field(default_factory=dict)
    kept_samples: list[Pair] = field(default_factory=list)
    rejected_samples: dict[str, list[Rejected]] = field(default_factory=dict)

    def count_records(self, encoded: Sequence[EncodedPair], corpora: Sequence[str]) -> None:
        """Counts pairs that are written; ``corpora`` are the names of all corpora."""
        pairs = [pair for pair, _, _ in encoded]
        self.records += len(pairs)
        self.kept.update(corpora[pair.corpus] for pair in pairs if not pair.copy)
        self.lengths.update(each.length for each in encoded)
        source, target = Sentences([pair.source for pair in pairs]), Sentences([pair.target for pair in pairs])
        self._count_side("source", source, [each.source for each in encoded])
        self._count_side("target", target, [each.target for each in encoded])
        self.statistics = added((self.statistics, statistics_of(source, target)))
        # They come in the order of their hashes.
        self.kept_samples += pairs[: SAMPLES - len(self.kept_samples)]

    def _count_side(self, side: str, sentences: Sentences, ids: Sequence[list[int]]) -> None:
        self.words[side] += int(sentences.words.sum())
        self.characters[side] += int(sentences.lengths.sum())
        self.subwords[side] += sum(map(len, ids))
        self.unknown[side] += sum(sentence.count(UNKNOWN_ID) for sentence in ids)

    def count_rejected(self, pairs: Sequence[Rejected], corpora: Sequence[str]) -> None:
        """Counts all pairs of the partition that are rejected, in the order of the corpora."""
        self.rejected.update((corpora[pair.corpus], pair.reason) for pair in pairs)
        self.not_utf8 = next(((pair.corpus, pair.line, pair.file) for pair in pairs if pair.reason == NOT_UTF8), None)
        self.rejected_samples = samples(pairs)


def samples(pairs: Iterable[Rejected]) -> dict[str, list[Rejected]]:
    """Some of the pairs rejected for each reason, those with the smallest hashes."""
    by_reason: dict[str, list[Rejected]] = {}
    for pair in pairs:
        by_reason.setdefault(pair.reason, []).append(pair)
    return {reason: heapq.nsmallest(SAMPLES, found, key=_chance) for reason, found in by_reason.items()}


def _chance(pair: Rejected) -> bytes:
    return blake2b(f"{pair.corpus} {pair.line}".encode(), digest_size=8).digest()
