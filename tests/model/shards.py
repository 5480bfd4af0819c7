"""Prepared data for the tests of training, written without the preparation job: numbers in English and French."""

from __future__ import annotations

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import sentencepiece
import tensorflow as tf

from recipes import schema
from recipes.loading import load_recipe, save_recipe
from tests import marks
from tests.numbers_corpus import english, french
from workspace.layout import (
    END_ID,
    FILE,
    LINE,
    PADDING_ID,
    SOURCE,
    SOURCE_TEXT,
    TARGET,
    TARGET_TEXT,
    UNKNOWN_ID,
    WorkDirectory,
    shard_name,
)
from workspace.marks import write_mark
from workspace.storage import sha256_of

VOCABULARY = 90


def recipe_for(dropout: float = 0.2, **training: Any) -> schema.Recipe:
    """tiny, smaller still, with dropout so that its random numbers matter too."""
    return load_recipe(
        "tiny",
        {
            "model": {
                "embedding_units": 8,
                "encoder_units": 8,
                "decoder_units": 8,
                "dropout": dropout,
                "recurrent_dropout": dropout,
            },
            "training": {"batch_tokens": 400, "epochs": 2, **training},
        },
    )


def write_data(
    root: Path, recipe: schema.Recipe, train: int = 300, dev: int = 20, test: int = 20
) -> WorkDirectory[Path]:
    """A work directory with recipe.yaml and data/ as the preparation job would leave them."""
    work = WorkDirectory(root)
    save_recipe(recipe, work.recipe)
    work.data.mkdir(parents=True)
    numbers = random.Random(7).sample(range(10_000), train + dev + test)
    pairs = [(english(number), french(number)) for number in numbers]
    splits = {"train": pairs[:train], "dev": pairs[train : train + dev], "test": pairs[train + dev :]}
    # Not by a file name, which would be part of the model.
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text for pair in splits["train"] for text in pair),
        model_writer=model,
        model_type=recipe.subwords.type,
        vocab_size=VOCABULARY,
        pad_id=PADDING_ID,
        eos_id=END_ID,
        unk_id=UNKNOWN_ID,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    work.subword_model("source", joint=True).write_bytes(model.getvalue())
    subwords = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    lengths: Counter[int] = Counter()
    shards = []
    for split, members in splits.items():
        count = 3 if split == "train" else 1
        for index in range(count):
            shards.append(shard_name(split, index, count))
            with tf.io.TFRecordWriter(str(work.data / shards[-1]), "GZIP") as writer:
                for line, (source, target) in enumerate(members[index::count], 1):
                    ids = subwords.encode(source), subwords.encode(target)
                    if split == "train":
                        lengths[max(map(len, ids))] += 1
                    writer.write(_example(*ids, source, target, line).SerializeToString())
    known = {name: sha256_of(work.data / name) for name in shards}
    subword_models = {"subwords.model": sha256_of(work.subword_model("source", joint=True))}
    write_mark(work.manifest, marks.manifest(lengths, known, subword_models=subword_models))
    return work


def _example(source: list[int], target: list[int], source_text: str, target_text: str, line: int) -> tf.train.Example:
    def integers(values: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    feature = {
        SOURCE: integers(source),
        TARGET: integers(target),
        SOURCE_TEXT: text(source_text),
        TARGET_TEXT: text(target_text),
        FILE: text("numbers.en"),
        LINE: integers([line]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))
