"""Batch translation by a running server: of that model, and of as many texts at a time as it takes."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import concurrent.futures
import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf

from pipelines import translate
from pipelines.translation.asked import Asked
from pipelines.translation.batching import Found
from pipelines.translation.server_engine import ServerEngine
from serving.client import messages
from serving.client.answers import TranslationError
from tests import marks
from tests.serving.support import Running, TextModel, eventually, running
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port
from workspace.marks import write_mark
from workspace.storage import read_json

pytestmark = pytest.mark.slow

LINES = [f"line {number}" if number % 5 else "" for number in range(45)]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with a model of four texts at a time, which says that its weights are "one:"."""
    base = tmp_path_factory.mktemp("small")
    model = TextModel("one:")
    signatures = {"serving_default": model.at_most_four, "identity": model.identity}
    tf.saved_model.save(model, str(base / "1"), signatures=signatures)
    return base


@pytest.fixture(scope="module")
def server(small_model: Path) -> Iterator[Running]:
    with running(small_model, "rnnsearch") as server:
        yield server


def arguments(tmp_path: Path, server: str, work: Path | None = None) -> list[str]:
    (tmp_path / "in").write_text("\n".join(LINES) + "\n")
    files = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    return [*files, "--server", server, *(["--work", str(work)] if work else [])]


def exported(path: Path, *weights: str) -> Path:
    """A work directory with exported models of these weights."""
    work = WorkDirectory(path)
    for number, digest in enumerate(weights, start=1):
        write_mark(work.provenance(number), marks.provenance({"weights": digest}))
    return path


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [([], "{work}/export holds no exported model; make one with"), (["two:"], "another model than {work};")],
)
def test_a_server_of_another_model_is_not_asked(
    server: Running, tmp_path: Path, weights: list[str], sentence: str
) -> None:
    work = exported(tmp_path / "w", *weights)
    with pytest.raises(UserError, match=re.escape(sentence.format(work=work))):
        translate.main(arguments(tmp_path, server.address, work))
    assert not (tmp_path / "out").exists()


def test_a_server_of_this_model_translates_in_batches_that_it_takes(server: Running, tmp_path: Path) -> None:
    work = exported(tmp_path / "w", "two:", "one:")
    translate.main(arguments(tmp_path, server.address, work))
    assert (tmp_path / "out").read_text().split("\n") == [*(f"one:{line}" if line else "" for line in LINES), ""]
    assert read_json(tmp_path / "out.manifest.json")["model"] == {"weights": "one:"}


def test_no_server_of_a_work_directory_is_a_sentence_that_says_how_to_start_it(tmp_path: Path) -> None:
    work, port = exported(tmp_path / "my work", "one:"), free_port()
    with pytest.raises(TranslationError, match=re.escape(f"start one with make serve WORK='{work}' PORT={port}")):
        translate.main(arguments(tmp_path, f"127.0.0.1:{port}", work))


TEXTS = [f"text {number}" for number in range(200)]
Predict = Callable[[Any, grpc.ServicerContext], Any]


@contextlib.contextmanager
def answering(predict: Predict, port: int = 0) -> Iterator[int]:
    """The port of a server that answers Predict so, and says that its model is available."""

    def status(_: Any, __: Any) -> Any:
        response = messages.GetModelStatusResponse()
        response.model_version_status.add(version=1, state=messages.AVAILABLE)
        return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    for service, method, answer, kind in (
        ("PredictionService", "Predict", predict, messages.PredictRequest),
        ("ModelService", "GetModelStatus", status, messages.GetModelStatusRequest),
    ):
        handler = grpc.unary_unary_rpc_method_handler(answer, kind.FromString, lambda found: found.SerializeToString())
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", {method: handler})]
        )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def texts_of(request: Any) -> list[bytes]:
    (text,) = (entry.value for entry in request.inputs)
    return list(text.string_val)


def capitals(request: Any, context: grpc.ServicerContext) -> Any:
    """Of a model of one version after the other, as is told by its weights; it takes no text that is "no"."""
    response = messages.PredictResponse()
    texts = texts_of(request)
    if b"no" in texts:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no means no")
    if request.model_spec.signature_name == "identity":
        response.outputs.add(key="weights").value.string_val.append(b"w")
    response.outputs.add(key="translation").value.string_val.extend(text.upper() for text in texts)
    response.outputs.add(key="score").value.float_val.extend([-1.0] * len(texts))
    return response


def found(engine: ServerEngine, texts: Sequence[str] = TEXTS, between: Callable[[], object] = bool) -> list[Found]:
    """What a server gives; ``between`` is called when the first answer is there."""
    answers = iter(engine.made_ready().translate(list(texts), Asked()))
    first = next(answers)
    between()
    return [first, *answers]


def test_a_server_that_goes_away_is_waited_for() -> None:
    """It is asked again for what it has not answered, and nothing is lost or doubled; and it is said."""
    said: list[str] = []
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        port = first.enter_context(answering(capitals))
        engine = ServerEngine(f"127.0.0.1:{port}", patience=30.0)

        def restart() -> None:
            first.close()
            eventually(lambda: said == [f"note: the server at {engine.address} does not answer; waiting up to 30 s"])
            stack.enter_context(answering(capitals, port))

        with engine.watched(said.append):
            answers = found(engine, between=restart)
            eventually(lambda: said[1:] == [f"note: the server at {engine.address} is back; going on"])
    assert [each.translation.text for each in answers] == [text.upper() for text in TEXTS]


def test_patience_ends_with_a_sentence() -> None:
    with contextlib.ExitStack() as stack:
        engine = ServerEngine(f"127.0.0.1:{stack.enter_context(answering(capitals))}", patience=0.5)
        with pytest.raises(
            UserError, match=r"was waited for 0\.5 s: what is translated is kept, and the same command goes"
        ):
            found(engine, between=stack.close)


def test_a_text_that_is_refused_is_told_and_the_others_are_translated() -> None:
    texts = [*TEXTS[:50], "no", *TEXTS[50:]]
    with answering(capitals) as port:
        answers = found(ServerEngine(f"127.0.0.1:{port}"), texts)
    assert [(text, each.why) for text, each in zip(texts, answers, strict=True) if each.why] == [
        ("no", f"invalid argument: the model 'rnnsearch' at 127.0.0.1:{port} refused the request: no means no")
    ]
    assert [each.translation.text for each in answers if not each.why] == [text.upper() for text in TEXTS]


def test_a_server_that_answers_garbage_or_has_another_model_ends_the_job_in_a_sentence() -> None:
    def garbage(request: Any, context: grpc.ServicerContext) -> Any:
        is_garbage = b"text 150" in texts_of(request)
        return messages.PredictResponse() if is_garbage else capitals(request, context)

    weights = iter([b"w", b"v"])

    def exchanged(request: Any, context: grpc.ServicerContext) -> Any:
        response = capitals(request, context)
        if request.model_spec.signature_name == "identity":
            response.outputs[0].value.string_val[:] = [next(weights)]
        return response

    for predict, sentence in ((garbage, "gave no output"), (exchanged, "another model than when")):
        with answering(predict) as port, pytest.raises(UserError, match=sentence):
            found(ServerEngine(f"127.0.0.1:{port}"))
