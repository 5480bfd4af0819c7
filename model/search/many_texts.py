"""Any number of texts, translated in batches of like lengths, several at a time."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, cast

import tensorflow as tf
from tqdm import tqdm

from model.search.translator import TextTranslator
from workspace.machine import cores_of_worker

Item = TypeVar("Item")
Result = TypeVar("Result")
# Texts, and the bar that shows how many are done -> (translation, score) of each, in their order.
TranslateAll: TypeAlias = Callable[[list[str], tqdm | None], list[tuple[str, float]]]


def translate_all(
    translator: TextTranslator, texts: list[str], progress: tqdm | None = None
) -> list[tuple[str, float]]:
    """(translation, score) of every text, in its order."""

    def translate(batch: list[str]) -> list[tuple[str, float]]:
        translated = translator.translate(tf.constant(batch))
        scores = translated.score.numpy().tolist()
        return [(text.decode(), score) for text, score in zip(translated.text.numpy(), scores, strict=True)]

    return in_batches(translate, translator.search.batch_sentences, texts, progress)


def in_batches(
    translate: Callable[[list[Item]], list[Result]],
    size: int,
    texts: Sequence[Item],
    progress: tqdm | None = None,
    size_of: Callable[[Item], int] = len,  # type: ignore[assignment]
) -> list[Result]:
    """What ``translate`` gives for the texts, ``size`` at a time, in their order; those of similar length go together.

    Several batches at a time, one for each core.
    """
    order = sorted(range(len(texts)), key=lambda index: size_of(texts[index]))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    results: list[Result | None] = [None] * len(texts)
    threads = concurrent.futures.ThreadPoolExecutor(_batches_at_a_time())
    try:
        asked = threads.map(translate, ([texts[index] for index in batch] for batch in batches))
        for indices, translations in zip(batches, asked, strict=True):
            for index, translation in zip(indices, translations, strict=True):
                results[index] = translation
            if progress is not None:
                progress.update(len(indices))
    finally:
        # Whoever is interrupted waits only for what is under way.
        threads.shutdown(cancel_futures=True)
    return cast("list[Result]", results)


def _batches_at_a_time() -> int:
    """How many batches to translate at a time: one for each core, or one where a GPU does it."""
    return 1 if tf.config.list_logical_devices("GPU") else cores_of_worker()
