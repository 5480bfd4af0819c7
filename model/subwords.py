"""Text to subword ids and back, inside the graph, with the SentencePiece models that the data was prepared with."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
import tensorflow_text

from recipes.errors import UserError
from recipes.files import sha256_of
from recipes.layout import END_ID, PADDING_ID, WorkDirectory


class Subwords(tf.Module):
    """One SentencePiece model; its bytes become part of a SavedModel that uses it."""

    def __init__(self, path: Path):
        super().__init__()
        if not path.is_file():
            raise UserError(f"{path}: no such subword model; prepare the corpus first (make prepare)")
        # TensorFlow shares the tokenizers of one name among all SavedModels that a process loads, and the
        # default name is the same for all: the second would silently be the first.
        name = f"subwords_{sha256_of(path)}"
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(model=path.read_bytes(), name=name)

    @property
    def vocabulary(self) -> int:
        """How many subwords there are."""
        return int(self._tokenizer.vocab_size())

    def ids(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Of string [batch]: ids int32 [batch, length] with END_ID, padded; and subwords without it, int32 [batch]."""
        ragged = self._tokenizer.tokenize(texts)
        ends = tf.fill([ragged.nrows(), 1], END_ID)
        return tf.concat([ragged, ends], axis=1).to_tensor(PADDING_ID), tf.cast(ragged.row_lengths(), tf.int32)

    def texts(self, ids: tf.Tensor) -> tf.Tensor:
        """Of int32 [batch, length] with END_ID and padding: string [batch]."""
        words = tf.ragged.boolean_mask(ids, (ids != PADDING_ID) & (ids != END_ID))
        return self._tokenizer.detokenize(words)

    def pieces(self, ids: tf.Tensor) -> tf.Tensor:
        """The subwords of int32 [...] as the model has them, ▁ for a space: string [...]; "" for padding."""
        return tf.where(ids == PADDING_ID, "", self._tokenizer.id_to_string(ids))


def load_subwords(work: WorkDirectory, joint: bool) -> tuple[Subwords, Subwords]:
    """The subwords of the source and of the target side; the same object where they are joint."""
    source = Subwords(work.subword_model("source", joint))
    return source, source if joint else Subwords(work.subword_model("target", joint))
