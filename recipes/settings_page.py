"""The page of all settings, docs/settings.md, made from the schema: a table for every section of a recipe."""

from __future__ import annotations

import inspect
import re
import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic_core import to_jsonable_python

from recipes.loading import as_yaml
from recipes.schema import Recipe
from recipes.sections import Section, Setting, settings_of

_INTRODUCTION = """\
# The settings of a recipe

For whoever writes a recipe: a YAML file whose sections hold settings. `model.dropout` in the tables below is the
setting `dropout` of the section `model`:

    model:
      dropout: 0.3
      layer_norm: true

A setting that a recipe leaves out has its default; a key that is not on this page is refused, and the nearest one
named. `null` is YAML's word for nothing; a share is a number between 0 and 1. In the work directory of a run,
`recipe.yaml` has every setting as it was in that run.

How to choose the limits of the cleaning is in [cleaning.md](cleaning.md), what a training costs in
[training.md](training.md). This page is made by `make settings` from [recipes/schema.py](../recipes/schema.py) and
[recipes/data_schema.py](../recipes/data_schema.py); edit those.
"""
_KINDS = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    tuple: "list of texts",
    dict: "settings",
}
_RANGES = {
    (): "",
    ("ge",): ", {ge} or more",
    ("gt",): ", above {gt}",
    ("le",): ", {le} or less",
    ("ge", "le"): ", {ge} to {le}",
    ("ge", "lt"): ", {ge} to below {lt}",
    ("gt", "le"): ", above {gt} up to {le}",
    ("gt", "lt"): ", above {gt} and below {lt}",
}


def settings_page() -> str:
    """The page, as Markdown."""
    of_sections: dict[type[Section], list[Setting]] = {}
    for setting in settings_of(Recipe):
        of_sections.setdefault(setting.within, []).append(setting)
    parts = [_INTRODUCTION]
    for section, settings in of_sections.items():
        parts += [f"{_hashes(section)} {_heading(section)}", _markdown(section.__doc__), _table(settings)]
        parts += ["\n".join(f"- {check}" for check in _checks(section))]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _table(settings: list[Setting]) -> str:
    """Of a section that a recipe may have at several places, a setting is one row with all its keys."""
    by_name: dict[str, list[Setting]] = {}
    for setting in settings:
        by_name.setdefault(setting.key.rpartition(".")[2], []).append(setting)
    lines = ["| setting | values | unit | default | meaning |", "|---|---|---|---|---|"]
    for first, *others in by_name.values():
        keys = "<br>".join(f"`{setting.key}`" for setting in (first, *others))
        cells = [keys, _values(first), first.words("unit"), _default(first), _meaning(first)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _values(setting: Setting) -> str:
    annotation = setting.field.annotation
    kinds = [kind for kind in get_args(annotation) if kind is not types.NoneType]
    is_optional = get_origin(annotation) in (Union, types.UnionType)
    kind: Any = kinds[0] if is_optional else annotation
    if setting.holds:
        words = f"[{'list of sections' if get_origin(kind) is tuple else 'section'}](#{_anchor(setting.holds)})"
    elif get_origin(kind) is Literal:
        words = f"one of {', '.join(f'`{value}`' for value in get_args(kind))}"
    else:
        words = _KINDS[get_origin(kind) or kind] + _range(setting)
    # Where null is the default, what it means is told there.
    return f"{words}; or `null`" if is_optional and setting.default is not None else words


def _range(setting: Setting) -> str:
    """In words, behind those for the kind of number."""
    bounds = {
        name: f"{getattr(constraint, name):,}"
        for name in ("ge", "gt", "le", "lt")
        for constraint in setting.field.metadata
        if hasattr(constraint, name)
    }
    return _RANGES[tuple(bounds)].format(**bounds)


def _default(setting: Setting) -> str:
    if unset := setting.words("unset"):
        return unset
    if isinstance(setting.default, Section):
        return "its defaults"
    written = _as_yaml(setting.default)
    if setting.default != setting.field.default:
        return f"{written} where `{setting.key.rpartition('.')[0]}` is left out"
    return written


def _as_yaml(value: Any) -> str:
    """``value`` as a recipe would have it."""
    return f"`{as_yaml(to_jsonable_python(value)).splitlines()[0]}`"


def _meaning(setting: Setting) -> str:
    """A section without a meaning of its own has the first sentence of what is said of it where it is described."""
    if setting.field.description or not setting.holds:
        return setting.field.description or ""
    first = _markdown(setting.holds.__doc__).partition("\n\n")[0].removesuffix(".")
    return first[0].lower() + first[1:]


def _checks(section: type[Section]) -> list[str]:
    """What must be true of the settings: what every validator says of itself, save those of all sections."""
    validators, of_all = section.__pydantic_decorators__, Section.__pydantic_decorators__.field_validators
    functions = [validator.func for name, validator in validators.field_validators.items() if name not in of_all]
    functions += [validator.func for validator in validators.model_validators.values()]
    return [_markdown(function.__doc__) for function in functions]


def _places(section: type[Section]) -> list[str]:
    """The keys under which a recipe has the section; none for the recipe itself."""
    return [setting.key for setting in settings_of(Recipe) if setting.holds is section]


def _heading(section: type[Section]) -> str:
    return " and ".join(_places(section)) or "The recipe itself"


def _hashes(section: type[Section]) -> str:
    return "#" * (2 + "".join(_places(section)[:1]).count("."))


def _anchor(section: type[Section]) -> str:
    """What GitHub makes of the heading."""
    return re.sub(r"[^\w -]", "", _heading(section).lower()).replace(" ", "-")


def _markdown(docstring: str | None) -> str:
    paragraphs = inspect.cleandoc(docstring or "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
