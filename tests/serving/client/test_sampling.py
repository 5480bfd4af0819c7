"""What a client sends to have samples, byte by byte as TensorFlow reads it, and what it refuses to send."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving import translate
from serving.client.answers import Translation
from serving.client.questions import Questions
from serving.client.sampling import first_samples, sampling_inputs
from workspace.errors import UserError


def sent(*arguments: Any) -> tuple[str, dict[str, np.ndarray]]:
    """The signature and the tensors of a question."""
    request = PredictRequest.FromString(Questions().samples("été", 2, *arguments).request.SerializeToString())
    return request.model_spec.signature_name, {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_a_seed_goes_to_the_signature_of_the_recipe(seed: int) -> None:
    signature, tensors = sent(seed, None, None, None)
    assert signature == "sample"
    assert {name: (array.dtype, array.tolist()) for name, array in tensors.items()} == {
        "text": (np.dtype(object), ["été".encode()]),
        "seed": (np.dtype(np.int64), [seed]),
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0.5, None, None), (0.5, 0, 1.0)),
        ((None, 2**31 - 1, None), (1.0, 2**31 - 1, 1.0)),
        ((None, 0, None), (1.0, 0, 1.0)),
        ((None, None, 0.25), (1.0, 0, 0.25)),
        ((2.0, 5, 1.0), (2.0, 5, 1.0)),
    ],
)
def test_what_is_not_given_changes_nothing(given: Any, expected: Any) -> None:
    signature, tensors = sent(3, *given)
    assert signature == "sample_with"
    assert [tensors[name].dtype for name in ("temperature", "top_k", "top_p")] == [np.float32, np.int32, np.float32]
    assert [tensors[name].tolist() for name in ("seed", "temperature", "top_k", "top_p")] == [
        [3],
        *([value] for value in expected),
    ]


def test_without_a_seed_it_is_another_every_time() -> None:
    seeds = {sent(None, None, None, None)[1]["seed"].item() for _ in range(5)}
    assert len(seeds) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((2**63, None, None, None), f"{2**63} is no seed; give a whole number of 64 bits"),
        ((-(2**63) - 1, None, None, None), "is no seed"),
        ((1, 0.0, None, None), r"0\.0 is no temperature to sample with; give a number from 1e-30 to 1e\+30"),
        ((1, float("nan"), None, None), "nan is no temperature"),
        ((1, float("inf"), None, None), "inf is no temperature"),
        ((1, None, -1, None), "-1 words cannot be sampled from; give 1 or more, or 0 for all"),
        ((1, None, 2**31, None), "2147483648 words cannot be sampled from"),
        ((1, None, None, 0.0), r"0\.0 is no share of words to sample from; give a number above 0, and 1 at most"),
        ((1, None, None, 1.5), r"1\.5 is no share"),
        ((1, None, None, float("nan")), "nan is no share"),
    ],
)
def test_what_cannot_be_is_refused(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sampling_inputs(*given)


def test_blank_texts_need_no_server() -> None:
    question = Questions().samples(" ", 3, 1, None, None, None)
    assert question.request is None
    assert question.read(None) == [Translation("", 0.0)] * 3
    with pytest.raises(ValueError, match="0 translations are asked for; ask for 1 or more"):
        Questions().samples("t", 0, 1, None, None, None)


def test_the_first_samples_are_given_and_no_more_than_there_are() -> None:
    texts, scores = [b"b", b"a", b"b"], [-2.0, -1.0, -2.0]
    assert first_samples(texts, scores, 2) == [Translation("b", -2.0), Translation("a", -1.0)]
    assert first_samples([b"", b""], [-float("inf")] * 2, 2) == []
    with pytest.raises(UserError, match="4 samples are asked for, but the model draws 3 at a time; ask for fewer, and"):
        first_samples(texts, scores, 4)


def test_settings_of_sampling_without_sampling_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        translate.main(["--seed", "1", "one"])
    assert "--seed, --temperature, --top-k and --top-p are of --sample; give it too" in capsys.readouterr().err
