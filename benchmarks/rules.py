"""The cleaning rules that OpusFilter has too, here and there, for the table of ``benchmarks.prepare``.

OpusFilter lives in an environment of its own (``python -m venv opusfilter && opusfilter/bin/pip install
opusfilter``), and is run as its users run it: a configuration with one step that filters two files into two.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from pipelines.cleaning.blocks import judged
from pipelines.corpora.line_files import FilePair, index_pair, read_chunk
from recipes.corpora import Corpus
from recipes.data_schema import Cleaning, PairFiles

# The rules and their limits, for OpusFilter; below the same as settings of a recipe.
OPUSFILTER = [
    {"LengthFilter": {"min_length": 1, "max_length": 100, "unit": "word"}},
    {"LengthRatioFilter": {"threshold": 9, "unit": "char"}},
    {"LongWordFilter": {"threshold": 150}},
    {"AlphabetRatioFilter": {"threshold": 0.5, "exclude_whitespace": True}},
    {"SimilarityFilter": {"threshold": 0.9}},
    {"NonZeroNumeralsFilter": {"threshold": 0.5}},
    {"HtmlTagFilter": {}},
    {"TerminalPunctuationFilter": {"threshold": -2}},
    {"RepetitionFilter": {"threshold": 3}},
]
OURS = Cleaning(
    normalize_unicode=False,
    fix_mojibake=False,
    unescape_html=False,
    strip_list_marks=False,
    max_identical=None,
    max_unmatched_links=None,
    min_language=None,
)


def filter_by_opusfilter(command: str, source: Path, target: Path, directory: Path) -> None:
    """Runs OpusFilter over two files."""
    step = {
        "type": "filter",
        "parameters": {
            "inputs": [str(source), str(target)],
            "outputs": ["kept.source", "kept.target"],
            "filters": OPUSFILTER,
        },
    }
    configuration = directory / "opusfilter.yaml"
    configuration.write_text(yaml.safe_dump({"common": {"output_directory": str(directory)}, "steps": [step]}))
    subprocess.run([command, "--overwrite", str(configuration)], check=True, capture_output=True)


def filter_by_rules(source: Path, target: Path, directory: Path) -> None:
    """The same with the rules of ``pipelines.cleaning.rules``, in a plain loop."""
    files = PairFiles(source=str(source), target=str(target))
    corpus = Corpus(0, "train", "corpus", files, "source", "target", OURS)
    with (directory / "kept.source").open("w") as source_file, (directory / "kept.target").open("w") as target_file:
        for chunk in index_pair(FilePair(source, target)).chunks(0):
            pairs = judged(read_chunk(chunk), corpus)
            for place in pairs.kept.tolist():
                source_file.write(pairs.source.texts[place] + "\n")
                target_file.write(pairs.target.texts[place] + "\n")
