"""The engine without TensorFlow, against the translator that it was made of."""

from __future__ import annotations

import concurrent.futures
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.data.subwords import load_subwords
from model.exported.files import MARK, SEARCH, Precision, subword_model
from model.exported.lite_model import LiteModel
from model.exported.litert_model import write_litert_model
from model.network.network import Network
from model.search.translator import TextTranslator
from tests.model.support import TEXTS, TINY
from workspace.errors import UserError
from workspace.layout import UNKNOWN_ID, WorkDirectory
from workspace.storage import read_json

# Blank ones, one that is too long, and one of unknown characters among them.
GIVEN = [*TEXTS, "", " \t ", "seven " * 90, "七百二十三", TEXTS[0]]
# What UTF-8 cannot have, and what is not even looked at.
UNUSUAL = ["two\ud800", "seven " * 2000]
SEARCH_SETTINGS = {"max_source_length": 60, "length_normalization": 0.7, "max_length_ratio": 1.3}
OTHERS: dict[str, dict[str, Any]] = {
    "rnnsearch": {},
    "rnnsearch-options": {
        "readout_state": "previous",
        "tied_embeddings": "target",
        "encoder_layers": 2,
        "decoder_layers": 2,
        "layer_norm": True,
    },
    "rnnencdec-options": {"architecture": "rnnencdec", "encoder_layers": 2, "decoder_layers": 2},
}
ALL_OPTIONS: dict[str, Any] = {
    "length_penalty": "gnmt",
    "coverage_penalty": 0.3,
    "min_length_ratio": 0.6,
    "no_repeat_ngram": 2,
    "beam_groups": 2,
    "group_diversity": 0.5,
}


def translator_of(
    work: WorkDirectory[Path], beam_size: int, asked: dict[str, Any] | None = None, **settings: Any
) -> TextTranslator:
    """Of a network with weights large enough to matter, which ends its sentences."""
    subwords = load_subwords(work, joint=True)
    source, target = subwords
    network = Network(TINY.model.model_copy(update=settings), source.vocabulary, target.vocabulary, seed=1)
    random = np.random.default_rng(3)
    for weight in network.trainable_variables:
        weight.assign(random.normal(0, 0.3, weight.shape))
    bias = network.readout.vocabulary_bias
    bias.assign(bias + 6 * tf.one_hot(UNKNOWN_ID, target.vocabulary))
    search = TINY.search.model_copy(update={"beam_size": beam_size, **SEARCH_SETTINGS, **(asked or {})})
    return TextTranslator(network, subwords, search)


def lite_model(translator: TextTranslator, directory: Path, precision: Precision) -> LiteModel:
    directory.mkdir()
    write_litert_model(translator, directory, precision)
    return LiteModel(directory)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of ``rounded``."""
    return tmp_path_factory.mktemp("engines") / "int8"


@pytest.fixture(scope="module")
def rounded(trained: WorkDirectory[Path], files: Path) -> tuple[TextTranslator, LiteModel]:
    translator = translator_of(trained, 3)
    return translator, lite_model(translator, files, "int8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "beam_size", "asked"),
    [*((name, beam_size, {}) for beam_size in (1, 3) for name in OTHERS), ("rnnsearch", 6, ALL_OPTIONS)],
)
def test_in_float32_every_signature_answers_as_the_graph(
    trained: WorkDirectory[Path], tmp_path: Path, name: str, beam_size: int, asked: dict[str, Any]
) -> None:
    translator = translator_of(trained, beam_size, asked, **OTHERS[name])
    model = lite_model(translator, tmp_path / "engine", "float32")
    texts = tf.constant(GIVEN)
    found, best = model.signatures["nbest"](GIVEN), model.signatures["serving_default"](GIVEN)
    expected = translator.n_best(texts)
    np.testing.assert_array_equal(np.array(found["translation"]), expected.text)
    np.testing.assert_allclose(found["score"], expected.score, rtol=1e-4)
    said = [text.decode() for row in found["translation"] for text in row]
    assert any("七" in text for text in said) == translator.model.attends, said  # an unknown word in place of one
    assert not any("\u2047" in text for text in said)
    assert best["translation"] == [row[0] for row in found["translation"]]
    assert best["score"] == [row[0] for row in found["score"]]
    own = [row[-1].decode() for row in found["translation"]]
    for translations in (own, GIVEN):
        scores = model.signatures["score"](GIVEN, translations)["score"]
        np.testing.assert_allclose(scores, translator.score(texts, tf.constant(translations)), rtol=1e-4)
        assert_same_subwords(translator, model, translations)
    assert ("align" in model.signatures) == translator.model.attends
    if translator.model.attends:
        aligned, as_given = translator.align(texts), model.signatures["align"](GIVEN)
        for row in range(len(GIVEN)):
            weights = aligned.alignment[row].numpy()
            target = sum(piece != b"" for piece in aligned.target_subwords[row].numpy())
            source = sum(piece != b"" for piece in aligned.source_subwords[row].numpy())
            assert as_given["target_subwords"][row][:target] == aligned.target_subwords[row].numpy()[:target].tolist()
            assert as_given["source_subwords"][row][:source] == aligned.source_subwords[row].numpy()[:source].tolist()
            np.testing.assert_allclose(
                as_given["alignment"][row][:target, :source], weights[:target, :source], atol=1e-4
            )


def assert_same_subwords(translator: TextTranslator, model: LiteModel, translations: list[str]) -> None:
    """Of the translations of GIVEN."""
    scored = translator.score_subwords(tf.constant(GIVEN), tf.constant(translations))
    as_given = model.signatures["score_subwords"](GIVEN, translations)
    np.testing.assert_allclose(as_given["score"], scored.score, rtol=1e-4)
    assert ("alignment" in as_given) == translator.model.attends
    for row in range(len(GIVEN)):
        target = scored.target_subwords[row].numpy()
        length, read = sum(target != b""), sum(scored.source_subwords[row].numpy() != b"")
        subwords, log_p = as_given["target_subwords"][row], as_given["log_probability"][row]
        assert [piece for piece in subwords if piece] == target[:length].tolist()
        np.testing.assert_allclose(log_p[:length], scored.log_probability[row][:length], rtol=1e-3, atol=1e-5)
        assert not np.any(log_p[length:])
        if translator.model.attends:
            alignment = as_given["alignment"][row]
            np.testing.assert_allclose(alignment[:length, :read], scored.alignment[row][:length, :read], atol=1e-4)
            assert not np.any(alignment[length:])


def test_in_int8_given_translations_are_nearly_as_likely(rounded: tuple[TextTranslator, LiteModel]) -> None:
    """Weights of random size make every word's probability differ more than those of a trained network would."""
    translator, model = rounded
    translations = TEXTS[::-1]
    log_p, words = translator.log_probability(tf.constant(TEXTS), tf.constant(translations))
    expected = log_p.numpy() / words.numpy() ** SEARCH_SETTINGS["length_normalization"]
    given = model.signatures["score"](TEXTS, translations)["score"]
    assert expected.std() > 0.5
    np.testing.assert_allclose(given, expected, atol=0.1)


