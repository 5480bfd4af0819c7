"""Nearly the same pairs, found as often as the theory says."""

from __future__ import annotations

import random

import pytest

from pipelines.cleaning.near_duplicates import band_keys, bands_and_rows


def altered(text: str, characters: int, chance: random.Random) -> str:
    """The text with some of its characters, far apart, changed to ones it does not have."""
    letters = list(text)
    for place in chance.sample(range(0, len(text) - 6, 7), characters):
        letters[place] = "_"
    return "".join(letters)


def jaccard(one: str, other: str) -> float:
    sets = [{text[i : i + 5] for i in range(len(text) - 4)} for text in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("characters", [1, 4, 8, 16])
def test_pairs_are_found_as_often_as_the_theory_says(similarity: float, characters: int) -> None:
    chance = random.Random(1)
    texts = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=150)) for _ in range(400)]
    others = [altered(text, characters, chance) for text in texts]
    bands, rows = bands_and_rows(similarity)
    probabilities = [1 - (1 - jaccard(*both) ** rows) ** bands for both in zip(texts, others, strict=True)]
    keys, other_keys = band_keys(texts, similarity), band_keys(others, similarity)
    found = sum(bool(set(a) & set(b)) for a, b in zip(keys.tolist(), other_keys.tolist(), strict=True))
    # Four standard deviations of the binomial distribution, and one for what the hash functions have in common.
    allowed = 5 * (sum(p * (1 - p) for p in probabilities) ** 0.5) + 4
    assert found == pytest.approx(sum(probabilities), abs=allowed)


def test_the_steepest_place_is_near_what_was_asked_for() -> None:
    for similarity in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        bands, rows = bands_and_rows(similarity)
        assert bands * rows <= 256
        assert (1 / bands) ** (1 / rows) == pytest.approx(similarity, abs=0.05)


def test_a_text_has_the_same_bands_in_any_block_and_no_band_twice() -> None:
    texts = ["", "abc", "abcdefghij", "abcdefghij", "zyxwvuts"]
    keys = band_keys(texts, 0.7)
    assert (keys == [band_keys([text], 0.7)[0] for text in texts]).all()
    assert keys[2].tolist() == keys[3].tolist()
    assert set(keys[2].tolist()).isdisjoint(keys[4].tolist())
    assert all(len(set(row)) == len(row) for row in keys.tolist())
