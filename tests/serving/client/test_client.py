"""The client: order and count, what it says when something is wrong, and that it needs no TensorFlow."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import itertools
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
import trustme
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.client import messages
from serving.client.answers import SubwordScores, Translation, TranslationError
from serving.client.async_translator import AsyncTranslator
from serving.client.channel import Tls
from serving.client.questions import BATCH_SENTENCES, BATCHES_IN_FLIGHT, Questions
from serving.client.translator import Translator
from tests.requirements import EXHAUSTIVE
from tests.serving.support import (
    Certificates,
    Running,
    TextModel,
    config_of,
    eventually,
    labels,
    model,
    running,
    save_text_model,
)
from workspace.errors import UserError
from workspace.machine import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def translator(text_server: Running) -> Iterator[Translator]:
    with Translator(text_server.address) as made:
        yield made


def test_translate(translator: Translator) -> None:
    translator.wait_until_ready(timeout=20)
    assert translator.translate("été") == Translation("one:été", 5.0)


def test_many_keep_their_order_and_count_and_blank_ones_stay_blank(translator: Translator) -> None:
    texts = [f"number {n}" if n % 7 else " " for n in range(2 * BATCH_SENTENCES + 5)]
    answers = list(translator.translate_many(texts))
    assert [answer.text for answer in answers] == [f"one:{text}" if text.strip() else "" for text in texts]
    assert list(translator.translate_many([])) == []


def test_texts_are_taken_as_they_are_needed(translator: Translator) -> None:
    """There is no end to them."""
    numbers = itertools.count()
    texts = (f"number {next(numbers)}" for _ in itertools.repeat(None))
    answers = itertools.islice(translator.translate_many(texts), 1000)
    assert [answer.text for answer in answers] == [f"one:number {n}" for n in range(1000)]
    assert next(numbers) <= 1000 + BATCH_SENTENCES * (BATCHES_IN_FLIGHT + 1)


def test_blank_texts_need_no_server() -> None:
    address = f"127.0.0.1:{free_port()}"
    blank = [" "] * (BATCHES_IN_FLIGHT * BATCH_SENTENCES + 1)
    with Translator(address) as translator:
        assert translator.translate("\n") == Translation("", 0.0)
        assert translator.nbest(" \u3000", 5) == [Translation("", 0.0)]
        assert list(translator.translate_many(blank)) == [Translation("", 0.0)] * len(blank)

    async def talk() -> None:
        async with AsyncTranslator(address) as translator:
            assert await translator.translate("\n") == Translation("", 0.0)
            assert [answer async for answer in translator.translate_many(blank)] == [Translation("", 0.0)] * len(blank)

    asyncio.run(talk())


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_translation_is_nothing_to_ask_for(count: int) -> None:
    with Translator() as translator, pytest.raises(ValueError, match=f"{count} translations are asked for; ask for 1"):
        translator.nbest("t", count)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_no_time_is_refused_before_anybody_is_asked(timeout: float) -> None:
    with pytest.raises(UserError, match=f"a timeout of {timeout:g} s leaves no time for an answer"):
        Translator(timeout=timeout)


def test_any_time_there_is_may_be_given(text_server: Running) -> None:
    for timeout in (1e300, float("inf")):
        with Translator(text_server.address, timeout=timeout) as translator:
            assert translator.translate("t").text == "one:t"


@pytest.mark.parametrize("version", [-1, 2**63])
def test_a_version_that_there_cannot_be(version: int) -> None:
    with pytest.raises(UserError, match=f"there is no version {version}; give a number from 0"):
        Translator(version=version)


@pytest.mark.parametrize("limit", ["of the server", "of the model"])
def test_texts_go_in_batches_that_the_server_takes(text_model: Path, tmp_path: Path, limit: str) -> None:
    """Which it says when it is first asked; blank texts are none of them."""
    texts = [f"number {n}" if n % 3 else "" for n in range(3 * BATCH_SENTENCES)]
    expected = [f"one:{text}" if text else "" for text in texts]
    flags: dict[str, Any] = {}
    base = tmp_path / "base"
    if limit == "of the server":
        shutil.copytree(text_model, base)
        parameters = tmp_path / "batching.config"
        parameters.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 100 }")
        flags = {"enable_batching": True, "batching_parameters_file": parameters}
    else:
        model = TextModel("one:")
        tf.saved_model.save(model, str(base / "1"), signatures={"serving_default": model.at_most_four})
    with running(base, "rnnsearch", **flags) as server:
        with Translator(server.address) as translator:
            assert [answer.text for answer in translator.translate_many(texts)] == expected
            assert translator._most_texts == 4

        async def ask() -> list[str]:
            async with AsyncTranslator(server.address) as translator:
                return [answer.text async for answer in translator.translate_many(texts)]

        assert asyncio.run(ask()) == expected


def test_both_clients_have_the_same_calls() -> None:
    """With the same arguments and documentation; one is awaited."""

    def calls(client: type) -> dict[str, tuple[list[tuple[str, object]], str | None]]:
        return {
            name: ([(p.name, p.default) for p in inspect.signature(call).parameters.values()], call.__doc__)
            for name, call in inspect.getmembers(client, inspect.isfunction)
            if name == "__init__" or not name.startswith("_")
        }

    assert calls(AsyncTranslator) == calls(Translator)
    assert all(documentation for _, documentation in calls(Translator).values())


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
    ours = messages.PredictRequest()
    ours.model_spec.name, ours.model_spec.signature_name = "m", "s"
    tensor = ours.inputs.add(key="text").value
    tensor.dtype = messages.DT_STRING
    tensor.tensor_shape.dim.add(size=2)
    tensor.string_val.extend([b"a", b""])
    theirs = PredictRequest()
    theirs.model_spec.name, theirs.model_spec.signature_name = "m", "s"
    theirs.inputs["text"].CopyFrom(tf.make_tensor_proto(["a", ""]))
    assert PredictRequest.FromString(ours.SerializeToString()) == theirs


@pytest.mark.parametrize(
    "module", ["serving.client.translator", "serving.client.async_translator", "serving.client.lines"]
)
def test_the_client_imports_no_tensorflow_and_starts_at_once(module: str) -> None:
    """In less than half a second of a core."""
    check = f"import {module}, sys, time; assert 'tensorflow' not in sys.modules; print(time.process_time())"
    said = [subprocess.run([sys.executable, "-c", check], check=True, stdout=subprocess.PIPE) for _ in range(3)]
    assert min(float(ran.stdout) for ran in said) < 0.5


def test_a_version_by_number_or_label(text_model: Path, tmp_path: Path) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    save_text_model(tmp_path / "2", "two:")
    config = tmp_path / "models.config"
    config.write_text(config_of(model("m", tmp_path, "model_version_policy { all {} }" + labels(stable=1, canary=2))))
    flags = {"model_config_file": config, "allow_version_labels_for_unavailable_models": True}
    with running(tmp_path, "unused", **flags) as server:
        for which, prefix in (
            ({}, "two:"),
            ({"version": 1}, "one:"),
            ({"label": "stable"}, "one:"),
            ({"label": "canary"}, "two:"),
        ):
            with Translator(server.address, "m", **which) as translator:
                translator.wait_until_ready(timeout=20)
                assert translator.translate("t").text == f"{prefix}t"
        with (
            Translator(server.address, "m", label="x") as translator,
            pytest.raises(TranslationError, match="Unrecognized servable version label: x"),
        ):
            translator.translate("t")
    with pytest.raises(UserError, match="version 1 and label 'x' are both asked for"):
        Translator(version=1, label="x")


def test_tls(text_model: Path, tmp_path: Path) -> None:
    """A server that lets in whom its authority has signed, and clients that do and do not show that."""
    certificates = Certificates()
    authority, certificate, key, stranger = (
        tmp_path / name for name in ("ca.pem", "mine.pem", "mine.key", "other.pem")
    )
    authority.write_bytes("# autorité, 認証局\n".encode() + certificates.ca.cert_pem.bytes())  # as bundles have them
    certificates.client.cert_chain_pems[0].write_to_path(certificate)
    certificates.client.private_key_pem.write_to_path(key)
    trustme.CA().cert_pem.write_to_path(stranger)
    config = certificates.config(tmp_path / "ssl.config", client_verify=True)
    with running(text_model, "rnnsearch", ssl_config_file=config) as server:
        address = f"localhost:{server.server.port}"
        with Translator(address, tls=Tls(authority, certificate, key)) as translator:
            assert translator.translate("t").text == "one:t"
        for wrong in (None, Tls(authority), Tls(stranger, certificate, key)):
            with (
                Translator(address, tls=wrong) as translator,
                pytest.raises(TranslationError, match="no server answers"),
            ):
                translator.translate("t")
    with pytest.raises(UserError, match="give both or neither"):
        Tls(certificate=certificate).credentials()
    with pytest.raises(UserError, match=r"none.pem cannot be read: No such file"):
        Tls(tmp_path / "none.pem").credentials()


def test_a_server_that_is_killed_and_comes_back_loses_nothing(text_model: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "serving.server", f"--port={port}", "--model_name=rnnsearch"]
    command.append(f"--model_base_path={text_model}")

    def start() -> subprocess.Popen:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    count = 20_000 if EXHAUSTIVE else 4_000
    server = start()
    try:
        answers = []
        with Translator(f"localhost:{port}") as translator:
            translator.wait_until_ready(60)
            for translation in translator.translate_many(f"number {n}" for n in range(count)):
                answers.append(translation.text)
                if len(answers) in (2_000, 9_000):
                    server.kill()
                    server.wait()
                    server = start()
        assert answers == [f"one:number {n}" for n in range(count)]
    finally:
        server.kill()
        server.wait()


def test_a_client_that_goes_away_in_the_middle(text_server: Running) -> None:
    """The server goes on with the others, and nothing it began for it stays behind."""
    for _ in range(20):
        with Translator(text_server.address) as leaving:
            next(leaving.translate_many("t" * 1000 for _ in range(10_000)))
    with Translator(text_server.address) as translator:
        assert translator.translate("t").text == "one:t"
    (version,) = text_server.server._models._models["rnnsearch"]._loaded.values()
    eventually(lambda: version.leases == 0)


@pytest.mark.parametrize("attends", [True, False])
def test_scores_of_subwords_are_read_without_what_fills_them_up(attends: bool) -> None:
    response = messages.PredictResponse()
    of_texts = {"target_subwords": [b"\xe2\x96\x81un", b"</s>", b""]}
    of_numbers = {"score": [-1.5], "log_probability": [-1.0, -2.0, 0.0]}
    if attends:
        of_texts["source_subwords"] = [b"\xe2\x96\x81one", b"</s>", b""]
        of_numbers["alignment"] = [0.75, 0.25, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]
    for name, texts in of_texts.items():
        response.outputs.add(key=name).value.string_val.extend(texts)
    for name, numbers in of_numbers.items():
        response.outputs.add(key=name).value.float_val.extend(numbers)
    source, alignment = (["\u2581one", "</s>"], [[0.75, 0.25], [0.5, 0.5]]) if attends else ([], [])
    expected = SubwordScores(-1.5, ["\u2581un", "</s>"], [-1.0, -2.0], source, alignment)
    assert Questions().score_subwords("one", "un").read(response) == expected


def test_a_model_without_these_outputs() -> None:
    response = messages.PredictResponse()
    response.outputs.add(key="translation")
    with pytest.raises(TranslationError, match="gave no output 'score'; serve a model made with make train"):
        Questions().score("a", "b").read(response)
