"""What every cleaning rule would take, and with which limit: ``python -m pipelines.clean_report --work work/<recipe>``.

Measures the training corpora without rejecting anything and writes ``clean-report.html``: for each rule that
is on what its limit takes, what other limits would take, and the pairs nearest to the limit on either side
of it. It is how limits are chosen.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from jinja2 import Environment, PackageLoader

from pipelines.cleaning import RULES, Rule
from pipelines.corpus import CHUNK_PAIRS
from pipelines.indexing import Indexes, index_corpora
from pipelines.measuring import Measures, measure_corpora
from pipelines.running import pipeline_options
from recipes.corpora import corpora
from recipes.errors import run_command
from recipes.files import remove, replacing
from recipes.layout import WorkDirectory
from recipes.schema import Recipe
from recipes.stages import resolved_recipe

# Other limits are shown that would take about these shares of the pairs.
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def main(arguments: list[str]) -> None:
    """The command: measures the training corpora of the work directory named by ``--work``."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.clean_report",
        description="Shows what every cleaning rule would take; other flags go to Beam.",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory that holds recipe.yaml")
    known, flags = parser.parse_known_args(arguments)
    work = WorkDirectory(known.work)
    write_clean_report(resolved_recipe(work), work, pipeline_options(flags))
    print(f"what every rule would take: {work.clean_report}")


def write_clean_report(recipe: Recipe, work: WorkDirectory, options: PipelineOptions) -> None:
    """Measures the recipe's training corpora and writes the page."""
    every = corpora(recipe, work)
    indexes = Indexes(work.intermediate / "index")
    pairs_of = index_corpora(every, indexes, options, CHUNK_PAIRS)
    train = [corpus for corpus in every if corpus.split == "train"]
    pairs = sum(pairs_of[corpus.number] for corpus in train)
    directory = work.intermediate / "measures"
    remove(directory)
    directory.mkdir()
    measures = measure_corpora(train, indexes, pairs, directory, options)
    environment = Environment(loader=PackageLoader("pipelines", "."), autoescape=True, trim_blocks=True)
    with replacing(work.clean_report) as path:
        page = environment.get_template("clean_report.html.j2").render(
            name=recipe.name,
            pairs=pairs,
            rules=[_described(rule, recipe, measures[rule.reason], pairs) for rule in RULES if rule.reason in measures],
            off=[rule for rule in RULES if rule.reason not in measures],
        )
        path.write_text(page, encoding="utf-8")


def _described(rule: Rule, recipe: Recipe, measures: Measures, pairs: int) -> Mapping[str, Any]:
    """What the page says of a rule."""
    return {
        "reason": rule.reason,
        "setting": rule.setting,
        "limit": rule.limit(recipe.cleaning),
        "bound": rule.bound,
        "meaning": type(recipe.cleaning).model_fields[rule.setting].description,
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


if __name__ == "__main__":
    # Workers unpickle by the module's name, which is not __main__ there.
    from pipelines.clean_report import main

    run_command(main)
