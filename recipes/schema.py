"""The settings of a run: every key a recipe may have, its unit and its default.

A recipe is a YAML file; ``recipes.loading`` reads and checks it. Whatever a recipe leaves out has the
default below, and a key that is not below is an error that names the nearest one that is. The sections about
the data are in ``recipes.data_schema``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from recipes.data_schema import Cleaning, Corpora, Section, Split, Subwords, TrainingCorpus


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
    jit_compile: bool | None = Field(
        None,
        description="compile the gradient with XLA, for each of a few shapes of batch; a TPU always does; default: "
        "where there is a GPU",
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
    max_source_length: int = Field(
        500,
        ge=1,
        description="longest text, in subwords; a longer one is answered by an empty translation with a score of minus "
        "infinity",
    )
    max_request_texts: int = Field(
        128, ge=1, description="texts that the exported model takes at a time; a request with more is refused"
    )


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
