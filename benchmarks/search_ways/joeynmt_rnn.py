"""JoeyNMT with an RNN as near to ours as it has one, of random weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version
from types import SimpleNamespace

import torch
from joeynmt.batch import Batch
from joeynmt.model import build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary

from benchmarks.search_ways.turns import SEED, SIZES, VOCABULARY, WORDS, Translate, Way

SPECIAL = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": None}
IDS = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_id": None}


def way(kind: str) -> Way:
    """``kind``: float32."""
    assert kind == "float32"
    logging.disable(logging.INFO)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    vocabulary = Vocabulary(
        [str(word) for word in range(4, VOCABULARY)], SimpleNamespace(**SPECIAL, **IDS, lang_tags=[])
    )
    same = {"type": "recurrent", "rnn_type": "gru", "num_layers": 1}
    same["embeddings"] = {"embedding_dim": SIZES["embedding_units"]}
    encoder = {**same, "hidden_size": SIZES["encoder_units"], "bidirectional": True}
    decoder = {**same, "hidden_size": SIZES["decoder_units"], "attention": "bahdanau", "init_hidden": "bridge"}
    model = build_model({"encoder": encoder, "decoder": decoder}, vocabulary, vocabulary)
    model.eval()

    def translator(beam: int) -> Translate:
        def translate(batch: Sequence[Sequence[int]]) -> None:
            source = torch.tensor([[*sentence, vocabulary.eos_index] for sentence in batch])
            sentences = Batch(
                src=source,
                src_length=torch.full((len(batch),), source.shape[1]),
                src_prompt_mask=None,
                trg=None,
                trg_prompt_mask=None,
                indices=torch.arange(len(batch)),
                device=source.device,
                pad_index=vocabulary.pad_index,
                eos_index=vocabulary.eos_index,
                is_train=False,
            )
            found, _, _ = search(
                model, sentences, max_output_length=WORDS, min_output_length=WORDS, beam_size=beam, beam_alpha=1.0
            )
            if found.shape[1] != WORDS:
                raise AssertionError(f"translations have {found.shape[1]} words in place of {WORDS}")

        return translate

    parameters = sum(values.numel() for values in model.parameters())
    return Way(f"JoeyNMT {version('joeynmt')} on PyTorch {torch.__version__}", parameters, translator)
