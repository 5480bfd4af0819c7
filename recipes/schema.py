"""The settings of a run: every key a recipe may have, with its default, its meaning and the unit of every number.

A recipe is a YAML file; ``recipes.loading`` reads and checks it. Whatever a recipe leaves out has the
default below, and a key that is not below is an error that names the nearest one that is. The sections about
the data are in ``recipes.data_schema``. docs/settings.md is made from both by ``make settings``, so meanings, and
what docstrings say of sections and their checks, are written for who writes recipes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from recipes.data_schema import Cleaning, Corpora, Split, Subwords, TrainingCorpus
from recipes.sections import Section, setting

Tokenizer: TypeAlias = Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "flores101", "flores200", "char", "none"]
BestBy: TypeAlias = Literal["bleu", "chrf", "loss"]


def _listed(paths: Any) -> Any:
    return [paths] if isinstance(paths, str) else paths


class Model(Section):
    """The network (Bahdanau, Cho and Bengio 2015, appendix A; the paper's letters in brackets)."""

    architecture: Literal["rnnsearch", "rnnencdec"] = setting(
        "rnnsearch", "with attention, or the paper's baseline with one fixed context `c = h_T`"
    )
    embedding_units: int = setting(256, "size of a word embedding [m]", unit="units", ge=1)
    encoder_units: int = setting(256, "size of the encoder's state in each direction [n]", unit="units", ge=1)
    encoder_layers: int = setting(
        1, "layers of the encoder; each above the first adds its states to those below it", unit="layers", ge=1
    )
    decoder_units: int = setting(512, "size of the decoder's state [n]", unit="units", ge=1)
    decoder_layers: int = setting(
        1, "layers of the decoder, added up likewise; only the first attends", unit="layers", ge=1
    )
    alignment_units: int = setting(256, "hidden units of the alignment model [n']", unit="units", ge=1)
    readout_units: int = setting(256, "maxout units before the softmax [l]", unit="units", ge=1)
    readout_state: Literal["current", "previous"] = setting(
        "current", "decoder state that the read-out sees: `s_i` (equation 4) or `s_{i-1}` (appendix A.2.2)"
    )
    initialization: Literal["glorot", "paper"] = setting(
        "glorot", "Glorot uniform, or the paper's (appendix B.1); recurrent matrices are orthogonal in both"
    )
    tied_embeddings: Literal["target", "all"] | None = setting(
        None,
        "`target`: the target embeddings are the softmax matrix too; `all`: so are the source embeddings",
        unset="each is a matrix of its own",
    )
    layer_norm: bool = setting(
        False, "layer normalisation of the GRUs' inputs, the annotations and the read-out; not inside the recurrences"
    )
    dropout: float = setting(
        0.2, "share dropped of embeddings, between layers, and of the read-out", unit="share", ge=0, lt=1
    )
    embedding_dropout: float | None = setting(
        None, "share dropped of embeddings", unit="share", unset="as `model.dropout`", ge=0, lt=1
    )
    layer_dropout: float | None = setting(
        None,
        "share dropped of what every layer above the first reads",
        unit="share",
        unset="as `model.dropout`",
        ge=0,
        lt=1,
    )
    readout_dropout: float | None = setting(
        None, "share dropped of the read-out", unit="share", unset="as `model.dropout`", ge=0, lt=1
    )
    recurrent_dropout: float = setting(
        0.0,
        "share of a GRU's state that the products of its next step do not see, the same units at every step",
        unit="share",
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _ties_equal_sizes(self) -> Model:
        """With ``tied_embeddings``, ``readout_units`` must equal ``embedding_units``."""
        if self.tied_embeddings and self.readout_units != self.embedding_units:
            raise ValueError(
                f"tied_embeddings needs readout_units ({self.readout_units}) to be embedding_units "
                f"({self.embedding_units})"
            )
        return self


class Training(Section):
    """How the network is trained.

    An update changes all weights once, by the gradient of one batch or, with ``accumulate``, of several.
    """

    init_from: str | None = setting(None, "work directory of another run, to start from its best weights (fine-tuning)")
    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = setting(
        "adam", "Adam, Adam with weight decay, Adadelta (rho 0.95, epsilon 1e-6), or gradient descent"
    )
    weight_decay: float = setting(
        0.0,
        "with `adamw`: this times the learning rate is the share of itself that every matrix loses at an update",
        unit="factor",
        ge=0,
    )
    momentum: float = setting(
        0.0, "with `sgd`: share of the previous change that is made again", unit="share", ge=0, lt=1
    )
    learning_rate: float = setting(
        1e-3, "learning rate at its highest; 1 for the paper's Adadelta", unit="factor", gt=0
    )
    schedule: Literal["constant", "cosine", "inverse_sqrt", "plateau"] = setting(
        "constant",
        "what becomes of the learning rate after the warm-up: it stays (`constant`), falls to 0 at the last update "
        "(`cosine`), falls with 1/√updates (`inverse_sqrt`), or is lowered when the dev score gets no better "
        "(`plateau`)",
    )
    warmup_steps: int = setting(0, "updates over which the learning rate rises from 0", unit="updates", ge=0)
    plateau_factor: float = setting(
        0.5, "with `plateau`: what the learning rate is multiplied by to lower it", unit="factor", gt=0, lt=1
    )
    plateau_patience: int = setting(
        2, "with `plateau`: dev evaluations without a better score before it is lowered", unit="dev evaluations", ge=1
    )
    clip_norm: float = setting(
        1.0, "largest norm of the gradient of all weights together; a larger one is scaled down", unit="L2 norm", gt=0
    )
    ema_decay: float = setting(
        0.0,
        "share of itself that a moving average of the weights keeps at an update; the average is what is evaluated and "
        "kept; 0: no average",
        unit="share",
        ge=0,
        lt=1,
    )
    subword_sampling: float | None = setting(
        None,
        "draws the segmentations of the training sentences anew in every epoch; `unigram`: the exponent of their "
        "likelihoods (the smaller, the more they vary); `bpe`: the share of merges left out (the larger, the more)",
        unit="exponent or share",
        unset="the best segmentations, always",
        gt=0,
        le=1,
    )
    label_smoothing: float = setting(
        0.0, "share of the probability that is spread evenly over the vocabulary", unit="share", ge=0, lt=1
    )
    batch_tokens: int | None = setting(
        None,
        "most subwords on either side of a batch, padding counted; a batch has pairs of like length, and all replicas "
        "share it",
        unit="subwords",
        ge=1,
    )
    batch_pairs: int | None = setting(
        None, "pairs of a batch, shared by all replicas, in place of `batch_tokens`", unit="pairs", ge=1
    )
    accumulate: int = setting(
        1,
        "batches that make an update together, like one large one; an epoch's last may have fewer",
        unit="batches",
        ge=1,
    )
    sorted_batches: int = setting(
        20, "with `batch_pairs`: batches that are read and sorted by length at a time", unit="batches", ge=1
    )
    epochs: int = setting(10, "most passes over the training shards", unit="epochs", ge=1)
    max_steps: int | None = setting(None, "most updates in all", unit="updates", unset="those of all epochs", ge=1)
    evaluate_every: int | None = setting(
        None, "updates from one dev evaluation to the next", unit="updates", unset="those of an epoch", ge=1
    )
    checkpoint_seconds: float = setting(
        60.0, "time from one checkpoint to the next; there is one after every dev evaluation, too", unit="seconds", ge=0
    )
    keep_checkpoints: int = setting(
        1,
        "checkpoints of the last dev evaluations that are kept beside the best, for `ensemble.checkpoints`",
        unit="checkpoints",
        ge=1,
    )
    best_by: BestBy | None = setting(
        None,
        "dev score by which the best weights are chosen, of greedy translations: BLEU, chrF, or the loss of the "
        "references; of equal ones, and of those next to nothing, the later",
        unset="`bleu`; `chrf` where BLEU counts characters for want of its tokenizer (`evaluation.tokenize`)",
    )
    patience: int = setting(
        5,
        "dev evaluations without a better score before training stops, once the score is more than next to nothing",
        unit="dev evaluations",
        ge=1,
    )
    precision: Literal["float32", "bfloat16", "float16"] = setting(
        "float32", "format of the matrix products in training; softmax, loss and weights are float32 in any case"
    )
    updates_per_call: int = setting(
        1,
        "updates that a device makes before it comes back to Python, for which it may have to wait; no checkpoint is "
        "made between them",
        unit="updates",
        ge=1,
    )
    jit_compile: bool | None = setting(
        None,
        "XLA compiles the gradient, for each of a few shapes of batch; for a TPU it always does",
        unset="`true` where there is a GPU",
    )
    seed: int = setting(1, "seed of weights, order of batches, dropout and subword sampling", unit="none", ge=0)

    @model_validator(mode="after")
    def _one_batch_size(self) -> Training:
        """A recipe with this section must give ``batch_tokens`` or ``batch_pairs``, and not both."""
        if (self.batch_tokens is None) == (self.batch_pairs is None):
            raise ValueError("give either batch_tokens or batch_pairs")
        return self

    @model_validator(mode="after")
    def _fits_the_optimizer(self) -> Training:
        """The optimizer ``adamw`` and ``weight_decay`` need one another; ``momentum`` needs ``sgd``."""
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
        """The schedule ``inverse_sqrt`` needs ``warmup_steps``; ``plateau`` needs ``plateau_patience`` to be less than
        ``patience``, or training would stop before the learning rate is lowered."""
        if self.schedule == "inverse_sqrt" and not self.warmup_steps:
            raise ValueError("the schedule inverse_sqrt needs warmup_steps, at the end of which it is highest")
        if self.schedule == "plateau" and self.plateau_patience >= self.patience:
            raise ValueError(
                f"plateau_patience ({self.plateau_patience}) must be less than patience ({self.patience}), "
                "or training stops before the learning rate is lowered"
            )
        return self


class Search(Section):
    """Beam search, in evaluation and in the exported model, and sampling in the exported model."""

    beam_size: int = setting(6, "hypotheses kept; 1 is greedy search", unit="hypotheses", ge=1)
    length_normalization: float = setting(
        1.0,
        "`a` in the score `log p / length^a`; 0: the log-probability; 1: its mean over the words",
        unit="exponent",
        ge=0,
    )
    length_penalty: Literal["power", "gnmt"] = setting(
        "power",
        "what log p is divided by: `length^a` (`power`), or `((5 + length) / 6)^a` (`gnmt`, Wu et al. 2016, "
        "equation 14), which gains less by the first words",
    )
    coverage_penalty: float = setting(
        0.0,
        "`β` of what a score loses by source words that the attention has left out, `β Σ_i log(min(Σ_j p_ij, 1))` (the "
        "same equation); 0: nothing",
        unit="factor",
        ge=0,
    )
    max_length_ratio: float = setting(
        2.0, "most subwords of a translation for each of the source", unit="subwords per subword", gt=0
    )
    max_length_extra: int = setting(10, "subwords that it may have on top of that", unit="subwords", ge=0)
    min_length_ratio: float = setting(
        0.0, "least subwords of a translation for each of the source", unit="subwords per subword", ge=0
    )
    no_repeat_ngram: int = setting(
        0, "no sequence of so many subwords comes twice in a translation; 0: it may", unit="subwords", ge=0
    )
    beam_groups: int = setting(
        1, "equal parts of the beam, each of which is searched to differ from those before it", unit="groups", ge=1
    )
    group_diversity: float = setting(
        0.0,
        "what a word loses of its log p, in choosing, for each hypothesis of the groups before that takes it at that "
        "place (diverse beam search, Vijayakumar et al. 2018)",
        unit="log-probability",
        ge=0,
    )
    batch_sentences: int = setting(32, "sentences translated at a time", unit="sentences", ge=1)
    max_source_length: int = setting(
        500,
        "longest text that is translated; the answer to a longer one is empty, with a score of minus infinity",
        unit="subwords",
        ge=1,
    )
    max_request_texts: int = setting(
        128, "most texts that the exported model takes at a time; a request with more is refused", unit="texts", ge=1
    )
    samples: int = setting(
        8, "translations that the exported model draws at random for a text and a seed", unit="translations", ge=1
    )
    sampling_temperature: float = setting(
        1.0, "`T` where words are drawn with probability `p^(1/T)`; 1: as the model finds them likely", unit="T", gt=0
    )
    sampling_top_k: int = setting(0, "the likeliest words, of which one is drawn; 0: all", unit="words", ge=0)
    sampling_top_p: float = setting(
        1.0,
        "the share that the likeliest words have together of which one is drawn (nucleus sampling); 1: all words",
        unit="share",
        gt=0,
        le=1,
    )
    unknown_words: Literal["copy", "keep"] = setting(
        "copy",
        "what stands in a translation for a word outside the vocabulary: the source's word that it attends to most, as "
        "it is written there (nothing in an `rnnencdec`, which does not attend), or the mark `⁇`",
    )
    unknown_dictionary: str | None = setting(
        None,
        "with `copy`: file of source words and their translations, a tab between the two, which stand there instead",
        unset="words are copied as they are",
    )

    @model_validator(mode="after")
    def _has_equal_groups(self) -> Search:
        """``beam_groups`` must divide ``beam_size``; more than one of them and ``group_diversity`` need one another."""
        if self.beam_size % self.beam_groups:
            raise ValueError(f"beam_size ({self.beam_size}) must be a multiple of beam_groups ({self.beam_groups})")
        if (self.beam_groups > 1) != (self.group_diversity > 0):
            raise ValueError(
                f"several beam_groups and group_diversity need one another (they are {self.beam_groups} and "
                f"{self.group_diversity})"
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_the_least(self) -> Search:
        """``min_length_ratio`` must not be above ``max_length_ratio``."""
        if self.min_length_ratio > self.max_length_ratio:
            raise ValueError(
                f"min_length_ratio ({self.min_length_ratio}) must not be above max_length_ratio "
                f"({self.max_length_ratio})"
            )
        return self

    @model_validator(mode="after")
    def _looks_up_what_it_copies(self) -> Search:
        """``unknown_dictionary`` needs ``unknown_words: copy``."""
        if self.unknown_dictionary is not None and self.unknown_words != "copy":
            raise ValueError("unknown_dictionary needs unknown_words: copy, for words that are kept are not looked up")
        return self


class Ensemble(Section):
    """Models that translate together, in evaluation and in the exported model: alone by default."""

    runs: Annotated[tuple[str, ...], BeforeValidator(_listed)] = setting(
        (), "work directories of other trainings with the same subwords, whose models join; one alone needs no list"
    )
    checkpoints: int = setting(
        1,
        "weights of every training that take part: those of its last dev evaluations (`training.keep_checkpoints`); 1: "
        "the best alone",
        unit="checkpoints",
        ge=1,
    )
    average: Literal["probability", "log_probability", "weights"] = setting(
        "probability",
        "of what the mean is taken: of the models' probabilities of the next word, of their logarithms, or of the "
        "weights of the checkpoints of a training, which then are one model, as fast as any; trainings are averaged as "
        "probabilities then",
    )

    @model_validator(mode="after")
    def _weights_of_one_training(self) -> Ensemble:
        """``average: weights`` needs ``checkpoints`` to be more than 1: weights of different trainings have nothing in
        common."""
        if self.average == "weights" and self.checkpoints == 1:
            raise ValueError(
                "average: weights is of the checkpoints of one training, for weights of different ones have nothing in "
                "common; set checkpoints to more than 1, or average to probability"
            )
        return self


class Evaluation(Section):
    """How translations are scored by sacreBLEU, and how good they must be for an export."""

    tokenize: Tokenizer | None = setting(
        None,
        "tokenizer of BLEU, as sacreBLEU names it; `flores101` and `flores200` are downloaded by sacreBLEU",
        unset="by the script of `corpus.target_language`: `zh`, `ja-mecab`, `ko-mecab`, `flores200` (Thai, Lao, Khmer, "
        "Burmese, Tibetan), or `13a`; `char` where that one is not here, or `13a` is not for the references",
    )
    references: Annotated[tuple[str, ...], BeforeValidator(_listed)] = setting(
        (),
        "files of further translations of the test set, one of line n of `corpus.test.source` in line n; plain, and on "
        "this machine; one alone needs no list",
    )
    comet: str | None = setting(
        None,
        "model of COMET that scores, too: its name (`Unbabel/wmt22-comet-da`), or the path of its checkpoint; without "
        "the package unbabel-comet it has no effect",
    )
    minimum: float = setting(
        0.0,
        "least test score of a model that is exported: BLEU, or chrF where `training.best_by` is `chrf`",
        unit="score",
        ge=0,
        le=100,
    )
    tolerance: float = setting(
        1.0,
        "how much less of it a model may have than the newest version in export/, on the same test set; more is "
        "refused where it is significant (p < 0.05)",
        unit="score",
        ge=0,
        le=100,
    )


class Recipe(Section):
    """A whole run, most of it in sections."""

    name: str = Field(
        description="name of the run in the titles of reports",
        json_schema_extra={"unset": "the name of the recipe's file"},
    )
    corpus: Corpora = Corpora()
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    subwords: Subwords = Subwords()
    shards: int = setting(8, "files that the training split is written to", unit="files", ge=1, le=99_999)
    model: Model = Model()
    training: Training = Training(batch_tokens=4000)
    search: Search = Search()
    ensemble: Ensemble = Ensemble()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _ties_one_vocabulary(self) -> Recipe:
        """``model.tied_embeddings: all`` needs ``subwords.joint``, one vocabulary for both sides."""
        if self.model.tied_embeddings == "all" and not self.subwords.joint:
            raise ValueError(
                "model.tied_embeddings: all needs one vocabulary for both sides; set subwords.joint to true, or tie "
                "target only"
            )
        return self

    @model_validator(mode="after")
    def _covers_by_attention(self) -> Recipe:
        """``search.coverage_penalty`` needs attention, which ``model.architecture: rnnencdec`` does not have."""
        if self.search.coverage_penalty and self.model.architecture == "rnnencdec":
            raise ValueError(
                "search.coverage_penalty needs attention, which model.architecture rnnencdec does not have; set it to 0"
            )
        return self

    @model_validator(mode="after")
    def _samples_of_subwords(self) -> Recipe:
        """``training.subword_sampling`` needs ``subwords.type`` unigram or bpe: words have one segmentation only."""
        if self.training.subword_sampling is not None and self.subwords.type == "word":
            raise ValueError(
                "training.subword_sampling needs subwords.type unigram or bpe, for words have one segmentation only"
            )
        return self

    @model_validator(mode="after")
    def _keeps_what_takes_part(self) -> Recipe:
        """``ensemble.checkpoints`` needs ``training.keep_checkpoints`` to be as many at least."""
        if self.ensemble.checkpoints > self.training.keep_checkpoints:
            raise ValueError(
                f"ensemble.checkpoints ({self.ensemble.checkpoints}) is more than training.keep_checkpoints "
                f"({self.training.keep_checkpoints}); train with as many"
            )
        return self

    @model_validator(mode="after")
    def _has_tags_once(self) -> Recipe:
        """The tags of corpora are symbols anyway, and not in ``subwords.symbols``."""
        for corpus in self.corpus.train:
            if corpus.tag in self.subwords.symbols:
                raise ValueError(
                    f"subwords.symbols has {corpus.tag}, the tag of corpus {corpus.name}, which is a symbol anyway; "
                    "take it out there"
                )
        return self

    @model_validator(mode="after")
    def _has_lines_for_references(self) -> Recipe:
        """``evaluation.references`` need ``corpus.test.source``, whose lines theirs are translations of."""
        if self.evaluation.references and not (self.corpus.test and self.corpus.test.source):
            raise ValueError(
                "evaluation.references are translations of the lines of corpus.test.source; give it, and "
                "corpus.test.target"
            )
        return self

    def cleaning_of(self, corpus: TrainingCorpus) -> Cleaning:
        """The cleaning of one corpus: the recipe's, and what the corpus has of its own."""
        return Cleaning.model_validate({**self.cleaning.model_dump(), **corpus.cleaning})
