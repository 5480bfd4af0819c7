"""What is asked of a batch job besides its files and what translates them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from workspace.errors import UserError

Format: TypeAlias = Literal["text", "jsonl", "csv", "tsv", "parquet"]
FORMATS: tuple[Format, ...] = ("text", "jsonl", "csv", "tsv", "parquet")

# What a record gets, by the names of its new fields, in their order.
Answer: TypeAlias = dict[str, Any]

TRANSLATION, SCORE, NBEST, ALIGNMENT = "translation", "score", "nbest", "alignment"


@dataclass(frozen=True)
class Asked:
    """field: the key of the text in JSON Lines, which may lead into nested objects; column: its column in the other
    tables, by name, or in CSV and TSV by number from 1 where the first line is no header; nbest: how many translations
    besides the best one alone, 0 for none; terms: words and phrases with what they have to be in the translation, which
    then has no other translations and no alignment."""

    field: str = "text"
    column: str = "text"
    score: bool = False
    nbest: int = 0
    alignment: bool = False
    terms: tuple[tuple[str, str], ...] = ()

    def options(self) -> dict[str, Any]:
        """In JSON, with the digest of the terms for all of them."""
        terms = hashlib.sha256(json.dumps(self.terms).encode()).hexdigest() if self.terms else None
        return {**vars(self), "terms": terms}

    @property
    def fields(self) -> list[str]:
        """What a record gets."""
        wanted = ((TRANSLATION, True), (SCORE, self.score), (NBEST, self.nbest > 0), (ALIGNMENT, self.alignment))
        return [name for name, is_wanted in wanted if is_wanted]

    @property
    def nothing(self) -> Answer:
        """What a record gets that has no translation."""
        empty: Answer = {TRANSLATION: "", SCORE: None, NBEST: [], ALIGNMENT: None}
        return {name: empty[name] for name in self.fields}

    def check(self, name: str, form: Format) -> None:
        """Raises UserError where a file of a format has no room for it."""
        if form == "text" and len(self.fields) > 1:
            raise UserError(
                f"{name} is a text: it has a line for every line, and no room for {' and '.join(self.fields[1:])}; "
                "give JSON Lines, CSV, TSV or Parquet"
            )
