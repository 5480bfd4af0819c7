"""Words left out and translated twice by their weights, and words found again by how often training has them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.word_alignment import WordAlignment
from model.evaluation.word_statistics import accuracy_by_frequency, coverage_of, frequencies_of


def aligned(source: str, target: str, *rows: list[float]) -> WordAlignment:
    return WordAlignment(source.split(), target.split(), np.array(rows))


def test_words_are_left_out_that_nothing_attends_to() -> None:
    found = coverage_of(
        [
            aligned("The old dog .", "le chien .", [0.9, 0.05, 0, 0], [0, 0.1, 0.9, 0], [0, 0, 0, 1]),
            aligned("an Old, dog", "un chien chien chien", [1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0.1, 0.9]),
            aligned("the dog", "le chien", [0.1, 0.9], [0.1, 0.9]),
            WordAlignment(["old"], [], np.zeros((0, 0))),
        ]
    )
    assert [(each.word, each.times, each.occurrences, each.sentences) for each in found.left_out] == [
        ("old", 2, 2, [0, 1]),
    ]
    assert [(each.word, each.times, each.occurrences, each.sentences) for each in found.twice] == [("dog", 1, 3, [1])]
    # The full stop is none of the words, and of what has no translation nothing is known.
    assert (found.left_out_times, found.twice_times, found.occurrences) == (2, 1, 8)


def test_words_are_found_again_by_their_frequency() -> None:
    frequencies = frequencies_of(["le chien", "le chat", "le vieux"], "NFC")
    assert frequencies == Counter({"le": 3, "chien": 1, "chat": 1, "vieux": 1})
    found = accuracy_by_frequency(
        ["le le chat rouge", "le chien"], ["le chien rouge", "le le vieux"], frequencies, "NFC"
    )
    counts = {each.low: (each.high, each.reference, each.translation, each.matched) for each in found}
    assert counts == {
        0: (0, 1, 1, 1),
        1: (1, 2, 2, 0),
        2: (4, 3, 3, 2),
        5: (9, 0, 0, 0),
        10: (99, 0, 0, 0),
        100: (999, 0, 0, 0),
        1000: (None, 0, 0, 0),
    }
    of_le = found[2]
    assert (of_le.recall, of_le.precision, of_le.f1) == (2 / 3, 2 / 3, 2 / 3)
    assert found[3].f1 == 0


def test_words_are_those_of_any_script_in_one_form() -> None:
    frequencies = frequencies_of(["我在家。", "e\u0301te\u0301"], "NFC")
    assert frequencies == Counter({"我": 1, "在": 1, "家": 1, "。": 1, "été": 1})
    seen = accuracy_by_frequency(["我们 été"], ["我 e\u0301te\u0301"], frequencies, "NFC")[1]
    assert (seen.reference, seen.translation, seen.matched) == (2, 2, 2)


SENTENCES = st.lists(st.tuples(st.text("abc ", max_size=12), st.text("abc ", max_size=12)), min_size=1, max_size=5)


@given(SENTENCES, st.dictionaries(st.sampled_from("abc"), st.integers(0, 2000)))
def test_every_word_is_in_one_class(sentences: list[tuple[str, str]], frequencies: dict[str, int]) -> None:
    translations, references = map(list, zip(*sentences, strict=True))
    found = accuracy_by_frequency(translations, references, Counter(frequencies), "NFC")
    for sides, counted in ((references, "reference"), (translations, "translation")):
        assert sum(getattr(each, counted) for each in found) == sum(len(text.split()) for text in sides)
    assert all(each.matched <= min(each.reference, each.translation) for each in found)
    perfect = accuracy_by_frequency(references, references, Counter(frequencies), "NFC")
    assert all(each.f1 == (1 if each.reference else 0) for each in perfect)
