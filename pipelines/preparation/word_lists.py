"""Lists of blocked words where every worker can read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recipes.corpora import Corpus
from workspace.locations import Location, is_remote, located
from workspace.storage import copy


def with_lists_for_workers(corpora: Sequence[Corpus], directory: Location) -> list[Corpus]:
    """The corpora; where ``directory`` is in a store, with copies there of the lists that are on this machine."""
    return [_with_list(corpus, directory) if is_remote(directory) else corpus for corpus in corpora]


def _with_list(corpus: Corpus, directory: Location) -> Corpus:
    if corpus.cleaning is None or corpus.cleaning.blocked_words is None:
        return corpus
    given = located(corpus.cleaning.blocked_words)
    if is_remote(given):
        return corpus
    # With its name, which may say how it is compressed.
    copied = directory / f"words-{corpus.number:03d}" / given.name
    copy(given, copied)
    return replace(corpus, cleaning=corpus.cleaning.model_copy(update={"blocked_words": str(copied)}))
