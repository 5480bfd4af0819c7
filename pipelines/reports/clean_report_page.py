"""The page that shows what every cleaning rule would take, and with which limit.

Measures the training corpora without rejecting anything and writes ``clean-report.html``: for each rule that
is on what its limit takes, what other limits would take, and the pairs nearest to the limit on either side
of it. It is how limits are chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.rules import RULES, Rule
from pipelines.corpora.line_files import CHUNK_PAIRS
from pipelines.preparation.job import index_corpora
from pipelines.preparation.measure import Measures, measure_corpora
from pipelines.reports import pictures
from recipes.corpora import corpora
from recipes.schema import Recipe
from workspace.layout import WorkDirectory
from workspace.pages import rendered
from workspace.storage import write_text

# Other limits are shown that would take about these shares of the pairs.
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def write_clean_report(recipe: Recipe, work: WorkDirectory, options: PipelineOptions) -> None:
    """Measures the recipe's training corpora and writes the page."""
    every = corpora(recipe, work)
    indexes, pairs_of = index_corpora(every, work.intermediate, options, CHUNK_PAIRS)
    train = [corpus for corpus in every if corpus.split == "train"]
    pairs = sum(pairs_of[corpus.number] for corpus in train)
    measures = measure_corpora(train, indexes, pairs, work.intermediate, options)
    page = rendered(
        "pipelines.reports",
        "clean_report.html.j2",
        name=recipe.name,
        pairs=pairs,
        rules=[_described(rule, recipe, measures[rule.reason], pairs) for rule in RULES if rule.reason in measures],
        off=[rule for rule in RULES if rule.reason not in measures],
    )
    write_text(work.clean_report, page)


def _described(rule: Rule, recipe: Recipe, measures: Measures, pairs: int) -> Mapping[str, Any]:
    """What the page says of a rule."""
    return {
        "reason": rule.reason,
        "setting": rule.setting,
        "limit": rule.limit(recipe.cleaning),
        "bound": rule.bound,
        "meaning": type(recipe.cleaning).model_fields[rule.setting].description,
        "picture": pictures.measured(measures.values, rule.limit(recipe.cleaning), rule.bound),
        "taken": measures.beyond,
        "share": measures.beyond / pairs,
        "others": other_limits(rule, measures.values),
        "beyond": measures.examples_beyond,
        "within": measures.examples_within,
    }


def other_limits(rule: Rule, values: Counter[float]) -> list[tuple[float, int]]:
    """Limits that would take at most about ``SHARES`` of the pairs, and how many they would take.

    From the strictest value inwards: a limit takes the pairs whose value is beyond it.
    """
    total = values.total()
    found: list[tuple[float, int]] = []
    taken = 0
    shares = list(SHARES)
    for value in sorted(values, reverse=rule.bound == "most"):
        # With this value as the limit, the pairs that have it stay.
        while shares and taken + values[value] > shares[0] * total:
            shares.pop(0)
            if taken and (value, taken) not in found:
                found.append((value, taken))
        taken += values[value]
    return found
