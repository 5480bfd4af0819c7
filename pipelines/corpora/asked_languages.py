"""Whether a file that says its languages has those that are asked for."""

from __future__ import annotations

from recipes.languages import nearness
from workspace.errors import UserError


def may_be(said: tuple[str, str], asked: tuple[str, str]) -> bool:
    """Whether both sides are in the languages that are asked for, as far as the file says."""
    return all(not each or nearness(each, wanted) is not None for each, wanted in zip(said, asked, strict=True))


def not_found(path: str, asked: tuple[str, str], found: str) -> UserError:
    return UserError(
        f"{path} has no unit in both {asked[0]} and {asked[1]}, but in {found}; "
        "set source_field and target_field to two of them"
    )
