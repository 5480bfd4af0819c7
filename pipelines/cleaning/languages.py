"""How likely a sentence is in the language it should be in, according to the package eldc, which works offline.

docs/cleaning.md has the comparison by which it was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import eldc

# No package can tell the language of shorter sentences, which are names and numbers more often than not.
SHORTEST = 40
# Languages known to eldc under another code.
_CODES = {"id": "ms", "nb": "no", "fil": "tl", "iw": "he"}


def is_known(language: str) -> bool:
    """Whether the language (ISO 639-1) can be told from others."""
    return _CODES.get(language, language) in eldc.LANGUAGES


def likeness(texts: Sequence[str], language: str) -> list[tuple[str, float]]:
    """For every sentence the language it is likest to, and the score of ``language`` divided by that one's.

    A sentence without letters, or shorter than ``SHORTEST`` characters, is not judged: it has "" and 1.
    """
    code = _CODES.get(language, language)
    detector = _detector()
    found = []
    for text in texts:
        if len(text) < SHORTEST:
            found.append(("", 1.0))
            continue
        # To eldc, a text ends at the first NUL.
        clean = text.replace("\0", " ")
        # The name alone comes twice as fast as the scores.
        if detector.detect(clean) == code:
            found.append((code, 1.0))
            continue
        detected = detector.detect_details(clean)
        scores = detected.scores
        found.append((detected.language, scores.get(code, 0.0) / scores[detected.language]) if scores else ("", 1.0))
    return found


@cache
def _detector() -> Any:
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(5)
    return detector
