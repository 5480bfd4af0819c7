"""Which of like pairs are kept, against the rule said in the plainest way."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.duplicates import KEYS, Drop, beyond_translations, ranks_of, target_drops, without_copies
from pipelines.cleaning.records import Pair, Rejection
from pipelines.cleaning.rules import OVERLAP, SOURCES, TRANSLATIONS

# (target, place): pairs with the same place are copies and have the same target.
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=25)


# Of two corpora, of which the second weighs more.
RANKS = (1, 0)


def keys_of(rows: list[tuple[int, int, bool]]) -> np.ndarray:
    """Line n is row n; of every third row the corpus is the second, which ranks first."""
    return np.array(
        [
            (t, 10 * t + p, RANKS[n % 3 // 2], n % 3 // 2, n, 7 if held_out else 1, held_out)
            for n, (t, p, held_out) in enumerate(rows)
        ],
        KEYS,
    )


@given(ROWS, st.integers(1, 3), st.randoms(use_true_random=False))
def test_target_drops(rows: list[tuple[int, int, bool]], most: int, random: object) -> None:
    keys = keys_of(rows)
    shuffled = keys[np.random.default_rng(random.randint(0, 99)).permutation(len(keys))]  # type: ignore[attr-defined]
    found = {(drop.corpus, drop.line): drop.rejection for _, drop in target_drops(shuffled, True, most)}
    held_out = {t for t, _, is_held_out in rows if is_held_out}
    expected: dict[tuple[int, int], Rejection] = {}
    seen: dict[int, list[int]] = {}
    for key in sorted(keys.tolist(), key=lambda key: (key[2], key[4])):
        target, place, _, corpus, line, _, is_held_out = key
        if is_held_out:
            continue
        places = seen.setdefault(target, [])
        if target in held_out:
            expected[corpus, line] = Rejection(OVERLAP)
        elif place not in places:
            places.append(place)
            if len(places) > most:
                expected[corpus, line] = Rejection(SOURCES, len(places), most)
    assert found == expected


@given(ROWS)
def test_nothing_is_dropped_that_was_not_asked_for(rows: list[tuple[int, int, bool]]) -> None:
    assert list(target_drops(keys_of(rows), False, None)) == []
    assert {drop.rejection.reason for _, drop in target_drops(keys_of(rows), True, None)} <= {OVERLAP}


def test_a_drop_goes_to_the_partition_of_its_pair() -> None:
    keys = np.array([(5, 1, 0, 0, 3, 4, False), (5, 2, 0, 0, 2, 9, True)], KEYS)
    assert list(target_drops(keys, True, None)) == [(4, Drop(0, 3, Rejection(OVERLAP)))]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=20), st.permutations([0, 1, 2]))
def test_of_copies_the_first_of_the_corpus_that_ranks_first_stays(
    rows: list[tuple[int, int]], ranks: list[int]
) -> None:
    pairs = sorted(Pair(bytes([place]), corpus, line, "s", "t") for line, (place, corpus) in enumerate(rows))
    kept, copies = without_copies(pairs, ranks)
    assert sorted(kept + copies) == pairs
    assert Counter(pair.place for pair in kept) == dict.fromkeys({pair.place for pair in pairs}, 1)
    for copy in copies:
        (first,) = (pair for pair in kept if pair.place == copy.place)
        assert (ranks[first.corpus], first.line) < (ranks[copy.corpus], copy.line)


def test_the_heaviest_corpus_ranks_first() -> None:
    assert ranks_of([1.0, 0.5, 3.0, 1.0]) == [1, 3, 0, 2]


def test_further_translations_of_a_sentence_are_those_later_in_the_corpora() -> None:
    texts = [("Yes!", "Oui"), ("yes", "Si"), ("No", "Non"), ("YES.", "Ouais")]
    pairs = [Pair(bytes([9 - line]), line % 2, line, source, target) for line, (source, target) in enumerate(texts)]
    found = list(beyond_translations(sorted(pairs), 1, [0, 1]))
    assert sorted(found) == [Drop(1, 1, Rejection(TRANSLATIONS, 2, 1)), Drop(1, 3, Rejection(TRANSLATIONS, 3, 1))]
    assert list(beyond_translations(pairs, 3, [0, 1])) == []
    # The second corpus ranks first.
    assert {drop.line for drop in beyond_translations(sorted(pairs), 1, [1, 0])} == {0, 3}
