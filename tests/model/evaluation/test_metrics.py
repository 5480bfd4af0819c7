"""The scores of a test set, against sacreBLEU called directly."""

from __future__ import annotations

import pytest
import sacrebleu

from model.evaluation.measures import Measure
from model.evaluation.metrics import BLEU, CHRF, CHRF_PLUS_PLUS, TER, metrics_of, resamples, score_of, sentence_scores

TRANSLATIONS = ["the cat sat on the mat", "a dog runs in the park .", "two men talk", "it is raining today"]
REFERENCES = [
    ["the cat sits on the mat", "a dog is running in the park .", "two men are talking", "it rains today"],
    ["a cat sat on the mat", "a dog runs through the park .", "two men talk", "today it is raining"],
]
DIRECTLY = {
    BLEU: sacrebleu.metrics.BLEU(),
    CHRF: sacrebleu.metrics.CHRF(),
    CHRF_PLUS_PLUS: sacrebleu.metrics.CHRF(word_order=2),
    TER: sacrebleu.metrics.TER(),
}


@pytest.mark.parametrize("references", [REFERENCES[:1], REFERENCES], ids=["one reference", "two references"])
@pytest.mark.parametrize("name", DIRECTLY)
def test_scores_are_those_of_sacrebleu(name: str, references: list[list[str]]) -> None:
    found = score_of(metrics_of(Measure("13a", "bleu"), "NFC")[name], TRANSLATIONS, references)
    expected = DIRECTLY[name].corpus_score(TRANSLATIONS, references, n_bootstrap=1000)
    assert found.score == expected.score
    assert found.text == str(expected)
    assert found.text.count(f"{found.mean:.2f} ± {found.margin:.2f}") == 1
    assert found.signature == str(DIRECTLY[name].get_signature())
    assert f"nrefs:{len(references)}|bs:1000|seed:12345|" in found.signature


def test_words_of_scripts_without_spaces_are_those_of_the_tokenizer_of_bleu() -> None:
    translations, references = ["孩子们在院子里玩。", "今天下雨。"], ["孩子们在花园里玩。", "今天没有下雨。"]
    metrics = metrics_of(Measure("zh", "bleu"), "NFC")
    of_characters = [[" ".join(text) for text in side] for side in (translations, references)]
    for name, metric in ((CHRF_PLUS_PLUS, sacrebleu.metrics.CHRF(word_order=2)), (TER, sacrebleu.metrics.TER())):
        found = score_of(metrics[name], translations, [references])
        assert found.score == metric.corpus_score(of_characters[0], [of_characters[1]]).score
        assert found.signature.endswith("|words:zh")
    # In the second, two of the seven characters are not there.
    assert score_of(metrics[TER], translations[1:], [references[1:]]).score == pytest.approx(100 * 2 / 7)
    assert "words:" not in score_of(metrics[CHRF], translations, [references]).signature
    assert TER not in metrics_of(Measure("char", "chrf"), "NFC")


def test_what_is_wrong_altogether_scores_nothing() -> None:
    metrics = metrics_of(Measure("13a", "bleu"), "NFC")
    found = score_of(metrics[CHRF], ["", "x"], [["cat", "dog"]])
    assert (found.score, found.mean, found.margin) == (0, 0, 0)


def test_both_sides_are_compared_in_one_form() -> None:
    metrics = metrics_of(Measure("13a", "bleu"), "NFC")
    for name in (BLEU, CHRF, CHRF_PLUS_PLUS):
        found = score_of(metrics[name], ["où es-tu à présent ?"], [["ou\u0300 es-tu a\u0300 présent ?"]])
        assert found.score == pytest.approx(100)
    assert sentence_scores(["été"], [["e\u0301te\u0301"]], "NFC") == [100]


def test_sentences_are_scored_by_chrf_with_the_best_of_their_references() -> None:
    found = sentence_scores(TRANSLATIONS, REFERENCES, "NFC")
    expected = [
        sacrebleu.sentence_chrf(text, list(known)).score for text, *known in zip(TRANSLATIONS, *REFERENCES, strict=True)
    ]
    assert found == expected
    assert found[2] == 100


def test_a_large_test_set_is_drawn_less_often() -> None:
    """Of twenty thousand sentences a thousand resamples would take gigabytes."""
    assert [resamples(count) for count in (1, 4000, 20_000, 10**9)] == [1000, 1000, 200, 100]
