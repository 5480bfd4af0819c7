"""The lines of a batch job, by a model that is worked by hand."""

from __future__ import annotations

from pipelines.translation.job import BATCH_SENTENCES, translate_lines
from serving.client.answers import TOO_LONG, Translation


def test_lines_that_are_too_long_are_translated_sentence_by_sentence() -> None:
    """The model takes ten characters, and no more texts at a time than a batch has."""

    def upper(texts: list[str]) -> list[Translation]:
        assert len(texts) <= BATCH_SENTENCES
        return [Translation(text.upper(), -1.0) if len(text) <= 10 else TOO_LONG for text in texts]

    done: list[int] = []
    lines = ["one", "", "a" * 11, "One. Two. Three.", " ".join(["four"] * 200), "b, c. d. " + "e" * 11, *["f."] * 70]
    translations, in_sentences = translate_lines(lines, upper, done.append)
    assert translations == [line.upper() if number not in (2, 5) else None for number, line in enumerate(lines)]
    assert in_sentences == [3, 4]
    assert sum(done) == len(lines)
