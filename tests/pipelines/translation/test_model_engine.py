"""An exported version within a worker."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import sentencepiece

from pipelines.translation.batching import BATCH_SUBWORDS
from pipelines.translation.model_engine import ModelEngine
from tests.serving.support import save_text_model
from workspace.errors import UserError
from workspace.layout import subwords_of
from workspace.storage import write_bytes

pytestmark = pytest.mark.slow


def test_texts_go_together_by_the_subwords_of_the_version_where_it_has_them(tmp_path: Path) -> None:
    """Here a subword is a word."""
    version = tmp_path / "1"
    save_text_model(version, "one:")
    texts = {"four of them are", "a b c d e", long := "x" * (4 * BATCH_SUBWORDS + 4)}
    assert list(ModelEngine(version).made_ready().batches(texts)) == [["a b c d e", "four of them are"], [long]]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e", "four of them are"]),
        model_writer=model,
        model_type="word",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    write_bytes(subwords_of(version), model.getvalue())
    assert list(ModelEngine(version).made_ready().batches(texts)) == [["four of them are", "a b c d e"], [long]]
    write_bytes(subwords_of(version), b"half")
    with pytest.raises(UserError, match=r"^.*/1/assets.extra/source.model is damaged; remove the version"):
        ModelEngine(version).made_ready()
