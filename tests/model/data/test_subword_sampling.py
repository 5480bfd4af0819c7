"""Subword regularisation: drawn as the papers say, a function of seed, epoch and batch, and never too long."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from model.data.batches import fixed_shapes, training_batches
from model.data.subword_sampling import Sampler, sampled_batches
from model.training.plan import endless_epochs, plan_of
from pipelines.preparation.subwords import train_subwords
from recipes import data_schema, schema
from recipes.loading import load_recipe
from tests.model.shards import write_data
from tests.numbers_corpus import english
from workspace.errors import UserError
from workspace.layout import END_ID, PADDING_ID, WorkDirectory
from workspace.marks import read_manifest

DRAWN = 4000
# Of a frequency in so many draws; one draw in two million is further off.
SIGMAS = 5
TRAINING = schema.Training(batch_tokens=200, subword_sampling=0.2)


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    recipe = load_recipe("tiny", {"subwords": {"type": request.param}})
    return write_data(tmp_path_factory.mktemp("run") / request.param, recipe)


def model_of(kind: str, path: Path, vocabulary: int = 60) -> sentencepiece.SentencePieceProcessor:
    """Learns a model of English numbers."""
    settings = data_schema.Subwords.model_validate({"type": kind, "vocabulary": vocabulary})
    train_subwords([english(number) for number in range(0, 9999, 37)], settings, path)
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def draws(path: Path, alpha: float, text: str) -> dict[tuple[int, ...], float]:
    """The frequencies of what is drawn for a text."""
    best = np.array(sentencepiece.SentencePieceProcessor(model_file=str(path)).encode(text), np.int32)
    found = Counter(tuple(ids.tolist()) for ids in Sampler(path, alpha).sampled([best] * DRAWN, seed=7, longest=99))
    return {ids: count / DRAWN for ids, count in found.items()}


def close(found: float, expected: float) -> bool:
    return abs(found - expected) <= SIGMAS * np.sqrt(expected * (1 - expected) / DRAWN)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_unigram_segmentations_are_drawn_as_kudo_does(alpha: float, tmp_path: Path) -> None:
    """Kudo 2018, section 3.2: P(x)^alpha over its sum for all segmentations x; P(x) is the product of P of its pieces
    (equation 1), whose logarithms the model has."""
    model = model_of("unigram", tmp_path / "model")

    def segmentations(text: str) -> Iterator[tuple[int, ...]]:
        if not text:
            yield ()
        for end in range(1, len(text) + 1):
            if not model.is_unknown(piece := model.piece_to_id(text[:end])):
                yield from ((piece, *rest) for rest in segmentations(text[end:]))

    every = list(segmentations("▁three▁one"))
    assert len(every) > 10
    powers = np.exp([alpha * sum(model.get_score(piece) for piece in pieces) for pieces in every])
    found = draws(tmp_path / "model", alpha, "three one")
    assert found.keys() <= set(every)
    for pieces, expected in zip(every, powers / powers.sum(), strict=True):
        assert close(found.get(pieces, 0.0), expected), (pieces, expected)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_bpe_merges_are_left_out_as_provilkov_does(alpha: float, tmp_path: Path) -> None:
    """Where there is one merge to make, it is left out with probability alpha; with all left out characters remain."""
    model = model_of("bpe", tmp_path / "model")
    word = next(piece for piece in map(model.id_to_piece, range(3, 60)) if len(piece) == 2 and piece[0] == "▁")
    found = draws(tmp_path / "model", alpha, word[1])
    merged, apart = (model.piece_to_id(word),), tuple(map(model.piece_to_id, word))
    assert found.keys() <= {merged, apart}
    assert close(found.get(apart, 0.0), alpha)
    (characters,) = draws(tmp_path / "model", 1.0, "three one")
    assert [model.id_to_piece(piece) for piece in characters] == list("▁three▁one")


def endless(work: WorkDirectory[Path], done: int = 0, training: schema.Training = TRAINING) -> Iterator:
    strategy, manifest = tf.distribute.get_strategy(), read_manifest(work)
    plan = plan_of(manifest, training, strategy)
    return itertools.chain.from_iterable(endless_epochs(strategy, work, manifest, training, plan, done))


def same(ours: list, theirs: list) -> bool:
    return all(
        np.array_equal(a, b)
        for batch, other in zip(ours, theirs, strict=True)
        for a, b in zip(batch, other, strict=True)
    )


@pytest.mark.slow
def test_a_batch_is_a_function_of_seed_epoch_and_number(work: WorkDirectory[Path]) -> None:
    """Also of a training that goes on in the middle of an epoch."""
    first = list(itertools.islice(endless(work), 6))
    assert same(first, list(itertools.islice(endless(work), 6)))
    assert same(first[4:], list(itertools.islice(endless(work, done=4), 2)))
    assert not same(first[4:], list(itertools.islice(endless(work, done=3), 2)))
    best = next(iter(training_batches(work, read_manifest(work), TRAINING, epoch=0)))
    batches = tf.data.Dataset.from_tensors(best)
    sampler = Sampler(work.subword_model("source", joint=True), 0.2)
    drawn = [
        list(sampled_batches(batches, (sampler, sampler), seeds, first, 60))
        for seeds, first in [((1, 0), 0), ((1, 0), 0), ((2, 0), 0), ((1, 1), 0), ((1, 0), 1)]
    ]
    assert same(drawn[0], drawn[1])
    assert not any(same(drawn[0], others) for others in drawn[2:])


@pytest.mark.parametrize("fixed", [False, True])
def test_batches_hold_the_same_sentences_and_no_longer_ones(fixed: bool, work: WorkDirectory[Path]) -> None:
    manifest = read_manifest(work)
    longest = max(manifest.lengths["train"]) + 1
    model = sentencepiece.SentencePieceProcessor(model_file=str(work.subword_model("source", joint=True)))
    training = TRAINING.model_copy(update={"jit_compile": fixed})
    best = training_batches(work, manifest, training, epoch=0, fixed=fixed)
    changed, kept, count = 0, 0, 0
    for sides, others in zip(best.as_numpy_iterator(), endless(work, training=training), strict=False):
        if fixed:
            assert tuple(others[0].shape) in fixed_shapes(manifest.lengths["train"], training)
            assert others[0].shape == others[1].shape
        for side, other in zip(sides, (side.numpy() for side in others), strict=True):
            assert other.dtype == np.int32
            assert other.shape[1] <= (side.shape[1] if fixed else longest)
            for before, after in zip(side, other, strict=True):
                ids, drawn = ([int(word) for word in row if word != PADDING_ID] for row in (before, after))
                assert list(after) == drawn + [PADDING_ID] * (len(after) - len(drawn))
                if ids:
                    assert ids.pop() == drawn.pop() == END_ID
                    assert model.decode(ids) == model.decode(drawn)
                assert END_ID not in drawn
                changed, kept, count = changed + (ids != drawn), kept + (ids == drawn), count + 1
        if count > 200:
            break
    assert changed > 50
    assert kept > 5


def test_without_dropout_bpe_is_the_best(tmp_path: Path) -> None:
    model = model_of("bpe", tmp_path / "model")
    best = [np.array(model.encode(english(number)), np.int32) for number in range(0, 9999, 61)]
    assert same([best], [Sampler(tmp_path / "model", 1e-12).sampled(best, seed=1, longest=99)])


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_what_is_no_piece_of_text_stays(kind: str, tmp_path: Path) -> None:
    """Symbols, of which none is made otherwise, and what is unknown, in the middle of a word too."""
    settings = data_schema.Subwords.model_validate({"type": kind, "vocabulary": 60, "symbols": ["<one>"]})
    train_subwords([english(number) for number in range(0, 9999, 37)], settings, tmp_path / "model")
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model"))
    text = "<one> thousand threeΩthree <one>three"
    best = model.encode(text)
    stay = [model.unk_id(), model.piece_to_id("<one>")]
    assert [piece for piece in best if piece in stay] == [stay[1], stay[0], stay[1]]
    drawn = Sampler(tmp_path / "model", 0.2).sampled([np.array(best, np.int32)] * 30, seed=1, longest=99)
    assert len({tuple(ids) for ids in drawn}) > 5
    assert {model.decode(ids.tolist()) for ids in drawn} == {model.decode(best)}
    assert {tuple(piece for piece in ids if piece in stay) for ids in drawn} == {(stay[1], stay[0], stay[1])}


def test_a_model_of_words_is_a_sentence(tmp_path: Path) -> None:
    model_of("word", tmp_path / "model", vocabulary=20)
    with pytest.raises(UserError, match="model has one segmentation for every sentence; leave out"):
        Sampler(tmp_path / "model", 0.1)
