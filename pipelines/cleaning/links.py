"""What is not language in a sentence, but stands in its translation as it is: addresses and placeholders."""

from __future__ import annotations

import re
from collections import Counter

# Nothing here is looked for again from the middle of what it may be: that would take quadratic time. What follows
# directly may be letters of other scripts, and endings behind an apostrophe.
_LETTERS = r"[^\W\d_A-Za-z]+"  # but ASCII
_REST = r"(?:[!#-&(-;=?-Z\[\]_a-z~]*[A-Za-z0-9_/])?"
# Letters that are not ASCII begin a part of an address, or else are not of it.
_PATH = rf"{_REST}(?:(?<=[/=_-]){_LETTERS}(?:/{_REST})?)*"
_HOST = rf"(?:(?:(?:[^\W_]|-)+\.)*(?=[^\W_])(?:{_LETTERS})?)?"
_NUMBER = r"[-+#0]{0,5}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh?|ll?|[Lqjzt])?[sdiufFeEgGxXocpn@]"
_PRINTF = rf"(?<![\d%])%(?:\d{{1,2}}\$)?{_NUMBER}"
_LATIN = r"A-Za-z\u00aa-\u024f\u1e00-\u1eff"
LINK = re.compile(
    # URL, of any scheme
    rf"(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{{1,15}}://|[Ww][Ww][Ww]\.){_HOST}{_PATH}"
    # the same without a scheme, example.com/help
    rf"|(?<![A-Za-z0-9_@.-])(?:[A-Za-z0-9-]+\.)+[A-Za-z]{{2,}}/{_PATH}"
    # e-mail address
    rf"|(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]+@(?:[\w-]+\.)+(?:[A-Za-z0-9-]+|{_LETTERS})"
    # %s, %1$d, %ld: no Latin letter follows
    rf"|{_PRINTF}(?![\d_{_LATIN}])"
    # %(name)s, %name%
    rf"|%\([^()%\s]+\){_NUMBER}|(?<![\d%{_LATIN}])%[A-Za-z_][\w.-]+%"
    # {0}, {{name}}, ${name}, %{name}, $name
    r"|[$%#]?\{\{?[\w.:,!-]*\}?\}|(?<![A-Za-z0-9_$])\$[A-Za-z_][A-Za-z0-9_]*"
    # %1
    r"|(?<![\d%])%L?[1-9](?![\d$]|[.,]\d)"
)
_BEFORE_LETTERS = re.compile(rf"({_PRINTF})[{_LATIN}]")
_DIGIT = re.compile(r"%L?([1-9])")
_END = re.compile(rf"(?<=[/=_-]){_LETTERS}\Z")


def unmatched(source: str, target: str) -> int:
    """How many addresses and placeholders only one of two sentences has.

    None is one that the other has with letters behind it: `%sdatei`, or a URL and a word in a script without spaces;
    nor `%5` where the other has the number: in Turkish it is a percentage.
    """
    left, right = Counter(map(_normal, LINK.findall(source))), Counter(map(_normal, LINK.findall(target)))
    if left == right:
        return 0
    left, right = left - right, right - left
    left, right = _cut(left, right), _cut(right, left)
    left, right = left - right, right - left
    return _lost(left, target) + _lost(right, source)


def _normal(link: str) -> str:
    """A link as it is compared: of an address, the scheme and host have no case, nor does it end in a slash."""
    scheme, mark, rest = link.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host}".lower() + f"{slash}{path}".rstrip("/") if mark else link


def _cut(links: Counter[str], others: Counter[str]) -> Counter[str]:
    """The links without the letters at their end that the others do not have."""
    cut: Counter[str] = Counter()
    for link, count in links.items():
        begin = _END.sub("", link).rstrip("/")
        cut[begin if begin in others else link] += count
    return cut


def _lost(links: Counter[str], other: str) -> int:
    """How many of the links the other sentence does not have in another form either."""
    lost = links - Counter(_BEFORE_LETTERS.findall(other))
    numbers = set(map(int, re.findall(r"\d+", other)))
    percentages = [link for link in lost if (found := _DIGIT.fullmatch(link)) and int(found[1]) in numbers]
    return lost.total() - sum(lost[link] for link in percentages)
