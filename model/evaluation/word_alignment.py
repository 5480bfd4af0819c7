"""Which words of a sentence the words of a given translation attend to, and what follows for hard alignments.

The network attends from subword to subword. Subwords are put to words by the bytes of the text that they have in
common, whatever normalisation made of the text in between: a word of the source has the weights of its subwords
together, and a word of the target the mean of its subwords' rows. A subword that is of two words is shared out between
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import regex
import tensorflow as tf
from tqdm import tqdm

from model.data.subwords import Subwords
from model.search.forced import forced_decoding
from model.search.many_texts import in_batches
from model.search.translator import TextTranslator
from workspace.locations import Location
from workspace.scripts import UNSPACED_LETTERS
from workspace.storage import write_text

_WORD = regex.compile(r"\S+")
_UNSPACED = regex.compile(UNSPACED_LETTERS, regex.V1)

Link = tuple[int, int]


class SubwordAlignment(NamedTuple):
    """What the subwords of a translation attend to, the end of sentence aside.

    source, target: int [subwords, 2], the bytes of the text at which each begins and ends; weights: float [target
    subwords, source subwords], whose rows add up to what the end of the source did not get of 1.
    """

    source: np.ndarray
    target: np.ndarray
    weights: np.ndarray


class WordAlignment(NamedTuple):
    """What the words of a translation attend to. weights: float [target words, source words], rows of at most 1."""

    source: list[str]
    target: list[str]
    weights: np.ndarray

    def links(self) -> list[Link]:
        """For every target word the source word that it attends to most, (source, target), counted from 0; in the order
        of the source."""
        if not self.weights.size:
            return []
        most = self.weights.argmax(axis=1).tolist()
        return sorted((source, target) for target, source in enumerate(most) if self.weights[target, source] > 0)


def align_subwords(
    translator: TextTranslator, sources: Sequence[str], targets: Sequence[str], progress: tqdm | None = None
) -> list[SubwordAlignment]:
    """What every given translation attends to, by forced decoding of it as SentencePiece writes it.

    translator: with a model that attends. Of an empty translation nothing is decoded, and nothing is here of its
    source.
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2, autograph=False)
    def alignment(texts: tf.Tensor, translations: tf.Tensor) -> tf.Tensor:
        source, target = translator.source_subwords.ids(texts), translator.target_subwords.ids(translations)
        return forced_decoding(translator.model, source.ids, target.ids).alignment

    def align(batch: list[tuple[str, str]]) -> list[SubwordAlignment]:
        texts, translations = (tf.constant(side) for side in zip(*batch, strict=True))
        places = zip(
            *(
                _places(*each)
                for each in ((translator.source_subwords, texts), (translator.target_subwords, translations))
            ),
            strict=True,
        )
        return [
            SubwordAlignment(source, target, weights[: len(target), : len(source)])
            for (source, target), weights in zip(places, alignment(texts, translations).numpy(), strict=True)
        ]

    pairs = list(zip(sources, targets, strict=True))
    written = [index for index, (_, target) in enumerate(pairs) if target.strip()]
    found = in_batches(
        align, translator.search.batch_sentences, [pairs[index] for index in written], progress, size_of=_characters
    )
    nothing = SubwordAlignment(np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros((0, 0)))
    of_pair = dict(zip(written, found, strict=True))
    return [of_pair.get(index, nothing) for index in range(len(pairs))]


def align_words(source: str, target: str, subwords: SubwordAlignment) -> WordAlignment:
    """The alignment of the words of two texts: of what spaces separate, and where that has letters of a script without
    spaces, of its subwords."""
    return merged((source, words_in(source, subwords.source)), (target, words_in(target, subwords.target)), subwords)


def merged(
    source: tuple[str, Sequence[Link]], target: tuple[str, Sequence[Link]], subwords: SubwordAlignment
) -> WordAlignment:
    """The alignment of words that are given by the bytes at which they begin and end, in their order."""
    of_source = _in_common(subwords.source, source[1])
    of_target = _in_common(subwords.target, target[1])
    shares = of_source / np.maximum(1, of_source.sum(axis=1, keepdims=True))
    means = (of_target / np.maximum(1, of_target.sum(axis=0))).T
    words = [[_cut(text, *place) for place in places] for text, places in (source, target)]
    return WordAlignment(words[0], words[1], means @ subwords.weights @ shares)


def words_in(text: str, subwords: np.ndarray) -> list[Link]:
    """The bytes at which each word begins and ends."""
    encoded, places = text.encode(), []
    # Of a character that is bytes to the model only the first begins one.
    starts = [int(start) for start in subwords[:, 0] if start < len(encoded) and encoded[start] & 0xC0 != 0x80]
    for found in _WORD.finditer(text):
        begin = len(text[: found.start()].encode())
        end = begin + len(found[0].encode())
        inner = sorted({start for start in starts if begin < start < end}) if _UNSPACED.search(found[0]) else []
        places += list(zip([begin, *inner], [*inner, end], strict=True))
    return places


def pharaoh(links: Iterable[Link]) -> str:
    """Links as Pharaoh has them: ``0-0 2-1``, source-target."""
    return " ".join(f"{source}-{target}" for source, target in links)


def write_alignments(paths: Sequence[Location], alignments: Sequence[WordAlignment]) -> None:
    """Writes source words, target words and hard alignments, in the form that ``model.evaluation.alignment_error``
    reads."""
    of_files = (
        [" ".join(each.source) for each in alignments],
        [" ".join(each.target) for each in alignments],
        [pharaoh(each.links()) for each in alignments],
    )
    for path, lines in zip(paths, of_files, strict=True):
        write_text(path, "".join(f"{line}\n" for line in lines))


def _in_common(subwords: np.ndarray, words: Sequence[Link]) -> np.ndarray:
    """How many bytes a subword and a word have in common, the space before a word counting as its own: [subwords,
    words]."""
    begins = np.array([0, *(end for _, end in words)][: len(words)], int)
    ends = np.array([end for _, end in words], int)
    # What normalisation added has no byte of its own, nor has a space that is a subword before the first word.
    least = np.maximum(subwords[:, 1], subwords[:, 0] + 1)
    return np.maximum(0, np.minimum(least[:, None], ends) - np.maximum(subwords[:, :1], begins))


def _places(subwords: Subwords, texts: tf.Tensor) -> list[np.ndarray]:
    _, starts, ends = subwords.with_places(texts)
    return [np.stack(each, axis=1) for each in zip(starts.numpy(), ends.numpy(), strict=True)]


def _cut(text: str, begin: int, end: int) -> str:
    return text.encode()[begin:end].decode(errors="replace")


def _characters(pair: tuple[str, str]) -> int:
    return len(pair[1])
