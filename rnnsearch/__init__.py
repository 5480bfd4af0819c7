"""RNNsearch, from Python: translate with a model, here or on a server, and make one, stage by stage.

    import rnnsearch

    with rnnsearch.load("work/bible") as translator:  # or rnnsearch.connect("localhost:8500"), which asks a server
        print(translator.translate(["In the beginning was the Word."])[0].text)

    rnnsearch.prepare("work/bible", recipe="bible")
    rnnsearch.train("work/bible")
    rnnsearch.evaluate("work/bible")
    rnnsearch.export("work/bible")

docs/python.md has the rest. Importing this costs nothing: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from workspace import at_once  # noqa: F401

if TYPE_CHECKING:
    from rnnsearch.bayes_risk import LeastRisk, minimum_bayes_risk
    from rnnsearch.connected import connect
    from rnnsearch.loaded import load
    from rnnsearch.stages import evaluate, export, prepare, train
    from rnnsearch.translator import Translator
    from serving.client.alignment import Alignment
    from serving.client.answers import Alternative, SubwordScores, Translation, TranslationError
    from serving.client.channel import Tls
    from serving.client.constraints import Constraints, Terms
    from workspace.errors import UserError
    from workspace.marks import Manifest, Scores, TrainingMark

__all__ = [
    "Alignment",
    "Alternative",
    "Constraints",
    "LeastRisk",
    "Manifest",
    "Scores",
    "SubwordScores",
    "Terms",
    "Tls",
    "TrainingMark",
    "Translation",
    "TranslationError",
    "Translator",
    "UserError",
    "connect",
    "evaluate",
    "export",
    "load",
    "minimum_bayes_risk",
    "prepare",
    "train",
]

_PLACES = {
    "rnnsearch.bayes_risk": ("LeastRisk", "minimum_bayes_risk"),
    "rnnsearch.stages": ("evaluate", "export", "prepare", "train"),
    "rnnsearch.connected": ("connect",),
    "rnnsearch.loaded": ("load",),
    "rnnsearch.translator": ("Translator",),
    "serving.client.alignment": ("Alignment",),
    "serving.client.answers": ("Alternative", "SubwordScores", "Translation", "TranslationError"),
    "serving.client.channel": ("Tls",),
    "serving.client.constraints": ("Constraints", "Terms"),
    "workspace.errors": ("UserError",),
    "workspace.marks": ("Manifest", "Scores", "TrainingMark"),
}


# Unseen by type checkers, which have the names from above and tell which are wrong.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        for module, names in _PLACES.items():
            if name in names:
                return getattr(importlib.import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
