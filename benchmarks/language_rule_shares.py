"""What ``benchmarks.language_rule`` measures: the rule ``other_language`` on lines of all lengths.

The lines are cut from verses of the Bible's editions: whole words, or characters where there are no spaces, up to a
length that a hash chooses. Each is judged as a line of its own language, and as one of every other.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b

from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.cleaning.languages import is_known, likeness

# Characters of a line: from, up to; the last are verses as they are.
LENGTHS = ((5, 10), (10, 20), (20, 40), (40, 100_000))
LIMIT = 0.99


def show(verses: list[tuple[str, str]]) -> None:
    """Prints, by language and length, the share of its own lines kept and of the others' rejected."""
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    for language, verse in verses:
        for number, (shortest, longest) in enumerate(LENGTHS):
            line = cut(verse, shortest, longest)
            if shortest <= len(line) < longest and any(map(str.isalpha, line)):
                lines[language, number].append(line)
    languages = sorted({language for language, _ in verses if is_known(language)})
    headings = [f"{shortest}-{longest - 1}" for shortest, longest in LENGTHS[:-1]] + ["40 and more"]
    table = Table(
        "language", *(f"{what}, {heading}" for heading in headings for what in ("kept", "rejected")), box=box.MARKDOWN
    )
    shares: dict[str, list[float]] = {}
    for language in languages:
        row = shares[language] = []
        for number in range(len(LENGTHS)):
            foreign = [text for other in languages if other != language for text in lines[other, number]]
            row += [kept(lines[language, number], language), 1 - kept(foreign, language)]
        table.add_row(language, *(f"{share:.1%}" for share in row))
    means = [sum(column) / len(languages) for column in zip(*shares.values(), strict=True)]
    table.add_row("mean", *(f"{share:.2%}" for share in means))
    Console(width=200).print(table)


def kept(texts: list[str], language: str) -> float:
    """The share of the lines that the rule keeps as ones of the language."""
    return sum(found.score >= LIMIT for found in likeness(texts, language)) / len(texts)


def cut(verse: str, shortest: int, longest: int) -> str:
    """The beginning of a verse, of a length between the two where its words allow."""
    chance = int.from_bytes(blake2b(verse.encode(), digest_size=8).digest(), "big")
    length = shortest + chance % (longest - shortest) if longest <= 40 else longest
    if len(verse) <= length:
        return verse
    begin = verse[:length]
    return begin.rsplit(" ", 1)[0] if " " in begin and verse[length] != " " else begin
