"""What tests look for in a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The text of a page's elements, that of its pictures aside, and what it would load or run."""

    def __init__(self, text: str):
        super().__init__()
        self._in_picture = False
        self.texts: list[str] = []
        self.foreign: list[str] = re.findall(r"url\((?!#)[^)]*\)|@import", text)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_picture |= tag == "svg"
        addresses = [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.foreign += [address for address in addresses if not address.startswith("#")]
        self.foreign += [tag] if tag in ("script", "link", "iframe", "object") else []

    def handle_endtag(self, tag: str) -> None:
        self._in_picture &= tag != "svg"

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() and not self._in_picture else []

    def after(self, text: str) -> str:
        return self.texts[self.texts.index(text) + 1]
