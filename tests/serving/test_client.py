"""The client: order and count, what it says when something is wrong, and that it needs no TensorFlow."""

from __future__ import annotations

import concurrent.futures
import io
import socket
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving import client, protocol
from serving.client import BATCH_SENTENCES, Translation, TranslationError, Translator
from tests.serving.conftest import Running, free_port


@pytest.fixture
def translator(text_server: Running) -> Iterator[Translator]:
    with Translator(text_server.address) as made:
        yield made


def test_translate(translator: Translator) -> None:
    translator.wait_until_ready(timeout=20)
    assert translator.translate("été") == Translation("one:été", 5.0)


def test_many_keep_their_order_and_count_and_blank_ones_stay_blank(translator: Translator) -> None:
    texts = [f"number {n}" if n % 7 else " " for n in range(2 * BATCH_SENTENCES + 5)]
    answers = translator.translate_many(texts)
    assert [answer.text for answer in answers] == [f"one:{text}" if text.strip() else "" for text in texts]
    assert translator.translate_many([]) == []


def test_batches_are_bounded(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    whole = Translator._translate

    def counted(self: Translator, texts: list[str]) -> list[Translation]:
        sizes.append(len(texts))
        return whole(self, texts)

    monkeypatch.setattr(Translator, "_translate", counted)
    translator.translate_many(["t"] * (BATCH_SENTENCES + 1))
    assert sizes == [BATCH_SENTENCES, 1]


def test_threads_share_a_translator(translator: Translator) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(translator.translate, [f"sentence {n}" for n in range(80)]))
    assert [answer.text for answer in answers] == [f"one:sentence {n}" for n in range(80)]


def test_no_server() -> None:
    address = f"127.0.0.1:{free_port()}"
    with Translator(address) as translator:
        with pytest.raises(TranslationError, match=f"no server answers at {address}: start one with make serve"):
            translator.translate("t")
        with pytest.raises(TranslationError, match=f"no server is ready at {address} after 0.2 s"):
            translator.wait_until_ready(timeout=0.2)


def test_no_such_model(text_server: Running) -> None:
    with Translator(text_server.address, model="x") as translator:
        with pytest.raises(TranslationError, match="has no model 'x': Servable not found") as caught:
            translator.translate("t")
        assert caught.value.code is grpc.StatusCode.NOT_FOUND
        with pytest.raises(TranslationError, match="has no model 'x': Could not find any versions of model x"):
            translator.wait_until_ready(timeout=20)


def test_a_model_that_is_no_translator(numbers_server: Running) -> None:
    with (
        Translator(numbers_server.address, model="numbers") as translator,
        pytest.raises(TranslationError, match=r"invalid argument: .* input size does not match signature"),
    ):
        translator.translate("t")


def test_deadline() -> None:
    """The other end takes the connection and never says a word."""
    with socket.create_server(("localhost", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        with (
            Translator(address, timeout=0.5) as hurried,
            pytest.raises(TranslationError, match=r"deadline exceeded: no answer from .* within 0.5 s"),
        ):
            hurried.translate("t")


def test_the_bytes_are_those_of_the_generated_messages() -> None:
    ours = protocol.PredictRequest()
    ours.model_spec.name, ours.model_spec.signature_name = "m", "s"
    tensor = ours.inputs.add(key="text").value
    tensor.dtype = protocol.DT_STRING
    tensor.tensor_shape.dim.add(size=2)
    tensor.string_val.extend([b"a", b""])
    theirs = PredictRequest()
    theirs.model_spec.name, theirs.model_spec.signature_name = "m", "s"
    theirs.inputs["text"].CopyFrom(tf.make_tensor_proto(["a", ""]))
    assert PredictRequest.FromString(ours.SerializeToString()) == theirs


def test_the_client_imports_no_tensorflow() -> None:
    check = "import serving.client, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0


def test_command_translates_its_arguments(text_server: Running, capsys: pytest.CaptureFixture) -> None:
    client.main(["--server", text_server.address, "one sentence", "another"])
    assert capsys.readouterr().out == "one:one sentence\none:another\n"


def test_command_answers_every_line_of_standard_input(
    text_server: Running, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "first\n\nthird\u2028still third\r\n" + "more\n" * BATCH_SENTENCES + "last"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    client.main([f"--server={text_server.address}"])
    answered = capsys.readouterr().out.split("\n")
    assert answered == [
        "one:first",
        "",
        "one:third\u2028still third",
        *["one:more"] * BATCH_SENTENCES,
        "one:last",
        "",
    ]


def test_command_ends_in_one_sentence() -> None:
    command = [sys.executable, "-m", "serving.client", "--server", f"127.0.0.1:{free_port()}", "text"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: no server answers at 127.0.0.1:")
    assert ended.stderr.count("\n") == 1
