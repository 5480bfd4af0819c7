"""Reads and writes recipes, lays the command line's overrides over them, and says in one sentence what is wrong."""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from recipes.data_schema import Cleaning
from recipes.schema import Recipe
from recipes.sections import NOTHING, Section, Unquoted, section_of, settings_of
from workspace.errors import UserError
from workspace.listing import is_file
from workspace.locations import Location, located
from workspace.storage import read_text, write_text


def named_recipes() -> list[str]:
    """The names of the recipes that come with the project."""
    return sorted(
        file.name[: -len(".yaml")] for file in resources.files("recipes").iterdir() if file.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str, *overrides: Mapping[str, Any]) -> Recipe:
    """Reads a recipe by name (``bible``) or by path (``my/recipe.yaml``).

    ``overrides`` are laid over the file's keys, one after the other and section by section, before they are checked.
    Raises UserError where there is no such recipe, or it is not YAML, or a setting is wrong.
    """
    path: Location = located(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if name_or_path not in named_recipes():
            raise UserError(
                f"there is no recipe {name_or_path!r}; "
                f"give one of {', '.join(named_recipes())}, or a path ending in .yaml"
            )
        path = Path(str(resources.files("recipes").joinpath(f"{name_or_path}.yaml")))
    if not is_file(path):
        raise UserError(f"recipe {path}: no such file")
    settings = read_settings(path, f"recipe {path}")
    settings.setdefault("name", path.stem)
    return check_recipe(functools.reduce(laid_over, overrides, settings), f"recipe {path.name}")


def read_settings(path: Location, origin: str) -> dict[str, Any]:
    """The settings in a YAML file, unchecked. Raises UserError where it is none; ``origin`` says which file it is."""
    try:
        settings = from_yaml(read_text(path, "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{origin} is not UTF-8 ({error.reason} at byte {error.start + 1:,}); save it as that"
        ) from error
    except DuplicateKeyError as error:
        key = str(error.problem).partition('"')[2].partition('"')[0]
        raise UserError(f"{origin} has {key} twice, again in line {_line(error)}; put them together") from error
    except YAMLError as error:
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        place = f" line {_line(error)}" if getattr(error, "problem_mark", None) else ""
        raise UserError(f"{origin}{place} is not YAML ({problem}); mend it") from error
    if not isinstance(settings, dict):
        raise UserError(f"{origin} is not a mapping of settings; see recipes/bible.yaml for one")
    return settings


def from_yaml(text: str) -> Any:
    """What YAML 1.2 says: ``no`` is a word, as Norway's code, and nothing but ``true`` and ``false`` a truth value.

    Words that may be meant for null are ``Unquoted`` where they are.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml.load(text)


def as_yaml(value: Any) -> str:
    """``value`` as YAML that ``from_yaml`` reads."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 1 << 16
    written = io.StringIO()
    yaml.dump(value, written)
    return written.getvalue()


class _Constructor(SafeConstructor):
    """Of scalars without quotes, some are told from those with quotes."""

    def construct_text(self, node: ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        return Unquoted(text) if node.style is None and text.lower() in NOTHING else text


class _Representer(RoundTripRepresenter):
    """It puts them in quotes."""

    def represent_text(self, text: str) -> ScalarNode:
        style = "'" if text.lower() in NOTHING else None
        return self.represent_scalar(_TEXT, text, style=style)


_TEXT = "tag:yaml.org,2002:str"
_Constructor.add_constructor(_TEXT, _Constructor.construct_text)
_Representer.add_representer(str, _Representer.represent_text)


def _line(error: Any) -> str:
    return f"{error.problem_mark.line + 1:,}"


def check_recipe(settings: Mapping[str, Any], origin: str) -> Recipe:
    """The recipe that ``settings`` describe. Raises UserError for a wrong one; ``origin`` says where they stand."""
    with _explained(origin, ()):
        recipe = Recipe.model_validate(settings)
    for number, corpus in enumerate(recipe.corpus.train):
        with _explained(origin, ("corpus", "train", str(number), "cleaning")):
            recipe.cleaning_of(corpus)
    return recipe


def save_recipe(recipe: Recipe, path: Location) -> None:
    """Writes the recipe with every default filled in."""
    write_text(path, as_yaml(recipe.model_dump(mode="json")))


@contextlib.contextmanager
def _explained(origin: str, section: Sequence[str]) -> Iterator[None]:
    """Makes a UserError of what is wrong with the settings of a section, given by the keys that lead to it."""
    try:
        yield
    except ValidationError as error:
        problems = [_sentence({**problem, "loc": (*section, *problem["loc"])}) for problem in error.errors()]
        raise UserError(f"{origin}: {'; '.join(problems)}") from error


def settings_given(text: str) -> dict[str, Any]:
    """The settings in ``training.epochs=2 subwords.vocabulary=1000``, each value as YAML, in the form of a recipe.

    Words are divided as a shell does it, so that quotes hold a value together that has spaces. Raises UserError.
    """
    settings: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"SET={text}: {str(error).lower()}; give key=value, such as training.epochs=2") from error
    for word in words:
        key, is_given, written = word.partition("=")
        *sections, name = key.split(".")
        if not is_given or not all((*sections, name)):
            raise UserError(f"SET={word}: give key=value, such as training.epochs=2")
        within = settings
        for section in sections:
            within = within.setdefault(section, {})
            if not isinstance(within, dict):
                raise UserError(f"SET={word}: {section} has a value already; give it once")
        if name in within:
            raise UserError(f"SET={word}: {key} has a value already; give it once")
        try:
            within[name] = from_yaml(written)
        except YAMLError as error:
            problem = getattr(error, "problem", None) or " ".join(str(error).split())
            raise UserError(f"SET={word}: the value is not YAML ({problem}); put it in quotes") from error
    return settings


def laid_over(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with others laid over them, section by section; a list has its elements by their numbers."""
    merged = dict(settings)
    for key, value in overrides.items():
        below = merged.get(key)
        if isinstance(value, dict) and value and all(name.isdigit() for name in value):
            # One corpus alone needs no list.
            below = below if isinstance(below, list) else [below or {}]
            numbered = laid_over({str(number): each for number, each in enumerate(below)}, value)
            merged[key] = list(numbered.values())
        else:
            merged[key] = laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _sentence(problem: Any) -> str:
    """What is wrong with one setting, and for an unknown key the nearest known one."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}{_suggestion(location)}"
    if problem["type"] == "missing":
        return f"{key} is required"
    if problem["type"] == "string_type":
        return f"{key} takes text (it is {problem['input']!r}); put it in quotes"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] != "value_error":
        return f"{key} {message} (it is {problem['input']!r})"
    # A conflict between sections has no key of its own.
    return f"{key}: {message}" if key else message


def _suggestion(location: list[str]) -> str:
    section: type[Section] = Recipe
    for part in location[:-1]:
        # Corpora are numbered, and a number is no key; each may have settings of the section cleaning.
        if part == "cleaning":
            section = Cleaning
        elif not part.isdigit():
            section = section_of(section.model_fields[part]) or section
    siblings = difflib.get_close_matches(location[-1], section.model_fields, n=1)
    everywhere = [setting.key for setting in settings_of(Recipe) if setting.holds is None]
    elsewhere = [key for key in everywhere if key.rpartition(".")[2] == location[-1]]
    nearest = [".".join([*location[:-1], siblings[0]])] if siblings else elsewhere
    if not nearest:
        nearest = difflib.get_close_matches(".".join(location), everywhere, n=1, cutoff=0)
    return f"; did you mean {nearest[0]}?"
