"""The texts of a chunk, by a model that is worked by hand."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipelines.translation.asked import Asked
from pipelines.translation.batching import BATCH_SUBWORDS, BATCH_TEXTS, in_batches, translate_chunk
from pipelines.translation.chunks import ChunkTexts, Counts
from tests.pipelines.translation.support import ASKED, LONGEST, REFUSED, Capitals

ALL = Asked(score=True, nbest=2, alignment=True)


def chunk_of(*texts: str) -> ChunkTexts:
    return ChunkTexts("a.txt", list(range(11, 11 + len(texts))), list(texts), {})


@given(st.lists(st.sampled_from(["", " ", "one", "two", "three four", " one", "five\nsix", "\r\none\n"]), max_size=20))
def test_every_text_has_its_translation_and_every_line_is_translated_once(texts: list[str]) -> None:
    done: list[int] = []
    ASKED.clear()
    answers, counts, failed = translate_chunk(chunk_of(*texts), Asked(), Capitals(), done.append)
    expected = ["" if not text.strip() else text.strip(" ").upper() for text in texts]
    assert [answer["translation"] for answer in answers] == expected
    assert failed == []
    filled = [text for text in texts if text.strip()]
    assert counts == Counts(len(texts), len(filled), len(texts) - len(filled), 0, 0, len(filled) - len(set(filled)))
    asked = [text for batch in ASKED for text in batch]
    assert sorted(asked, key=len) == asked
    assert sorted(asked) == sorted({line.strip() for text in texts for line in text.splitlines() if line.strip()})
    assert sum(done) == len(texts)


def test_what_is_too_long_is_translated_in_parts_where_it_can_be() -> None:
    long, whole, refused = "One two. Three four. Five.", "x" * (LONGEST + 1), f"{'Six seven eight. ' * 2}{REFUSED}"
    texts = ["a", long, whole, f"b\n{long}", f"b\n{whole}", REFUSED, refused, long]
    chunk = chunk_of(*texts, "left out")._replace(whys={8: "it is not UTF-8"})
    answers, counts, failed = translate_chunk(chunk, Asked(), Capitals(), lambda _: None)
    translated = [place for place, answer in enumerate(answers) if answer["translation"]]
    assert translated == [0, 1, 3, 7]
    assert [answers[place]["translation"] for place in translated] == [texts[place].upper() for place in translated]
    assert counts == Counts(records=9, translated=4, blank=0, failed=5, split=3, repeated=1)
    reasons = {each["line"]: each["reason"] for each in failed}
    assert {each["file"] for each in failed} == {"a.txt"}
    assert reasons == {
        13: (
            too_long := "it is longer than the model translates, and has no sentence end, comma or space where it "
            "could be split"
        ),
        15: too_long,
        16: "it is refused",
        17: "it is refused",
        19: "it is not UTF-8",
    }


def test_what_is_asked_for_besides() -> None:
    """Of a text of several lines, or in parts, there is one translation, and no alignment."""
    answers, _, _ = translate_chunk(chunk_of("a b", "a b\nc", ""), ALL, Capitals(), lambda _: None)
    alignment = {"source": ["a", "b"], "target": ["A", "B"], "links": "0-0 1-1"}
    best = {"translation": "A B", "score": -0.375}
    assert answers == [
        {**best, "nbest": [best, {"translation": "A B", "score": -9.0}], "alignment": alignment},
        {**(both := {"translation": "A B\nC", "score": -0.25}), "nbest": [both], "alignment": None},
        {"translation": "", "score": None, "nbest": [], "alignment": None},
    ]


@given(st.lists(st.integers(1, 3 * BATCH_SUBWORDS // BATCH_TEXTS) | st.just(BATCH_SUBWORDS + 1), max_size=400))
def test_batches_are_as_large_as_they_may_be(lengths: list[int]) -> None:
    subwords = {f"text {number}": length for number, length in enumerate(lengths)}
    found = list(in_batches(subwords, subwords.__getitem__))
    assert [text for batch in found for text in batch] == sorted(subwords, key=lambda text: (subwords[text], text))

    def fits(batch: list[str]) -> bool:
        return len(batch) <= BATCH_TEXTS and len(batch) * subwords[batch[-1]] <= BATCH_SUBWORDS

    assert all(fits(batch) or len(batch) == 1 for batch in found)
    assert not any(fits([*batch, after[0]]) for batch, after in itertools.pairwise(found))
