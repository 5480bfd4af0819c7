"""What TensorBoard shows of a training: curves, the alignment of a few dev sentences, and the recipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.data.references import spread_by_length
from model.evaluation.alignment_picture import draw_alignment
from model.search.translator import TextTranslator
from model.training.callbacks import Logs
from workspace.layout import WorkDirectory
from workspace.listing import files_under, is_file
from workspace.scratch import scratch_directory
from workspace.storage import copy, read_text

PICTURES = 3
# Of a sentence, so that its picture can be read at the width that TensorBoard shows it in.
_MOST_CHARACTERS = 80
_OF_UPDATES = ("loss", "learning_rate", "gradient_norm", "target_words_per_second", "padding")


class TensorBoard(keras.callbacks.Callback):
    """Curves by update: of every tenth one loss, rate, gradient and speed; of every dev evaluation scores and pictures.

    The pictures are of the same sentences every time: a short, a middling and a long one of those of ``dev`` whose
    pictures can be read, translated by ``greedy``. An architecture without alignment has none.
    """

    def __init__(self, work: WorkDirectory, greedy: TextTranslator, dev: Sequence[str]):
        super().__init__()
        self._directory, self._scratch = work.tensorboard, contextlib.ExitStack()
        is_here = isinstance(self._directory, Path)
        self._here = self._directory if is_here else self._scratch.enter_context(scratch_directory())
        self._writer = tf.summary.create_file_writer(str(self._here), filename_suffix=f".{int(time.time())}")
        self._recipe = read_text(work.recipe) if is_file(work.recipe) else ""
        self._greedy = greedy
        readable = [sentence for sentence in dev if len(sentence) <= _MOST_CHARACTERS] or dev
        self._sentences = spread_by_length(readable, PICTURES) if greedy.model.attends else []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        with self._writer.as_default():
            # Four spaces make it preformatted text in Markdown, which is what TensorBoard takes it for.
            tf.summary.text("recipe", "".join(f"    {line}\n" for line in self._recipe.splitlines()), step=0)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if logs and batch % 10 == 0:
            self._write(batch, {name: logs[name] for name in _OF_UPDATES})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs:
            step = int(logs["step"])
            self._write(step, {name: value for name, value in logs.items() if name.startswith("dev_")})
            self._write_pictures(step)
            self._writer.flush()
            self._put()

    def on_train_end(self, logs: Logs | None = None) -> None:
        with self._scratch:
            self._writer.close()
            self._put()

    def _put(self) -> None:
        """What TensorFlow has written here, for it writes paths of this machine only, goes where it should be."""
        if self._here != self._directory:
            for file in files_under(self._here):
                copy(file, self._directory / file.name)

    def _write(self, step: int, values: Logs) -> None:
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def _write_pictures(self, step: int) -> None:
        with self._writer.as_default():
            for number, picture in enumerate(alignment_pictures(self._greedy, self._sentences), 1):
                tf.summary.image(f"alignment/{number}", tf.io.decode_png(picture)[None], step=step)


def alignment_pictures(translator: TextTranslator, sentences: Sequence[str]) -> Iterator[bytes]:
    """For each sentence what every subword of its best translation attends to, as a PNG."""
    if not sentences:
        return
    aligned = translator.align(tf.constant(sentences))
    for source, target, alignment in zip(
        aligned.source_subwords.numpy(), aligned.target_subwords.numpy(), aligned.alignment.numpy(), strict=True
    ):
        read, written = _decoded(source), _decoded(target)
        yield draw_alignment(read, written, alignment[: len(written), : len(read)])


def _decoded(pieces: np.ndarray) -> list[str]:
    """Without what follows the end of the sentence."""
    return [piece.decode() for piece in pieces if piece]
