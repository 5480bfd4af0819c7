"""How the pages are made of their templates."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape


def rendered(template: str, **values: Any) -> str:
    """The page that a template of this package makes of ``values``."""
    environment = Environment(loader=PackageLoader("pipelines.reports", "."), autoescape=True, trim_blocks=True)
    environment.filters["code"] = _code
    return environment.get_template(template).render(**values)


def _code(text: str) -> Markup:
    """What stands between backticks, as the descriptions of settings have it, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
