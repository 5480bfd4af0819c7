"""Subword regularisation: in every epoch the training sentences are segmented anew, at random.

With a unigram model, a segmentation x is drawn from all there are with a probability proportional to P(x)^alpha
(Kudo 2018, section 3.2, l infinite): the smaller alpha, the more they differ. With BPE, every merge is left out with
probability alpha (Provilkov et al. 2020, algorithm 1): the larger alpha, the more they differ.

The shards hold the best segmentations, of which batches are made (model.data.batches); the sentences of a batch are
segmented anew when it is read. A sentence whose new segmentation would be too long keeps its best one. SentencePiece
draws too, but since 0.2.2 from the same seed other segmentations in every process: a training could not be gone on
with. Its BPE dropout also decides on a merge once, where the paper's decides anew before every merge that is made.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from workspace.errors import UserError
from workspace.layout import END_ID, PADDING_ID, WorkDirectory
from workspace.locations import Location
from workspace.protobuf import message_classes
from workspace.storage import read_bytes

# What a word begins with in the models.
_SPACE = "\u2581"
_WORDS_REMEMBERED = 1 << 16

# The part of SentencePiece's model format that is needed here. Its own module of it can only be imported beside a
# protobuf at least as new as itself.
_Model = message_classes(
    "sentencepiece",
    {
        "Piece": {"piece": (1, "bytes"), "score": (2, "float"), "type": (3, "int32")},
        "TrainerSpec": {"model_type": (3, "int32")},
        "Model": {"pieces": (1, "repeated Piece"), "trainer_spec": (2, "TrainerSpec")},
    },
)["Model"]
# Either is the first of its kind, and so the default.
_NORMAL = 1
_UNIGRAM, _BPE = 1, 2


class Sampler:
    """Draws segmentations with the SentencePiece model in ``path``.

    Raises UserError where the model knows only one segmentation of a sentence.
    """

    def __init__(self, path: Location, alpha: float):
        model = _Model.FromString(read_bytes(path))
        kind = model.trainer_spec.model_type or _UNIGRAM
        if kind not in (_UNIGRAM, _BPE):
            raise UserError(f"{path} has one segmentation for every sentence; leave out training.subword_sampling")
        self._unigram = kind == _UNIGRAM
        self._alpha = alpha
        self._pieces = [piece.piece.decode() for piece in model.pieces]
        # Of a unigram piece log P; of a BPE piece the higher, the earlier it was merged.
        self._scores = [piece.score for piece in model.pieces]
        self._ids = {
            piece: number
            for number, piece in enumerate(self._pieces)
            if (model.pieces[number].type or _NORMAL) == _NORMAL
        }
        self._longest = max(map(len, self._ids))
        self._lattice = functools.lru_cache(_WORDS_REMEMBERED)(self._lattice_of)

    def sampled(self, sentences: Sequence[np.ndarray], seed: int, longest: int) -> list[np.ndarray]:
        """A new segmentation of each of ``sentences``, a function of them all and of ``seed``.

        Both are int32 [length], with neither END_ID nor padding; no new one is longer than ``longest``.
        """
        random = Random(seed)
        found = []
        for sentence in sentences:
            drawn = [piece for word in self._words(sentence.tolist()) for piece in self._draw(word, random)]
            found.append(np.array(drawn, np.int32) if len(drawn) <= longest else sentence)
        return found

    def _words(self, ids: list[int]) -> Iterator[list[int]]:
        """The pieces of a sentence word by word, for no piece spans two words.

        Whatever is not text (symbols, bytes, the unknown piece) stands alone.
        """
        word: list[int] = []
        for number in ids:
            piece = self._pieces[number]
            if word and (piece not in self._ids or piece.startswith(_SPACE) or self._pieces[word[0]] not in self._ids):
                yield word
                word = []
            word.append(number)
        if word:
            yield word

    def _draw(self, word: list[int], random: Random) -> list[int]:
        """A new segmentation of a word, which is given as one."""
        pieces = [self._pieces[number] for number in word]
        if pieces[0] not in self._ids:
            return word
        text = "".join(pieces)
        if self._unigram:
            return self._sampled_backward(text, random)
        tokens = self._merged(text, random)
        # A character need not be a piece.
        return [self._ids[token] for token in tokens] if all(token in self._ids for token in tokens) else word

    def _sampled_backward(self, text: str, random: Random) -> list[int]:
        lattice, end, drawn = self._lattice(text), len(text), []
        while end:
            node = lattice[end]
            chosen = bisect.bisect(node.sums, random.random() * node.sums[-1], hi=len(node.pieces) - 1)
            drawn.append(node.pieces[chosen])
            end = node.starts[chosen]
        return drawn[::-1]

    def _lattice_of(self, text: str) -> list[Node]:
        """For every place in ``text`` the pieces that end there: forward filtering."""
        logs, nodes = [0.0], [Node([], [], [])]
        for end in range(1, len(text) + 1):
            starts, pieces, each = [], [], []
            for start in range(max(0, end - self._longest), end):
                piece = self._ids.get(text[start:end])
                if piece is not None and logs[start] > -math.inf:
                    starts.append(start)
                    pieces.append(piece)
                    each.append(logs[start] + self._alpha * self._scores[piece])
            largest = max(each, default=-math.inf)
            sums = list(itertools.accumulate(math.exp(log - largest) for log in each))
            logs.append(largest + math.log(sums[-1]) if sums else largest)
            nodes.append(Node(starts, pieces, sums))
        return nodes

    def _merged(self, text: str, random: Random) -> list[str]:
        tokens = list(text)
        while True:
            # The best merge has the highest score, and of equal ones is the leftmost; each may be left out by chance.
            best, place = -math.inf, -1
            for left in range(len(tokens) - 1):
                piece = self._ids.get(tokens[left] + tokens[left + 1])
                if piece is not None and random.random() >= self._alpha and self._scores[piece] > best:
                    best, place = self._scores[piece], left
            if place < 0:
                return tokens
            tokens[place : place + 2] = [tokens[place] + tokens[place + 1]]


class Node(NamedTuple):
    """The pieces that end at a place of a text: where they start, their ids, running sums of how likely they are."""

    starts: list[int]
    pieces: list[int]
    sums: list[float]


def samplers_of(work: WorkDirectory, joint: bool, alpha: float | None) -> tuple[Sampler, Sampler] | None:
    """The samplers of the source and of the target side, or None where there is no ``alpha``."""
    if alpha is None:
        return None
    source, target = (Sampler(work.subword_model(side, joint), alpha) for side in ("source", "target"))
    return source, target


def sampled_batches(
    batches: tf.data.Dataset,
    samplers: tuple[Sampler, Sampler],
    seeds: tuple[int, int],
    first: int,
    longest: int,
    fixed: bool = False,
) -> tf.data.Dataset:
    """``batches`` with new segmentations of both sides: each is a function of the old batch, ``seeds`` and its number.

    batches: (source, target) as from model.data.batches; samplers: of source and target; seeds: of the training, and
    the epoch; first: the number of the first batch in the epoch. No sentence becomes longer than ``longest``, END_ID
    counted; with ``fixed`` none becomes longer than its batch, which keeps its shape.
    """

    def sample(number: int, *sides: np.ndarray) -> list[np.ndarray]:
        states = np.random.SeedSequence([*seeds, int(number)]).generate_state(2)
        return [
            _resampled(side, sampler, int(seed), longest, fixed)
            for side, sampler, seed in zip(sides, samplers, states, strict=True)
        ]

    def resample(number: tf.Tensor, sides: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        return tuple(
            tf.ensure_shape(side, [None, None]) for side in tf.numpy_function(sample, [number, *sides], [tf.int32] * 2)
        )

    return batches.enumerate(first).map(resample)


def _resampled(side: np.ndarray, sampler: Sampler, seed: int, longest: int, fixed: bool) -> np.ndarray:
    """One side of a batch, int32 [batch, length], with other segmentations; rows of nothing but padding stay."""
    rows, length = side.shape
    lengths = (side != PADDING_ID).sum(axis=1)
    sentences = [row[: count - 1] for row, count in zip(side, lengths, strict=True) if count]
    drawn = iter(sampler.sampled(sentences, seed, (length if fixed else longest) - 1))
    found = np.full((rows, length if fixed else longest), PADDING_ID, np.int32)
    for row in np.flatnonzero(lengths):
        ids = next(drawn)
        found[row, : len(ids)], found[row, len(ids)] = ids, END_ID
    return found if fixed else found[:, : (found != PADDING_ID).sum(axis=1).max()]
