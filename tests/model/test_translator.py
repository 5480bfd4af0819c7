"""Subwords in the graph, text to text, evaluation, and the exported SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import sacrebleu
import sentencepiece
import tensorflow as tf
import yaml
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tqdm import tqdm

from model.checkpoint import load_best
from model.evaluate import evaluate
from model.export import Exported, export
from model.network import Network
from model.references import read_references
from model.subwords import Subwords, load_subwords
from model.train import train
from model.translator import Translated, Translator, translate_all
from pipelines import prepare
from pipelines.corpus import FilePair
from pipelines.running import pipeline_options
from pipelines.subwords import train_subwords
from recipes import schema
from recipes.data_schema import Subwords as SubwordSettings
from recipes.errors import UserError
from recipes.files import read_json
from recipes.layout import END_ID, PADDING_ID, UNKNOWN_ID, WorkDirectory
from recipes.loading import load_recipe
from recipes.stages import resolved_recipe
from tests.model.shards import write_data
from tests.numbers_corpus import english, write_corpus
from tests.pipelines.conftest import new_work

RECIPE = load_recipe("tiny", {"training": {"epochs": 2}, "search": {"batch_sentences": 7}})
TEXTS = [english(number) for number in (3, 71, 1234, 9876, 500)]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory:
    work = write_data(tmp_path_factory.mktemp("run"), RECIPE)
    train(work, RECIPE)
    return work


def untrained(work: WorkDirectory, beam_size: int = 3) -> Translator:
    subwords = load_subwords(work, joint=True)
    network = Network(RECIPE.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    return Translator(network, subwords, RECIPE.search.model_copy(update={"beam_size": beam_size}))


def test_ids_are_sentencepieces(work: WorkDirectory) -> None:
    path = work.subword_model("source", joint=True)
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = [*TEXTS, "", "  two   hundred ", "Übermut 漢字 \u2028"]
    ids, lengths, _ = subwords.ids(tf.constant(texts))
    for row, length, text in zip(ids.numpy(), lengths.numpy(), texts, strict=True):
        expected = [*reference.encode(text), END_ID]
        assert list(row) == expected + [PADDING_ID] * (len(row) - len(expected))
        assert length == len(expected) - 1
    assert [text.decode() for text in subwords.texts(ids).numpy()] == [
        reference.decode(reference.encode(text)) for text in texts
    ]
    assert subwords.vocabulary == reference.vocab_size()


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_ids_are_sentencepieces_with_bytes_and_symbols_too(tmp_path: Path, kind: Literal["unigram", "bpe"]) -> None:
    path = tmp_path / "m"
    settings = SubwordSettings(type=kind, vocabulary=310, byte_fallback=True, symbols=("<date>",))
    train_subwords((english(number) for number in range(2000)), settings, path, tags=["<ted>"])
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = ["<ted> seven <date>", "漢字 é", "one<date>two"]
    ids, lengths, _ = subwords.ids(tf.constant(texts))
    found = [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)]
    assert found == [reference.encode(text) for text in texts]
    assert [text.decode() for text in subwords.texts(ids).numpy()] == [reference.decode(row) for row in found]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_translation_alone_is_that_in_a_batch(work: WorkDirectory, beam_size: int) -> None:
    translator = untrained(work, beam_size)
    together = translator.translate(tf.constant(TEXTS))
    for index, text in enumerate(TEXTS):
        alone = translator.translate(tf.constant([text]))
        assert alone.text[0] == together.text[index]
        np.testing.assert_allclose(alone.score[0], together.score[index], rtol=1e-5)


def test_blank_text_has_an_empty_translation(work: WorkDirectory) -> None:
    translator = untrained(work)
    translated = translator.translate(tf.constant(["", TEXTS[0], " \t "]))
    assert [text == b"" for text in translated.text.numpy()] == [True, False, True]
    assert [score == 0 for score in translated.score.numpy()] == [True, False, True]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_text_that_is_too_long_is_not_translated(work: WorkDirectory, beam_size: int) -> None:
    """And takes nothing from the others: they are translated as without it."""
    translator = untrained(work, beam_size)
    lengths = translator.source_subwords.ids(tf.constant(TEXTS)).lengths.numpy()
    longest = int(sorted(lengths)[-2])
    translator.search = translator.search.model_copy(update={"max_source_length": longest})
    fits = lengths <= longest
    assert sum(fits) == len(TEXTS) - 1
    unlimited, texts = untrained(work, beam_size), tf.constant(TEXTS)
    for found, expected in (
        (translator.translate(texts), unlimited.translate(texts)),
        (translator.n_best(texts), unlimited.n_best(texts)),
        (translator.align(texts).translated, unlimited.translate(texts)),
    ):
        assert np.all(found.text[~fits] == b"")
        assert np.all(found.score[~fits] == -np.inf)
        np.testing.assert_array_equal(found.text[fits], expected.text[fits])
        np.testing.assert_allclose(found.score[fits], expected.score[fits], rtol=1e-5)
    np.testing.assert_array_equal(np.isneginf(translator.score(texts, tf.fill([len(TEXTS)], "one"))), ~fits)
    assert np.all(np.isneginf(translator.score(tf.fill([2], "one"), tf.fill([2], " ".join(TEXTS)))))


def test_no_texts_at_all(work: WorkDirectory) -> None:
    translator = untrained(work)
    nothing = tf.constant([], tf.string)
    assert translator.translate(nothing).text.shape == translator.score(nothing, nothing).shape == [0]
    assert translator.n_best(nothing).text.shape == [0, 3]
    assert translator.align(nothing).translated.score.shape == [0]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_best_of_the_n_best_is_the_translation(work: WorkDirectory, beam_size: int) -> None:
    translator = untrained(work, beam_size)
    texts = tf.constant([*TEXTS, " "])
    best, all_of_them = translator.translate(texts), translator.n_best(texts)
    assert all_of_them.text.shape == all_of_them.score.shape == [len(TEXTS) + 1, beam_size]
    np.testing.assert_array_equal(all_of_them.text[:, 0], best.text)
    np.testing.assert_array_equal(all_of_them.score[:, 0], best.score)
    assert np.all(np.diff(all_of_them.score, axis=1) <= 0)
    np.testing.assert_array_equal(all_of_them.text[-1], [b""] * beam_size)
    np.testing.assert_array_equal(all_of_them.score[-1], [0.0] * beam_size)


def test_alignment_is_a_distribution_over_the_source_for_every_subword(work: WorkDirectory) -> None:
    translator = Translator(_best(work), load_subwords(work, joint=True), RECIPE.search)
    aligned = translator.align(tf.constant(TEXTS))
    np.testing.assert_array_equal(aligned.translated.text, translator.translate(tf.constant(TEXTS)).text)
    sides = zip(
        aligned.source_subwords.numpy(), aligned.target_subwords.numpy(), aligned.alignment.numpy(), strict=True
    )
    for (source, target, alignment), text, translation in zip(
        sides, TEXTS, aligned.translated.text.numpy(), strict=True
    ):
        for pieces, said in ((source, text), (target, translation.decode())):
            written = [piece.decode() for piece in pieces if piece]
            assert written[-1] == "</s>"
            assert "".join(written[:-1]).replace("\u2581", " ").strip() == said
            assert list(pieces[len(written) :]) == [b""] * (len(pieces) - len(written))
        words, read = np.sum(target != b""), np.sum(source != b"")
        np.testing.assert_allclose(alignment.sum(axis=1), [1.0] * words + [0.0] * (len(target) - words), rtol=1e-5)
        assert np.all(alignment[:, read:] == 0)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_score_of_a_translation_is_what_the_search_gave_it(work: WorkDirectory, exponent: float) -> None:
    """And that of another is lower: the search found the best."""
    search = RECIPE.search.model_copy(update={"length_normalization": exponent})
    translator = Translator(_best(work), load_subwords(work, joint=True), search)
    found = translator.n_best(tf.constant(TEXTS))
    subwords = translator.target_subwords
    compared = 0
    hypotheses = translator.hypotheses(translator.source_subwords.ids(tf.constant(TEXTS)))
    for slot in range(found.text.shape[1]):
        scores = translator.score(tf.constant(TEXTS), found.text[:, slot])
        again = subwords.ids(found.text[:, slot]).ids
        for row in range(len(TEXTS)):
            ours = [word for word in hypotheses.words[row, slot].numpy() if word != PADDING_ID]
            # A text may be cut into subwords in another way than the search wrote it.
            if ours == [word for word in again[row].numpy() if word != PADDING_ID]:
                assert float(scores[row]) == pytest.approx(float(found.score[row, slot]), rel=1e-4)
                compared += 1
    assert compared >= len(TEXTS)


def test_translate_all_keeps_the_order(work: WorkDirectory) -> None:
    translator = untrained(work)
    texts = [english(number) for number in range(0, 9999, 700)]
    for text, (translation, score) in zip(texts, translate_all(translator, texts), strict=True):
        alone = translator.translate(tf.constant([text]))
        assert translation == alone.text[0].numpy().decode()
        assert score == pytest.approx(float(alone.score[0]), rel=1e-5)


def test_translate_all_can_be_interrupted(work: WorkDirectory) -> None:
    """Ctrl-C after the first batch: what is under way ends, and the rest of many batches is left."""
    translator, asked = untrained(work), []
    whole = translator.translate

    def translate(texts: tf.Tensor) -> Translated:
        asked.append(texts)
        return whole(texts)

    class Interrupted(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise KeyboardInterrupt

    translator.translate = translate
    texts = [english(number) for number in range(100 * RECIPE.search.batch_sentences)]
    with pytest.raises(KeyboardInterrupt):
        translate_all(translator, texts, Interrupted(disable=True))
    assert 1 <= len(asked) < 90


def test_evaluation_scores_the_plain_text(work: WorkDirectory) -> None:
    scores = evaluate(work, RECIPE)
    assert scores == read_json(work.scores)
    test = read_references(work, read_json(work.manifest), "test")
    translations = work.hypotheses.read_text(encoding="utf-8").splitlines()
    assert len(translations) == len(test.sources) == scores["sentences"] == 20
    bleu = sacrebleu.corpus_bleu(translations, [test.targets])
    assert scores["bleu"]["score"] == pytest.approx(bleu.score)
    assert (
        scores["bleu"]["signature"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    )
    assert scores["chrf"]["score"] == pytest.approx(sacrebleu.corpus_chrf(translations, [test.targets]).score)
    for sample in scores["samples"]:
        assert translations[test.sources.index(sample["source"])] == sample["translation"]


def test_evaluation_counts_what_is_too_long(work: WorkDirectory) -> None:
    test = read_references(work, read_json(work.manifest), "test")
    lengths = load_subwords(work, joint=True)[0].ids(tf.constant(test.sources)).lengths.numpy()
    longest = int(np.median(lengths))
    search = RECIPE.search.model_copy(update={"max_source_length": longest})
    scores = evaluate(work, RECIPE.model_copy(update={"search": search}))
    assert scores["too_long"] == sum(lengths > longest) > 0
    translations = np.array(work.hypotheses.read_text(encoding="utf-8").split("\n")[:-1])
    assert np.all(translations[lengths > longest] == "")
    assert evaluate(work, RECIPE)["too_long"] == 0


def test_exported_model_translates_as_the_checkpoint(work: WorkDirectory) -> None:
    path = export(work, RECIPE)
    assert path == work.version(1)
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    (text,) = signature.structured_input_signature[1].values()
    assert (text.name, text.dtype, text.shape.as_list()) == ("text", tf.string, [None])
    given = signature(text=tf.constant(TEXTS))
    assert sorted(given) == ["score", "translation"]
    translator = Translator(_best(work), load_subwords(work, joint=True), RECIPE.search)
    from_checkpoint = translator.translate(tf.constant(TEXTS))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)


def test_other_signatures_answer_as_the_checkpoint(work: WorkDirectory) -> None:
    signatures = tf.saved_model.load(str(export(work, RECIPE))).signatures
    assert set(signatures) == {"serving_default", "nbest", "align", "score"}
    translator = Translator(_best(work), load_subwords(work, joint=True), RECIPE.search)
    texts = tf.constant([*TEXTS, ""])
    translated, scored = translator.n_best(texts)
    given = signatures["nbest"](text=texts)
    np.testing.assert_array_equal(given["translation"], translated)
    np.testing.assert_allclose(given["score"], scored, rtol=1e-6)
    aligned, given = translator.align(texts), signatures["align"](text=texts)
    np.testing.assert_array_equal(given["source_subwords"], aligned.source_subwords)
    np.testing.assert_array_equal(given["target_subwords"], aligned.target_subwords)
    np.testing.assert_allclose(given["alignment"], aligned.alignment, atol=1e-6)
    given = signatures["score"](text=texts, translation=translated[:, 0])
    np.testing.assert_allclose(given["score"], translator.score(texts, translated[:, 0]), rtol=1e-6)


def test_a_request_of_too_many_texts_is_refused(work: WorkDirectory) -> None:
    search = RECIPE.search.model_copy(update={"max_request_texts": 4})
    translator = Translator(_best(work), load_subwords(work, joint=True), search)
    signatures = Exported(translator, work.recipe).by_signature
    for name, signature in signatures.items():
        inputs = {"text": tf.constant(TEXTS), **({"translation": tf.constant(TEXTS)} if name == "score" else {})}
        with pytest.raises(tf.errors.InvalidArgumentError, match="a request has more than 4 texts; ask for fewer"):
            signature(**inputs)
        assert signature(**{key: texts[:4] for key, texts in inputs.items()})["score"].shape[0] == 4


def test_a_network_without_attention_has_no_alignment_to_give(work: WorkDirectory) -> None:
    subwords = load_subwords(work, joint=True)
    settings = RECIPE.model.model_copy(update={"architecture": "rnnencdec"})
    network = Network(settings, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    exported = Exported(Translator(network, subwords, RECIPE.search), work.recipe)
    assert set(exported.by_signature) == {"serving_default", "nbest", "score"}


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
    translator = Translator(load_best(work, recipe, subwords), subwords, recipe.search)
    from_checkpoint = translator.translate(tf.constant(TEXTS))
    signature = tf.saved_model.load(str(export(work, recipe))).signatures["serving_default"]
    given = signature(text=tf.constant(TEXTS))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)


def test_exported_model_carries_its_recipe(work: WorkDirectory) -> None:
    path = export(work, RECIPE)
    with (path / "assets" / "recipe.yaml").open(encoding="utf-8") as file:
        assert schema.Recipe.model_validate(yaml.safe_load(file)) == RECIPE


def test_exported_model_answers_the_requests_it_brings_along(work: WorkDirectory) -> None:
    path = export(work, RECIPE)
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    records = tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests")).as_numpy_iterator()
    requests = [PredictionLog.FromString(record).predict_log.request for record in records]
    batches = [tf.make_ndarray(request.inputs["text"]) for request in requests]
    assert {(request.model_spec.name, request.model_spec.signature_name) for request in requests} == {
        ("rnnsearch", "serving_default")
    }
    dev = read_references(work, read_json(work.manifest), "dev").sources
    lengths = [len(text) for text in batches[-1]]
    assert lengths == sorted(lengths)
    assert lengths[-1] > lengths[0]
    assert {text.decode() for text in batches[-1]} <= set(dev)
    assert [text for batch in batches[:-1] for text in batch] == list(batches[-1])
    for batch in batches:
        assert signature(text=tf.constant(batch))["score"].shape == [len(batch)]


def test_every_export_is_a_new_version(work: WorkDirectory) -> None:
    before = work.versions()
    assert export(work, RECIPE) == work.version(max(before) + 1)
    assert [entry.name for entry in work.export.iterdir() if entry.name.startswith(".")] == []


def test_failed_export_leaves_no_version(work: WorkDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    before = work.versions()

    def full_disk(_: object, path: str, **__: object) -> None:
        Path(path).mkdir()
        (Path(path) / "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(tf.saved_model, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export(work, RECIPE)
    assert work.versions() == before
    assert {entry.name for entry in work.export.iterdir()} == {str(version) for version in before}


def test_nothing_trained_is_a_sentence(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", RECIPE, train=60, dev=5, test=5)
    for command in (evaluate, export):
        with pytest.raises(UserError, match="holds no finished training; make one with make train"):
            command(work, RECIPE)


def test_word_models_of_each_side_reach_the_saved_model(tmp_path: Path) -> None:
    """Whole words for subwords, with another model for either side, from the preparation job to the SavedModel."""
    files = FilePair(*write_corpus(tmp_path, pairs=600))
    work = new_work(
        tmp_path / "run",
        files,
        subwords={"type": "word", "joint": False, "vocabulary": 70},
        model=RECIPE.model.model_dump(),
        training={"batch_tokens": 1000, "epochs": 1, "max_steps": 4},
    )
    recipe = resolved_recipe(work)
    prepare.prepare(recipe, work, pipeline_options([]))
    network = train(work, recipe)
    source, target = load_subwords(work, joint=False)
    processors = [
        sentencepiece.SentencePieceProcessor(model_file=str(work.subword_model(side, joint=False)))
        for side in ("source", "target")
    ]
    # "nine thousand" are words of the model, "quintillion" is of neither.
    texts = ["nine thousand", "quintillion", "one quintillion two", ""]
    for subwords, processor in zip((source, target), processors, strict=True):
        ids, lengths, _ = subwords.ids(tf.constant(texts))
        assert [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)] == [
            processor.encode(text) for text in texts
        ]
    assert UNKNOWN_ID not in processors[0].encode(texts[0])
    assert processors[0].encode(texts[2]).count(UNKNOWN_ID) == 1
    exported = tf.saved_model.load(str(export(work, recipe)))
    given = exported.signatures["serving_default"](text=tf.constant(texts))
    translator = Translator(network, (source, target), recipe.search)
    from_checkpoint = translator.translate(tf.constant(texts))
    np.testing.assert_array_equal(given["translation"], from_checkpoint.text)
    np.testing.assert_allclose(given["score"], from_checkpoint.score, rtol=1e-6)


def _best(work: WorkDirectory) -> Network:
    return load_best(work, RECIPE, load_subwords(work, joint=True))
