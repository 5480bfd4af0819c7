"""The exported SavedModel against the checkpoint it comes from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lxml.html
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
import yaml
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model.data.references import read_references
from model.data.subwords import load_subwords
from model.evaluation.scores import evaluate
from model.exported.saved_model import Exported
from model.exported.version import export
from model.network.checkpoint import load_best
from model.network.network import Network
from model.search.sampling import Distribution
from model.search.translator import TextTranslator
from model.training.loop import train
from pipelines.corpora.line_files import FilePair
from pipelines.preparation.job import prepare
from pipelines.runners.options import pipeline_options
from recipes import schema
from recipes.loading import load_recipe
from recipes.stages import resolved_recipe
from tests.model.exported.serving_ops import LINKED, not_served, of_tensorflow_text, operations
from tests.model.shards import write_data
from tests.model.support import TEXTS, TINY, best
from tests.numbers_corpus import write_corpus
from tests.pipelines.support import new_work
from workspace.errors import UserError
from workspace.layout import UNKNOWN_ID, WorkDirectory, hypotheses_of, model_card_of
from workspace.marks import Provenance, find_mark, read_manifest, read_scores, read_training_mark

pytestmark = pytest.mark.slow

# Of every model; with attention, there is also align.
SIGNATURES = {
    "alternatives",
    "constrained",
    "identity",
    "nbest",
    "nbest_with",
    "sample",
    "sample_with",
    "score",
    "score_subwords",
    "serving_default",
}
# Of the signatures that take more than a text.
MORE_INPUTS = {
    "score": {"translation": tf.constant(TEXTS)},
    "score_subwords": {"translation": tf.constant(TEXTS)},
    "constrained": dict.fromkeys(("prefix", "required", "forbidden"), tf.fill([len(TEXTS)], "")),
    "nbest_with": {"beam_size": tf.range(len(TEXTS)) + 1},
    "alternatives": {"prefix": tf.fill([len(TEXTS)], "")},
    "sample": {"seed": tf.range(len(TEXTS), dtype=tf.int64)},
    "sample_with": {
        "seed": tf.range(len(TEXTS), dtype=tf.int64),
        "temperature": tf.ones(len(TEXTS)),
        "top_k": tf.zeros(len(TEXTS), tf.int32),
        "top_p": tf.ones(len(TEXTS)),
    },
}


@pytest.fixture(scope="module")
def exported(trained: WorkDirectory[Path]) -> Path:
    """A version for those that only read it."""
    evaluate(trained, TINY)
    path = export(trained, TINY)
    assert path == trained.version(1)
    return path


@pytest.fixture(scope="module")
def signatures(exported: Path) -> Iterator[Any]:
    """Of the version, loaded."""
    model = tf.saved_model.load(str(exported))
    yield model.signatures
    # Signatures alone do not keep their model.
    del model


@pytest.fixture(scope="module")
def translator(trained: WorkDirectory[Path]) -> TextTranslator:
    """Of the checkpoint that the version is made from."""
    return TextTranslator(best(trained), load_subwords(trained, joint=True), TINY.search)


def test_exported_model_translates_as_the_checkpoint(signatures: Any, translator: TextTranslator) -> None:
    signature = signatures["serving_default"]
    (text,) = signature.structured_input_signature[1].values()
    assert (text.name, text.dtype, text.shape.as_list()) == ("text", tf.string, [None])
    given = signature(text=tf.constant(TEXTS))
    assert sorted(given) == ["score", "translation"]
    from_checkpoint = translator.translate(tf.constant(TEXTS))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)


def test_other_signatures_answer_as_the_checkpoint(
    trained: WorkDirectory[Path], signatures: Any, translator: TextTranslator
) -> None:
    assert set(signatures) == {"align", *SIGNATURES}
    texts = tf.constant([*TEXTS, ""])
    translated, scored = translator.n_best(texts)
    given = signatures["nbest"](text=texts)
    np.testing.assert_array_equal(given["translation"], translated)
    np.testing.assert_allclose(given["score"], scored, rtol=1e-6)
    aligned, given = translator.align(texts), signatures["align"](text=texts)
    np.testing.assert_array_equal(given["source_subwords"], aligned.source_subwords)
    np.testing.assert_array_equal(given["target_subwords"], aligned.target_subwords)
    np.testing.assert_allclose(given["alignment"], aligned.alignment, atol=1e-6)
    weights = read_training_mark(trained).weights
    assert set(signatures["identity"](text=texts)["weights"].numpy()) == {weights.encode()}
    given = signatures["score"](text=texts, translation=translated[:, 0])
    np.testing.assert_allclose(given["score"], translator.score(texts, translated[:, 0]), rtol=1e-6)
    assert set(given) == {"score"}  # which existing clients read, and no more bytes for them
    given = signatures["score_subwords"](text=texts, translation=translated[:, 0])
    scored = translator.score_subwords(texts, translated[:, 0])
    assert set(given) == {"score", "target_subwords", "log_probability", "source_subwords", "alignment"}
    np.testing.assert_allclose(given["score"], scored.score, rtol=1e-6)
    np.testing.assert_allclose(given["log_probability"], scored.log_probability, atol=1e-5)
    np.testing.assert_array_equal(given["target_subwords"], scored.target_subwords)
    seeds = tf.range(len(TEXTS) + 1, dtype=tf.int64)
    drawn, given = translator.sample(texts, seeds), signatures["sample"](text=texts, seed=seeds)
    np.testing.assert_array_equal(given["translation"], drawn.text)
    np.testing.assert_allclose(given["score"], drawn.score, rtol=1e-6)
    drawn = translator.sample_with(texts, seeds, Distribution(tf.fill([6], 0.5), tf.fill([6], 9), tf.fill([6], 0.8)))
    likelier = {"temperature": tf.fill([6], 0.5), "top_k": tf.fill([6], 9), "top_p": tf.fill([6], 0.8)}
    given = signatures["sample_with"](text=texts, seed=seeds, **likelier)
    np.testing.assert_array_equal(given["translation"], drawn.text)
    np.testing.assert_allclose(given["score"], drawn.score, rtol=1e-6)


def test_a_request_of_too_many_texts_is_refused(signatures: Any) -> None:
    most = TINY.search.max_request_texts
    for name, signature in signatures.items():
        inputs = {"text": tf.constant(TEXTS), **MORE_INPUTS.get(name, {})}
        enough, too_many = (
            {key: tf.concat([values, values], axis=0)[:count] for key, values in inputs.items()}
            for count in (most, most + 1)
        )
        refusal = f"a request has more than {most} texts; ask for fewer"
        with pytest.raises(tf.errors.InvalidArgumentError, match=refusal):
            signature(**too_many)
        (output, *_) = signature(**enough).values()
        assert output.shape[0] == most


def test_a_network_without_attention_has_no_alignment_to_give(trained: WorkDirectory[Path]) -> None:
    subwords = load_subwords(trained, joint=True)
    settings = TINY.model.model_copy(update={"architecture": "rnnencdec"})
    network = Network(settings, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    exported = Exported(TextTranslator(network, subwords, TINY.search), trained.recipe, "digest")
    assert set(exported.by_signature) == SIGNATURES


def test_exported_model_with_every_option_translates_as_the_checkpoint(tmp_path: Path) -> None:
    recipe = load_recipe(
        "tiny",
        {
            "model": {
                "tied_embeddings": "all",
                "encoder_layers": 2,
                "decoder_layers": 2,
                "layer_norm": True,
                "dropout": 0.2,
                "recurrent_dropout": 0.2,
            },
            "training": {"epochs": 1, "max_steps": 3},
        },
    )
    work = write_data(tmp_path / "run", recipe, dev=4)
    train(work, recipe)
    subwords = load_subwords(work, joint=True)
    translator = TextTranslator(load_best(work, recipe, subwords), subwords, recipe.search)
    from_checkpoint = translator.translate(tf.constant(TEXTS))
    signature = tf.saved_model.load(str(export(work, recipe, is_forced=True))).signatures["serving_default"]
    given = signature(text=tf.constant(TEXTS))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)


def test_exported_model_carries_its_recipe(exported: Path) -> None:
    with (exported / "assets" / "recipe.yaml").open(encoding="utf-8") as file:
        assert schema.Recipe.model_validate(yaml.safe_load(file)) == TINY


def test_exported_model_answers_the_requests_it_brings_along(
    trained: WorkDirectory[Path], exported: Path, signatures: Any
) -> None:
    """Of every signature, so that nobody waits for what is made ready once."""
    records = tf.data.TFRecordDataset(str(exported / "assets.extra" / "tf_serving_warmup_requests")).as_numpy_iterator()
    requests = [PredictionLog.FromString(record).predict_log.request for record in records]
    assert {request.model_spec.name for request in requests} == {"rnnsearch"}
    asked = [request.model_spec.signature_name for request in requests]
    assert set(asked) == set(signatures)
    assert asked.count("serving_default") == len(asked) - len(signatures) + 1
    texts = [tf.make_ndarray(request.inputs["text"]) for request in requests]
    assert {batch.shape for batch in texts} == {(1,)}  # which a server's batches of any size have room for
    lengths = [len(batch[0]) for batch in texts[: asked.count("serving_default")]]
    assert lengths == sorted(lengths)
    assert lengths[-1] > lengths[0]
    dev = read_references(trained, read_manifest(trained), "dev").sources
    assert {batch[0].decode() for batch in texts} <= set(dev)
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        outputs = signatures[request.model_spec.signature_name](**inputs)
        assert {output.shape[0] for output in outputs.values()} == {1}


def test_stock_tensorflow_serving_has_every_operation(exported: Path, tmp_path: Path) -> None:
    """Of every signature, and of what those call."""
    found = operations(exported)
    assert {"While", "SentencepieceTokenizeWithOffsetsOp", "NormalizeUTF8"} <= set(found)
    assert not_served(exported) == {}
    assert of_tensorflow_text() == LINKED

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def in_python(x: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.size(x) > 1, lambda: tf.numpy_function(np.sort, [x], tf.float32), lambda: x)

    module = tf.Module()
    module.serve = in_python
    tf.saved_model.save(module, str(tmp_path / "other"))
    assert set(not_served(tmp_path / "other")) == {"PyFunc"}


def test_every_export_is_a_new_version(trained: WorkDirectory[Path], exported: Path) -> None:
    """Compared with the one before, of which each has its translations of the test set."""
    before = trained.versions()
    path = export(trained, TINY)
    assert path == trained.version(max(before) + 1)
    assert [entry.name for entry in trained.export.iterdir() if entry.name.startswith(".")] == []
    mark, score = find_mark(trained, Provenance), read_scores(trained).bleu.score
    assert mark is not None
    assert mark.evaluated is not None
    compared = mark.evaluated.before
    assert compared is not None
    assert (compared.version, compared.score, compared.p_value) == (max(before), pytest.approx(score), 1.0)
    assert hypotheses_of(path).read_bytes() == hypotheses_of(exported).read_bytes() == trained.hypotheses.read_bytes()


def test_a_refused_export_leaves_no_version(trained: WorkDirectory[Path], exported: Path) -> None:
    """And the one that is there as it was, for the server that has it."""
    before = {path: path.stat().st_mtime_ns for path in trained.export.rglob("*")}
    evaluation = TINY.evaluation.model_copy(update={"minimum": 100.0})
    with pytest.raises(UserError, match=r"is under evaluation.minimum \(100\), so that version \d stays the newest"):
        export(trained, TINY.model_copy(update={"evaluation": evaluation}))
    assert {path: path.stat().st_mtime_ns for path in trained.export.rglob("*")} == before


def test_a_version_has_a_card(trained: WorkDirectory[Path], exported: Path, signatures: Any) -> None:
    """With the figures of the marks (tests/model/exported/test_model_card.py has more)."""
    page, scores = lxml.html.parse(str(model_card_of(exported, "html"))), read_scores(trained)
    rows = [tuple(cell.text_content() for cell in row) for row in page.iterfind(".//tr")]
    found = {name: (score, signature) for name, score, _, signature in (row for row in rows if len(row) == 4)}
    for name, score in (("BLEU", scores.bleu), ("chrF2", scores.chrf), ("chrF2++", scores.chrf_plus_plus)):
        assert found[name] == (f"{score.score:.2f}", score.signature)
    assert set(signatures) <= {row[0] for row in rows}
    assert read_training_mark(trained).weights in model_card_of(exported, "md").read_text(encoding="utf-8")


def test_failed_export_leaves_no_version(trained: WorkDirectory[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = trained.versions()

    def full_disk(*arguments: Any) -> None:
        path = arguments[-1]
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("model.exported.version.write_saved_model", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export(trained, TINY)
    assert trained.versions() == before
    assert {entry.name for entry in trained.export.iterdir()} == {str(version) for version in before}


def test_nothing_trained_is_a_sentence(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", TINY, train=60, dev=5, test=5)
    for command in (evaluate, export):
        with pytest.raises(UserError, match="holds no finished training; make one with make train"):
            command(work, TINY)


def test_nothing_prepared_is_a_sentence(trained: WorkDirectory[Path], tmp_path: Path) -> None:
    """Also where the training is still there."""
    work = WorkDirectory(tmp_path / "run")
    shutil.copytree(trained.root, work.root, ignore=shutil.ignore_patterns("manifest.json"))
    for command in (evaluate, export):
        with pytest.raises(UserError, match="holds no prepared corpus; make one with make prepare"):
            command(work, TINY)


def test_word_models_of_each_side_reach_the_saved_model(tmp_path: Path) -> None:
    """Whole words for subwords, with another model for either side, from the preparation job to the SavedModel."""
    files = FilePair(*write_corpus(tmp_path, pairs=600))
    dictionary = tmp_path / "words.tsv"
    dictionary.write_text("quintillion\ttrillion\n", encoding="utf-8")
    work = new_work(
        tmp_path / "run",
        files,
        subwords={"type": "word", "joint": False, "vocabulary": 70},
        model=TINY.model.model_dump(),
        training={"batch_tokens": 1000, "epochs": 1, "max_steps": 4},
        search={"unknown_dictionary": str(dictionary)},
    )
    recipe = resolved_recipe(work)
    prepare(recipe, work, pipeline_options([]))
    network = train(work, recipe)
    source, target = load_subwords(work, joint=False)
    processors = [
        sentencepiece.SentencePieceProcessor(model_file=str(work.subword_model(side, joint=False)))
        for side in ("source", "target")
    ]
    # "nine thousand" are words of the model, "quintillion" is of neither.
    texts = ["nine thousand", "quintillion", "one quintillion two", ""]
    for subwords, processor in zip((source, target), processors, strict=True):
        ids, lengths, *_ = subwords.ids(tf.constant(texts))
        assert [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)] == [
            processor.encode(text) for text in texts
        ]
    assert UNKNOWN_ID not in processors[0].encode(texts[0])
    assert processors[0].encode(texts[2]).count(UNKNOWN_ID) == 1
    version = Path(str(export(work, recipe, is_forced=True)))
    assert {"HashTableV2", "LookupTableFindV2"} <= set(operations(version))
    assert not_served(version) == {}
    model = tf.saved_model.load(str(version))
    given = model.signatures["serving_default"](text=tf.constant(texts))
    translator = TextTranslator(network, (source, target), recipe.search)
    from_checkpoint = translator.translate(tf.constant(texts))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)
