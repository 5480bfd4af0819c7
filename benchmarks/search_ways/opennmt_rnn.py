"""OpenNMT-tf with an RNN as near to ours as it has one, of random weights, in the graph that it serves."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import opennmt
import tensorflow as tf
import tensorflow_addons as tfa

from benchmarks.search_ways.turns import SEED, SIZES, VOCABULARY, WORDS, Translate, Way


def way(kind: str) -> Way:
    """``kind``: float32."""
    assert kind == "float32"
    tf.keras.utils.set_random_seed(SEED)
    # It adds the unknown word itself.
    words = ["<blank>", "<s>", "</s>", *(str(word) for word in range(3, VOCABULARY - 1)), "<unk>"]
    model = recurrent_model(words[:-1])

    def translator(beam: int) -> Translate:
        model.params["beam_width"] = beam
        search = model.serve_function()

        def translate(batch: Sequence[Sequence[int]]) -> None:
            tokens = tf.constant([[words[word] for word in sentence] for sentence in batch])
            found = search({"tokens": tokens, "length": tf.fill([len(batch)], WORDS)})
            if (found["length"].numpy() != WORDS).any():
                raise AssertionError(f"translations have {found['length'].numpy()} words in place of {WORDS}")

        return translate

    program = f"OpenNMT-tf {version('OpenNMT-tf')} on TensorFlow {tf.__version__}"
    return Way(program, model.count_params(), translator)


def recurrent_model(words: Sequence[str]) -> Any:
    """The encoder's last state begins the decoder; the hidden layer after the attention has the decoder's units."""

    def embedder() -> Any:
        return opennmt.inputters.WordEmbedder(embedding_size=SIZES["embedding_units"])

    cell = tf.keras.layers.GRUCell
    model = opennmt.models.SequenceToSequence(
        embedder(),
        embedder(),
        opennmt.encoders.RNNEncoder(1, SIZES["encoder_units"], bidirectional=True, cell_class=cell),
        opennmt.decoders.AttentionalRNNDecoder(
            1,
            SIZES["decoder_units"],
            bridge_class=opennmt.layers.CopyBridge,
            attention_mechanism_class=tfa.seq2seq.BahdanauAttention,
            cell_class=cell,
        ),
    )
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "words"
        file.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        lengths = {"minimum_decoding_length": WORDS, "maximum_decoding_length": WORDS}
        model.initialize({"source_vocabulary": str(file), "target_vocabulary": str(file)}, lengths)
        model.create_variables()
    return model
