# ruff: noqa: RUF001
"""Evaluation by the plain text of the test set."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

from model import compare
from model.data.references import read_references
from model.data.subwords import load_subwords
from model.evaluation import measures
from model.evaluation.details import read_details
from model.evaluation.measures import Measure, bleu_with, measure_of, missing_for, score
from model.evaluation.scores import evaluate
from model.evaluation.words import words_of
from model.exported.int8 import in_int8
from model.exported.loading import load_engine
from model.search.translator import best_translator
from recipes import schema
from recipes.loading import load_recipe
from recipes.stages import EVALUATE
from tests.model.support import TINY
from tests.pages import Page
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import AlignmentError, read_manifest, read_scores

pytestmark = pytest.mark.slow


def test_evaluation_scores_the_plain_text(trained: WorkDirectory[Path], tmp_path: Path) -> None:
    trained.evaluation.mkdir(exist_ok=True)
    trained.comparison.write_text("{}")
    trained.scores.unlink(missing_ok=True)
    scores = evaluate(trained, TINY, show=[1])
    assert scores == read_scores(trained)
    assert not trained.comparison.exists()  # it would be of other translations
    test = read_references(trained, read_manifest(trained), "test")
    translations = trained.hypotheses.read_text(encoding="utf-8").splitlines()
    assert len(translations) == len(test.sources) == scores.sentences == 20
    bleu = sacrebleu.corpus_bleu(translations, [test.targets])
    assert scores.bleu.score == pytest.approx(bleu.score)
    signature = f"case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert scores.bleu.signature == f"nrefs:1|bs:1000|seed:12345|{signature}"
    for found, expected in (
        (scores.chrf, sacrebleu.corpus_chrf(translations, [test.targets])),
        (scores.chrf_plus_plus, sacrebleu.corpus_chrf(translations, [test.targets], word_order=2)),
        (scores.ter, sacrebleu.corpus_ter(translations, [test.targets])),
    ):
        assert found is not None
        assert found.score == pytest.approx(expected.score)
    for sample in scores.samples:
        assert translations[test.sources.index(sample.source)] == sample.translation
    sources, targets, links = (path.read_text(encoding="utf-8").split("\n")[:-1] for path in trained.alignments)
    assert sources == [" ".join(text.split()) for text in test.sources]
    assert targets == [" ".join(text.split()) for text in translations]
    # Of every word of the translation one, and to a word of the source.
    for source, target, line in zip(sources, targets, links, strict=True):
        linked = [tuple(map(int, link.split("-"))) for link in line.split()]
        assert sorted(of_target for _, of_target in linked) == list(range(len(target.split())))
        assert all(of_source < len(source.split()) for of_source, _ in linked)
    page = Page(trained.evaluation_report.read_text(encoding="utf-8"))
    assert page.foreign == []
    assert set(page.texts) > {translations[0], test.targets[0]}
    check_every_sentence_and_what_went_wrong(trained)
    check_alignment_error_against_itself(trained, tmp_path)


def check_alignment_error_against_itself(work: WorkDirectory[Path], directory: Path) -> None:
    for path in work.alignments:
        shutil.copy(path, directory)
    with pytest.raises(UserError, match=r"--show \(SHOW= of make\): there is no sentence 21; the test set has 1 to 20"):
        evaluate(work, TINY, show=[1, 21])
    scores = evaluate(work, TINY, align_gold=directory / work.alignments[0].name)
    assert scores.alignment_error == AlignmentError(error=0, precision=1, recall=1, sentences=20)
    assert "alignment error rate (Och and Ney 2003)" in Page(work.evaluation_report.read_text("utf-8")).texts
    # A comparison is on the page, and takes nothing away from it.
    compare.run(work, work)
    texts = Page(work.evaluation_report.read_text("utf-8")).texts
    assert {f"Against {work.root}", "alignment error rate (Och and Ney 2003)"} <= set(texts)
    # Nor does another evaluation that gives the same translations.
    assert evaluate(work, TINY, show=[2]).alignment_error == scores.alignment_error
    texts = Page(work.evaluation_report.read_text("utf-8")).texts
    assert {f"Against {work.root}", "alignment error rate (Och and Ney 2003)"} <= set(texts)


def check_every_sentence_and_what_went_wrong(trained: WorkDirectory[Path]) -> None:
    details, test = read_details(trained), read_references(trained, read_manifest(trained), "test")
    assert details is not None
    translations = trained.hypotheses.read_text(encoding="utf-8").splitlines()
    found = [(each.source, *each.references, each.translation) for each in details.sentences]
    assert found == list(zip(*test, translations, strict=True))
    chrf = [each.chrf for each in details.sentences]
    expected = zip(translations, test.targets, strict=True)
    assert chrf == [sacrebleu.sentence_chrf(text, [target]).score for text, target in expected]
    assert [chrf[number] for number in details.worst] == sorted(chrf)
    translator = best_translator(trained, TINY)
    scores = translator.score(tf.constant(test.sources), tf.constant(translations)).numpy()
    assert [each.score for each in details.sentences] == pytest.approx(scores.tolist(), abs=1e-4)
    assert sum(each.sentences for each in details.tenths) == 20
    assert details.coverage is not None
    assert details.coverage.occurrences == sum(len(source.split()) for source in test.sources)
    assert sum(each.reference for each in details.by_frequency) == sum(len(words_of(text)) for text in test.targets)
    assert details.training_pairs == read_manifest(trained).records["train"]


def test_evaluation_counts_what_is_too_long(trained: WorkDirectory[Path]) -> None:
    test = read_references(trained, read_manifest(trained), "test")
    lengths = load_subwords(trained, joint=True)[0].ids(tf.constant(test.sources)).lengths.numpy()
    longest = int(np.median(lengths))
    search = TINY.search.model_copy(update={"max_source_length": longest})
    scores = evaluate(trained, TINY.model_copy(update={"search": search}))
    assert scores.too_long == sum(lengths > longest) > 0
    translations = np.array(trained.hypotheses.read_text(encoding="utf-8").split("\n")[:-1])
    assert np.all(translations[lengths > longest] == "")
    assert evaluate(trained, TINY).too_long == 0


def test_evaluation_in_int8_scores_what_the_engine_translates(trained: WorkDirectory[Path], tmp_path: Path) -> None:
    """It is no evaluation that the road would take for its own."""
    in_float32 = evaluate(trained, TINY)
    assert (in_float32.precision, EVALUATE.stale_because(TINY, trained)) == ("float32", None)
    scores = evaluate(trained, TINY, lambda translator: in_int8(translator, tmp_path))
    assert scores == read_scores(trained)
    assert scores.precision == "int8"
    assert "precision" in str(EVALUATE.stale_because(TINY, trained))
    translate = load_engine(tmp_path)["serving_default"]
    sources = read_references(trained, read_manifest(trained), "test").sources
    expected = [translate(text=[source])["translation"][0].decode() for source in sources]
    assert trained.hypotheses.read_text(encoding="utf-8").split("\n")[:-1] == expected
    evaluate(trained, TINY)
    assert EVALUATE.stale_because(TINY, trained) is None


def recipe_into(language: str, **sections: Any) -> schema.Recipe:
    return load_recipe("tiny", {"corpus": {"target_language": language}, **sections})


@pytest.mark.parametrize(
    ("language", "tokenize"),
    [("fr", "13a"), ("target", "13a"), ("zh_TW", "zh"), ("zh-Hans", "zh"), ("cmn", "zh"), ("pt_BR", "13a")],
)
def test_the_tokenizer_of_bleu_is_that_of_the_language(language: str, tokenize: str) -> None:
    measure, sentence = measure_of(recipe_into(language))
    assert (measure, sentence) == (Measure(tokenize, "bleu"), None)  # type: ignore[arg-type]
    signature = str(score(bleu_with(measure.tokenize), ["你好，世界。"], ["你好，世界。"], "NFC").signature)
    assert f"|tok:{tokenize}|" in signature


@pytest.mark.parametrize(
    ("language", "missing"),
    [("th", "flores200"), ("km-KH", "flores200"), ("ja", "ja-mecab"), ("JPN", "ja-mecab"), ("ko-KR", "ko-mecab")],
)
def test_where_the_tokenizer_is_not_here_characters_and_chrf_count(
    language: str, missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(measures, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(measures, "_MODULES", {"ja-mecab": ("nonesuch",), "ko-mecab": ("nonesuch",)})
    measure, sentence = measure_of(recipe_into(language))
    assert measure == Measure("char", "chrf")
    assert sentence is not None
    assert sentence.startswith("BLEU counts characters (tok:char), and chrF chooses the best weights")
    assert f"for {language}, {missing}, is not here" in sentence
    assert ("evaluation.tokenize" if missing == "flores200" else "pip install 'sacrebleu[") in sentence
    assert measure_of(recipe_into(language, training={"best_by": "loss"}))[0] == Measure("char", "loss")
    assert measure_of(recipe_into(language, evaluation={"tokenize": "zh"})) == (Measure("zh", "bleu"), None)


REFERENCES = {
    "jp": ["雨がやんだので、子どもたちは外へ出た。", "A4の紙を3枚ください。"],
    "cn": ["孩子们在院子里玩。", "请给我三张A4纸。"],
    "kr": ["아이들이 마당에서 놀고 있다.", "A4 용지 세 장 주세요."],
    "target": ["เด็กๆ เล่นอยู่ในสนาม", "ขอกระดาษ A4 สามแผ่น"],
    "fr": ["ကလေးများ ခြံထဲမှာ ကစားနေကြသည်။"],
    "nod": ["ᨡᩮᩣ᩶ᨸᩮᩢ᩠ᨶᨣᩫ᩠ᨶᨾᩮᩬᩥᨦ"],
}


@pytest.mark.parametrize("language", REFERENCES)
def test_where_spaces_do_not_tell_the_words_of_the_references_characters_and_chrf_count(language: str) -> None:
    """Whatever is said of their language: nothing, another, a country's code, or one that has no tokenizer."""
    references = REFERENCES[language]
    measure, sentence = measure_of(recipe_into(language), references)
    assert measure == Measure("char", "chrf")
    assert sentence is not None
    assert sentence.startswith("BLEU counts characters (tok:char), and chrF chooses the best weights")
    assert f"for corpus.target_language, {language}; set it to the language of the references" in sentence
    assert measure_of(recipe_into(language, training={"best_by": "bleu"}), references)[0] == Measure("char", "bleu")
    chosen = recipe_into(language, evaluation={"tokenize": "13a"})
    assert measure_of(chosen, references) == (Measure("13a", "bleu"), None)


