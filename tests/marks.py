"""Marks as stages leave them, for tests that do not run the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workspace.layout import SIDES, SPLITS
from workspace.marks import (
    EngineScores,
    Manifest,
    PairCounts,
    Provenance,
    Sample,
    Score,
    Scores,
    SubwordModels,
    TrainingMark,
)

NOTHING: dict[str, Any] = {}
SUBWORDS = {"subwords.model": "0"}
SCORE = Score(score=1.0, signature="nrefs:1", text="BLEU = 1.0")


def manifest(
    lengths: Mapping[int, int],
    shards: Mapping[str, str] = NOTHING,
    made_from: dict[str, Any] = NOTHING,
    subword_models: Mapping[str, str] = SUBWORDS,
) -> Manifest:
    """Of training records by the subwords of their longer side; of shards and subword models the SHA-256."""
    counts = dict.fromkeys(SPLITS, 1)
    both = {split: dict.fromkeys(SIDES, 1) for split in SPLITS}
    return Manifest(
        made_from=made_from,
        pairs=PairCounts(read=3, kept=counts, rejected={}),
        records=counts,
        corpora={"text": PairCounts(read=3, kept=counts, rejected={})},
        inputs=[],
        subwords=SubwordModels(joint=True, vocabulary=dict.fromkeys(SIDES, 90), files=dict(subword_models)),
        shards=dict(shards),
        tokens=both,
        words=both,
        unknown=both,
        lengths={"train": dict(lengths)},
        versions={"python": "3"},
        seconds={"clean": 1.0},
    )


def training_mark(weights: str, made_from: dict[str, Any]) -> TrainingMark:
    return TrainingMark(
        made_from=made_from,
        weights=weights,
        parameters=1,
        steps=2,
        best_step=1,
        best_by="bleu",
        best_dev_score=3.0,
        tokenize="13a",
        seconds=4.0,
    )


def scores(made_from: dict[str, Any]) -> Scores:
    sample = Sample(source="one", reference="un", translation="un")
    return Scores(
        made_from=made_from,
        bleu=SCORE,
        chrf=SCORE,
        chrf_plus_plus=SCORE,
        ter=SCORE,
        test_set="0",
        sentences=1,
        too_long=0,
        seconds=1.0,
        samples=[sample],
    )


def provenance(made_from: dict[str, Any]) -> Provenance:
    engine = EngineScores(measure="bleu", sentences=2, float32=30.0, int8=29.0, holds=False)
    return Provenance(made_from=made_from, tensorflow="2", engine=engine)
