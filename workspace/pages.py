"""Pages that need nothing beside them: made of templates, with pictures by matplotlib, in light and in dark."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure


def rendered(package: str, template: str, **values: Any) -> str:
    """The page that a template of a package makes of ``values``; the style of all pages is beside this module."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in (package, "workspace")]),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"code": _code, "zip": zip}
    return environment.get_template(template).render(**values)


def svg_of(figure: Figure, name: str = "") -> Markup:
    """A figure as an element of a page, with the page's background, and in its colour what is black.

    name: what it is called by those who do not see it; without one, what it has of text is read.
    """
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    # What comes before the element is a document's own, not a page's.
    svg = stream.getvalue()[stream.getvalue().index("<svg") :]
    # Nothing refers to them, and every picture has the same.
    svg = re.sub(r'<g id="\w+?_\d+">', "<g>", svg)
    svg = svg.replace("#000000", "currentColor")
    if name:
        svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)
    return Markup(svg)


def _code(text: str) -> Markup:
    """What stands between backticks, as the descriptions of settings have it, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