@pytest.mark.parametrize(
    ("language", "reference"),
    [
        ("target", "Les enfants jouent dans la cour (« 校庭 »)."),
        ("jp", "Kodomotachi wa soto e deta."),
        ("hi", "बच्चे आँगन में खेल रहे हैं।"),
        ("am", "ልጆች በግቢው ውስጥ ይጫወታሉ።"),
        ("target", "12 + 30 = 42"),
        ("target", ""),
    ],
)
def test_words_between_spaces_are_words(language: str, reference: str) -> None:
    assert measure_of(recipe_into(language), [reference]) == (Measure("13a", "bleu"), None)


def test_a_tokenizer_that_the_recipe_names_must_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_MODULES", {"ja-mecab": ("nonesuch",)})
    with pytest.raises(UserError, match=r"evaluation.tokenize is ja-mecab, but its packages .* 'sacrebleu\[ja\]'"):
        measure_of(recipe_into("fr", evaluation={"tokenize": "ja-mecab"}))


def test_what_sacrebleu_cannot_download_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.download_file", refuse)
    with pytest.raises(UserError, match=r"flores200 cannot be had \(no route to host\); choose another with"):
        bleu_with("flores200")


@pytest.mark.parametrize(("tokenize", "text"), [("ja-mecab", "昨日は雨が降った。"), ("ko-mecab", "어제는 비가 왔다.")])
def test_words_are_counted_where_the_packages_are(tokenize: str, text: str) -> None:
    if missing := missing_for(tokenize):
        pytest.skip(missing)
    found = score(bleu_with(tokenize), [text], [text], "NFC")
    assert found.score == pytest.approx(100)
    assert f"|tok:{tokenize}-" in found.signature


def test_both_sides_are_compared_in_one_form() -> None:
    composed, decomposed = (
        "Éternité, où es-tu donc à présent ?",
        "E\u0301ternite\u0301, ou\u0300 es-tu donc a\u0300 présent ?",
    )
    assert score(sacrebleu.metrics.BLEU(), [composed], [decomposed], "NFC").score == pytest.approx(100)
    full_width = "１２ ： une ﬁn ， deux ﬁns ！"
    compatible = "12 : une fin , deux fins !"
    assert score(sacrebleu.metrics.CHRF(), [compatible], [full_width], "NFKC").score == pytest.approx(100)
    assert score(sacrebleu.metrics.CHRF(), [compatible], [full_width], "NFC").score < 60
