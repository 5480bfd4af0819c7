"""How sure it is that a sentence is in the language it should be in, by the package eldc, which works offline.

docs/cleaning.md has the comparison that it was chosen by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import eldc

# Of shorter sentences, which are names and numbers more often than not, no package can tell.
SHORTEST = 40
# Languages known to eldc under another code.
_CODES = {"id": "ms", "nb": "no", "fil": "tl", "iw": "he"}


def is_known(language: str) -> bool:
    """Whether the language (ISO 639-1) can be told from others."""
    return _CODES.get(language, language) in eldc.LANGUAGES


def language_scores(texts: Sequence[str], language: str) -> list[float]:
    """For every sentence its score in the language, for each of the score in the one it is likest: 1 if that is it.

    A sentence shorter than ``SHORTEST`` characters is not judged, nor one without letters, and has 1.
    """
    code = _CODES.get(language, language)
    scores = []
    for text in texts:
        score = 1.0
        if len(text) >= SHORTEST:
            # A text ends for it at the first NUL.
            found = _detector().detect_details(text.replace("\0", " ")).scores
            best = max(found.values(), default=0.0)
            score = found.get(code, 0.0) / best if best else 1.0
        scores.append(score)
    return scores


@cache
def _detector() -> Any:
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(5)
    return detector
