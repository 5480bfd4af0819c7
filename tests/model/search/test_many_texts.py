"""Many texts: their order, and that they can be interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tqdm import tqdm

from model.search.many_texts import translate_all
from model.search.translations import Translated
from model.search.translator import TextTranslator
from tests.model.search.test_translator import untrained
from tests.model.support import TINY
from tests.numbers_corpus import english
from workspace.layout import WorkDirectory

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def translator(trained: WorkDirectory[Path]) -> TextTranslator:
    return untrained(trained)


def test_translate_all_keeps_the_order(translator: TextTranslator) -> None:
    texts = [english(number) for number in range(0, 9999, 700)]
    for text, (translation, score) in zip(texts, translate_all(translator, texts), strict=True):
        alone = translator.translate(tf.constant([text]))
        assert translation == alone.text[0].numpy().decode()
        assert score == pytest.approx(float(alone.score[0]), rel=1e-5)


def test_translate_all_can_be_interrupted(translator: TextTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the first batch: what is under way ends, and the rest of many batches is left."""
    asked: list[tf.Tensor] = []
    whole = translator.translate

    def translate(texts: tf.Tensor) -> Translated:
        asked.append(texts)
        return whole(texts)

    class Interrupted(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise KeyboardInterrupt

    monkeypatch.setattr(translator, "translate", translate)
    texts = [english(number) for number in range(100 * TINY.search.batch_sentences)]
    with pytest.raises(KeyboardInterrupt):
        translate_all(translator, texts, Interrupted(disable=True))
    assert 1 <= len(asked) < 90
