"""How well finished runs translate their test sets.

Two figures a run, both by sacreBLEU: on detokenised, cased text, with its signature; and on lower-cased text in the
tokens of Moses, as papers on Multi30k report it. A picture has BLEU by the length of the source sentence, a
curve a run, after figure 2 of Bahdanau, Cho and Bengio (2015).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import sacrebleu
from rich.table import Table
from sacremoses import MosesTokenizer

from model.data.references import References, read_references
from model.data.subwords import load_subwords
from model.evaluation.by_length import bleu_by_length, lengths_of
from model.evaluation.by_length import draw_by_length as drawn
from model.evaluation.measures import measure_of
from model.evaluation.metrics import BLEU, metrics_of
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest, read_scores, read_training_mark


def table_of(runs: Sequence[WorkDirectory[Path]]) -> Table:
    """A row a run."""
    table = Table(title="BLEU of the test sets", title_justify="left", caption_justify="left")
    names = ("run", "parameters", "minutes", "updates", "dev", "beam", "BLEU", "lower-cased, tokenised")
    for name in names:
        table.add_column(name, justify="left" if name == "run" else "right")
    for work in runs:
        recipe, training, scores = resolved_recipe(work), read_training_mark(work), read_scores(work)
        test, translations = translated(work)
        language = recipe.corpus.target_language
        table.add_row(
            work.root.name,
            f"{training.parameters:,}",
            f"{training.seconds / 60:.1f}",
            f"{training.best_step:,} of {training.steps:,}",
            f"{training.best_dev_score:.2f} ({training.best_by})",
            str(recipe.search.beam_size),
            f"{scores.bleu.score:.2f}",
            f"{lower_cased_tokenised_bleu(translations, test.targets, language):.2f}",
        )
        table.caption = scores.bleu.signature
    return table


def translated(work: WorkDirectory[Path]) -> tuple[References, list[str]]:
    """A run's test set and its translations. Raises UserError where it was not evaluated."""
    if not work.hypotheses.exists():
        raise UserError(f"{work.root} was not evaluated; make it with {work.command('evaluate')}")
    translations = work.hypotheses.read_text(encoding="utf-8").split("\n")[:-1]
    return read_references(work, read_manifest(work), "test"), translations


def lower_cased_tokenised_bleu(translations: Sequence[str], references: Sequence[str], language: str) -> float:
    """BLEU, 0 to 100, of what Moses's tokenizer makes of both, in lower case."""
    tokenizer = MosesTokenizer(language)
    sides = (
        [tokenizer.tokenize(text.lower(), return_str=True, escape=False) for text in side]
        for side in (translations, references)
    )
    ours, theirs = sides
    # Tokens they are, though sacreBLEU would rather have made them itself.
    return sacrebleu.corpus_bleu(ours, [theirs], tokenize="none", force=True).score


def draw_by_length(runs: Sequence[WorkDirectory[Path]]) -> bytes:
    """BLEU by the length of the source sentence, a curve a run, as a PNG."""
    curves, unit = {}, ""
    for work in runs:
        test, translations = translated(work)
        measure, _ = measure_of(resolved_recipe(work), test.targets)
        form = load_subwords(work, resolved_recipe(work).subwords.joint)[1].normal_form
        unit, _ = lengths_of(test.sources)
        curves[work.root.name] = bleu_by_length(
            test.sources, translations, [test.targets], metrics_of(measure, form)[BLEU]
        )
    picture = io.BytesIO()
    drawn(curves, unit).savefig(picture, format="png", dpi=200)
    return picture.getvalue()
