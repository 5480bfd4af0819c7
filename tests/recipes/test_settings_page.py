"""docs/settings.md: it is what the schema says, it has every setting, and what it says of values is what is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipes import settings
from recipes.data_schema import Cleaning
from recipes.loading import check_recipe
from recipes.schema import Recipe
from recipes.settings_page import settings_page
from workspace.errors import UserError

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "settings.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
# Values, unit, default and meaning by key; some rows are of two keys.
SETTINGS = {key: cells for keys, *cells in ROWS for key in re.findall(r"`([\w.]+)`", keys)}
SCHEMA = Recipe.model_json_schema()


def properties(section: dict[str, Any] = SCHEMA, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting by its key, as pydantic's JSON schema has it, in which those of sections are elsewhere."""
    for name, has in section["properties"].items():
        yield prefix + name, has
        for reference in re.findall(r"'#/\$defs/(\w+)'", str(has)):
            yield from properties(SCHEMA["$defs"][reference], f"{prefix}{name}.")


def test_the_page_is_what_the_schema_says() -> None:
    assert settings_page() == PAGE, "docs/settings.md is not what the schema says; make settings makes it anew"


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    settings.main(["--output", str(tmp_path / "new" / "settings.md")])
    assert (tmp_path / "new" / "settings.md").read_text(encoding="utf-8") == PAGE


def test_every_setting_has_a_row() -> None:
    assert sorted(SETTINGS) == sorted(key for key, _ in properties())
    assert all(values and default and meaning for values, _, default, meaning in SETTINGS.values())


def test_every_number_has_a_unit_and_nothing_else_has() -> None:
    kinds = {key: set(re.findall(r"'type': '(\w+)'", str(has))) for key, has in properties()}
    numbers = {key for key, kind in kinds.items() if kind & {"integer", "number"}}
    assert {"shards", "cleaning.min_language", "corpus.train.weight", "training.max_steps"} <= numbers
    assert {key for key, (_, unit, _, _) in SETTINGS.items() if unit} == numbers


def test_every_default_is_the_one_of_a_recipe_without_the_setting() -> None:
    files: dict[str, Any] = {"train": [{"bible": {}}], "dev": {}, "test": {}}
    recipe = check_recipe({"name": "bare", "corpus": files}, "recipe bare").model_dump(mode="json")
    recipe["corpus"]["train"] = recipe["corpus"]["train"][0]
    given = {"name", "corpus.train", "corpus.train.name", "corpus.train.bible", "corpus.dev", "corpus.test"}
    for key in SETTINGS.keys() - given:
        found: Any = recipe
        for part in key.split("."):
            found = found[part]
        if "](#" in SETTINGS[key][0]:
            assert SETTINGS[key][2] == "its defaults"
        elif written := re.match(r"`([^`]*)`( where `training` is left out)?$", SETTINGS[key][2]):
            assert found == yaml.safe_load(written[1]), key
        else:  # What comes of nothing is told in words.
            assert found is None, key


@pytest.mark.parametrize(
    ("key", "values", "taken", "refused"),
    [
        ("shards", "whole number, 1 to 99,999", [1, 99_999], [0, 100_000, 1.5, None]),
        ("search.beam_size", "whole number, 1 or more", [1, 1000], [0]),
        ("search.max_length_ratio", "number, above 0", [0.1], [0]),
        ("model.dropout", "number, 0 to below 1", [0, 0.99], [-0.1, 1]),
        ("model.layer_dropout", "number, 0 to below 1", [0, None], [1]),
        ("cleaning.min_letters", "number, 0 to 1; or `null`", [0, 1, None], [-0.1, 1.1]),
        ("cleaning.max_near_duplicates", "number, above 0 up to 1", [0.1, 1, None], [0, 1.1]),
        ("cleaning.min_terminal_punctuation", "number, 0 or less; or `null`", [0, -1, None], [0.1]),
        ("cleaning.duplicates", "one of `exact`, `letters`; or `null`", ["exact", "letters", None], ["words"]),
        ("cleaning.remove_overlap", "`true` or `false`", [True, False], ["perhaps", None]),
        ("subwords.symbols", "list of texts", [[], ["<a>", "<b>"]], ["<a>", [1]]),
        ("subwords.from_work", "text", ["work/other", None], [1]),
    ],
)
def test_values_are_taken_as_the_page_has_them(key: str, values: str, taken: list[Any], refused: list[Any]) -> None:
    def recipe(value: Any) -> dict[str, Any]:
        section, _, name = key.rpartition(".")
        return {"name": "page", **({section: {name: value}} if section else {name: value})}

    assert SETTINGS[key][0] == values
    for value in taken:
        check_recipe(recipe(value), "recipe page")
    for value in refused:
        with pytest.raises(UserError):
            check_recipe(recipe(value), "recipe page")


def test_a_corpus_may_have_the_cleaning_that_the_page_says_it_may() -> None:
    assert "- Its `cleaning` may not have the settings from `duplicates` on" in PAGE
    names = list(Cleaning.model_fields)
    for name in names:
        corpus = {"bible": {}, "cleaning": {name: getattr(Cleaning(), name)}}
        recipe = {"name": "page", "corpus": {"train": [corpus]}}
        if names.index(name) < names.index("duplicates"):
            check_recipe(recipe, "recipe page")
        else:
            with pytest.raises(UserError, match="about the pairs of all corpora"):
                check_recipe(recipe, "recipe page")


def test_every_check_of_the_schema_is_told() -> None:
    """Each by the docstring of its validator."""
    assert "- With `tied_embeddings`, `readout_units` must equal `embedding_units`." in PAGE
    assert not re.search(r"^- *$", PAGE, re.MULTILINE)


def test_it_is_markdown_that_shows_as_it_is_meant() -> None:
    """Tables have the cells of their heading, what looks like HTML is in code, and links lead somewhere."""
    assert {len(row) for row in ROWS} == {5}
    assert not re.findall(r"[<&]\w+", re.sub(r"`[^`\n]*`|<br>", "", PAGE))
    headings = [re.sub(r"[^\w -]", "", line.lower()).strip() for line in PAGE.splitlines() if line.startswith("#")]
    anchors = {f"#{heading.replace(' ', '-')}" for heading in headings}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert link in anchors if link.startswith("#") else (DOCS / link).is_file(), link
