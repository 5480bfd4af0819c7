"""How well finished runs translate their test sets.

Two figures a run, both by sacreBLEU: on detokenised, cased text, with its signature; and on lower-cased text in the
tokens of Moses, as papers on Multi30k report it. A picture has BLEU by the length of the source sentence, a
curve a run, after figure 2 of Bahdanau, Cho and Bengio (2015).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import sacrebleu
from matplotlib.figure import Figure
from rich.table import Table
from sacremoses import MosesTokenizer

from model.data.references import References, read_references
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest, read_scores, read_training_mark

# A point of the curve is the BLEU of at least so many sentences.
FEWEST_SENTENCES = 30
WORDS_BETWEEN_POINTS = 5


def table_of(runs: Sequence[WorkDirectory]) -> Table:
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


def translated(work: WorkDirectory) -> tuple[References, list[str]]:
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


def bleu_by_length(test: References, translations: Sequence[str]) -> tuple[list[int], list[float]]:
    """Numbers of source words, and the BLEU of the sentences of up to so many, but more than at the point before."""
    lengths = [len(source.split()) for source in test.sources]
    longest, scores = [], []
    for words in range(WORDS_BETWEEN_POINTS, max(lengths) + WORDS_BETWEEN_POINTS, WORDS_BETWEEN_POINTS):
        chosen = [index for index, length in enumerate(lengths) if words - WORDS_BETWEEN_POINTS < length <= words]
        if len(chosen) < FEWEST_SENTENCES:
            continue
        ours, theirs = ([side[index] for index in chosen] for side in (translations, test.targets))
        longest.append(words)
        scores.append(sacrebleu.corpus_bleu(ours, [theirs]).score)
    return longest, scores


def draw_by_length(runs: Sequence[WorkDirectory]) -> bytes:
    """The curves as a PNG."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for work in runs:
        axes.plot(*bleu_by_length(*translated(work)), marker="o", markersize=3, label=work.root.name)
    axes.set_xlabel("words of the source sentence, at most")
    axes.set_ylabel("BLEU")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()