def test_what_it_found_it_scores_alike(rounded: tuple[TextTranslator, LiteModel]) -> None:
    _, model = rounded
    found = model.signatures["nbest"](TEXTS)
    for place in range(3):
        kept = [row for row in range(len(TEXTS)) if found["score"][row][place] > -math.inf]
        translations = [found["translation"][row][place].decode() for row in kept]
        scores = model.signatures["score"]([TEXTS[row] for row in kept], translations)["score"]
        assert all(score >= found["score"][row][place] for score, row in zip(scores, kept, strict=True))
        if place == 0:
            assert scores == [found["score"][row][0] for row in kept]


def test_no_answer_depends_on_what_is_in_the_batch(rounded: tuple[TextTranslator, LiteModel]) -> None:
    """Nor on the thread."""
    _, model = rounded
    together = model.signatures["nbest"](GIVEN)
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        alone = list(threads.map(lambda text: model.signatures["nbest"]([text]), GIVEN))
    for row, answer in enumerate(alone):
        assert answer["translation"][0] == together["translation"][row]
        np.testing.assert_allclose(answer["score"][0], together["score"][row], rtol=1e-5)


def test_unusual_texts_and_translations_are_scored_as_others(rounded: tuple[TextTranslator, LiteModel]) -> None:
    _, model = rounded
    score = model.signatures["score"]
    assert score(["one", "one"], UNUSUAL)["score"] == score(["one", "one"], ["two?", UNUSUAL[1]])["score"]
    assert score(["one"], UNUSUAL[1:])["score"] == score(UNUSUAL[1:], ["one"])["score"] == [-math.inf]
    assert score(UNUSUAL[:1], ["one"]) == score(["two?"], ["one"])


def test_no_texts_at_all(rounded: tuple[TextTranslator, LiteModel]) -> None:
    _, model = rounded
    assert model.signatures["serving_default"]([]) == {"translation": [], "score": []}


def test_what_becomes_of_its_files_changes_nothing(
    rounded: tuple[TextTranslator, LiteModel], files: Path, tmp_path: Path
) -> None:
    """Threads that come later have the same models: another version may be in the place by then."""
    shutil.copytree(files, tmp_path / "engine")
    model = LiteModel(tmp_path / "engine")
    shutil.rmtree(tmp_path / "engine")
    with model._engine(), model._engine():
        assert model.signatures["serving_default"](text=GIVEN) == rounded[1].signatures["serving_default"](text=GIVEN)


@pytest.mark.usefixtures("rounded")
def test_a_damaged_engine_is_told(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="export again"):
        LiteModel(tmp_path)
    shutil.copytree(files, tmp_path / "engine")
    mark = read_json(tmp_path / "engine" / MARK)
    for name, damaged in (
        (SEARCH, b"half"),
        (SEARCH, (tmp_path / "engine" / SEARCH).read_bytes()[:-1000]),
        (subword_model("source"), b"half"),
        (subword_model("target"), None),
        (MARK, json.dumps({**mark, "layers": "x"}).encode()),
    ):
        path = tmp_path / "engine" / name
        whole = path.read_bytes()
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"engine is no whole engine; remove the version, and export again"):
            LiteModel(tmp_path / "engine")
        path.write_bytes(whole)
    assert LiteModel(tmp_path / "engine").signatures


@pytest.mark.slow
def test_it_needs_no_tensorflow() -> None:
    code = "import sys, model.exported.lite_model; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
