"""COMET (Rei et al. 2020), where it is installed and the recipe names a model of it: a network that has learnt how
people judge translations. It is no part of the project, nor are its models, of gigabytes and with licences of their
own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workspace.foreign_lines import has_gpu
from workspace.marks import Score

_PACKAGE = "unbabel-comet"
_SENTENCES_AT_A_TIME = 16


def comet_score(
    model: str | None, sources: Sequence[str], translations: Sequence[str], references: Sequence[str]
) -> Score | None:
    """The score by a model of COMET's, about 0 to 1, by its name or the path of its checkpoint; references: the first.

    None where there is no model, or no COMET, which a note says then.
    """
    if model is None:
        return None
    try:
        installed = version(_PACKAGE)
    except PackageNotFoundError:
        print(
            f"note: COMET is not installed, so that evaluation.comet ({model}) has no effect; pip install {_PACKAGE} "
            "installs it",
            file=sys.stderr,
        )
        return None
    # Not a dependency, and seconds to import.
    from comet import download_model, load_from_checkpoint  # noqa: PLC0415

    network = load_from_checkpoint(model if Path(model).is_file() else download_model(model))
    texts = [
        {"src": source, "mt": translation, "ref": reference}
        for source, translation, reference in zip(sources, translations, references, strict=True)
    ]
    found = float(network.predict(texts, batch_size=_SENTENCES_AT_A_TIME, gpus=int(has_gpu())).system_score)
    name = Path(model).name if Path(model).is_file() else model
    return Score(score=found, signature=f"model:{name}|version:{installed}", text=f"COMET = {found:.4f}")
