"""What the schema of a recipe is made of: sections of settings, each with its default, unit and meaning.

``recipes.schema`` and ``recipes.data_schema`` say which there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

Value = TypeVar("Value")


# What a signed number of 32 bits holds, which is what TensorFlow and SentencePiece count in.
MOST = 2**31 - 1
# More would be infinite to the network.
MOST_OF_FLOATS = 3e38
# What people write for null.
NOTHING = ("off", "no", "none", "false", "never", "n", "-")


class Unquoted(str):
    """One of these words as a recipe has it without quotes, which may be meant for null and not for text."""

    __slots__ = ()


class Section(BaseModel):
    """A part of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses what pydantic would take for a number or for text: true for 1, a word for null, more than any
        library counts to, and the name of a file that is no text."""
        if isinstance(value, str) and not value.isascii():
            _check_utf8(value)
        field = cls.model_fields[str(info.field_name)]
        kinds = _kinds(field.annotation)
        if value is None or bool in kinds:
            return value
        if type(None) in kinds and str(value).lower() in NOTHING and value not in _choices(kinds):
            if str not in kinds:
                raise ValueError(f"null turns it off (it is {_as_yaml(value)})")
            # Where null stands for something, such as a column, these are names like others.
            if isinstance(value, (bool, Unquoted)) and not _extra(field, "unset"):
                raise ValueError(f"null turns it off, and text is put in quotes (it is {_as_yaml(value)})")
        if isinstance(value, bool) and {int, float} & kinds:
            raise ValueError(f"it takes a number (it is {_as_yaml(value)})")
        most = MOST if int in kinds else MOST_OF_FLOATS
        is_bounded = any(hasattr(bound, name) for bound in field.metadata for name in ("le", "lt"))
        if isinstance(value, (int, float)) and math.isfinite(value) and abs(value) > most and not is_bounded:
            raise ValueError(f"it takes no number above {most:,} (it is {value:,})")
        return value


def setting(
    default: Value,
    meaning: str,
    *,
    unit: str = "",
    unset: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Value:
    """A setting with its default and its meaning, which is Markdown.

    Every number has a unit, and its bounds are named as pydantic names them. ``unset`` says what an empty default, such
    as None, comes to.
    """
    extra: JsonDict = {"unit": unit, "unset": unset}
    return Field(default, description=meaning, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt)


class Setting(NamedTuple):
    """A setting as a recipe may have it.

    key: with dots, as in training.epochs; within: the section that has it as a field; default: what it is in a recipe
    that leaves out all it can; holds: the section that is its value, or of which it has a list, None for other values.
    """

    key: str
    within: type[Section]
    field: FieldInfo
    default: Any
    holds: type[Section] | None

    def words(self, name: str) -> str:
        """What the schema says of the setting as its ``unit``, or as ``unset``; empty where it says nothing."""
        return _extra(self.field, name)


def settings_of(section: type[Section], prefix: str = "", defaults: Section | None = None) -> Iterator[Setting]:
    """The settings of a section in their order; behind one that holds a section come those of that.

    ``defaults`` is the section in a recipe that leaves it out, None where there is none then.
    """
    for name, field in section.model_fields.items():
        default = field.default if defaults is None else getattr(defaults, name)
        holds = section_of(field)
        yield Setting(prefix + name, section, field, default, holds)
        if holds is not None:
            yield from settings_of(holds, f"{prefix}{name}.", default if isinstance(default, Section) else None)


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation joins, as in ``int | None``."""
    return set(get_args(annotation)) or {annotation}


def _check_utf8(text: str) -> None:
    """Raises ValueError for what came of bytes that are not UTF-8, as in names of files on the command line."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text.encode("utf-8", "backslashreplace").decode().replace(r"\udc", r"\x")
        raise ValueError(f"the name {shown} is not UTF-8; rename it") from error


def _choices(kinds: set[Any]) -> set[Any]:
    """The values that are allowed where a few are."""
    return {choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)}


def _extra(field: FieldInfo, name: str) -> str:
    extra = field.json_schema_extra
    return str(extra.get(name, "")) if isinstance(extra, dict) else ""


def _as_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section a field holds, also where it may be left out or there are several (``tuple[Section, ...]``)."""
    for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None
