"""What clients say where no answer comes, each for what it is, and whom they ask again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from serving.api import grpc_api
from serving.client import failures, messages, questions
from serving.client.answers import TranslationError
from serving.client.async_translator import AsyncTranslator
from serving.client.channel import Tls
from serving.client.translator import Translator
from tests.serving.support import Certificates, Running, running
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port

pytestmark = pytest.mark.slow


def said(address: str, tls: Tls | None = None) -> str:
    with Translator(address, tls=tls, timeout=20) as translator, pytest.raises(TranslationError) as caught:
        translator.translate("t")
    return str(caught.value)


@contextlib.contextmanager
def saying(words: bytes) -> Iterator[str]:
    """The address of one that takes connections, says this, and closes them."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(words)
                self.request.shutdown(socket.SHUT_WR)
                self.request.recv(1024)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_listens_is_no_server(text_server: Running) -> None:
    for host in ("127.0.0.1", "localhost"):  # which has an address more, where nobody listens
        sentence = said(f"{host}:{text_server.rest_port}")
        assert "HTTP is spoken there, not gRPC; give the port of its gRPC" in sentence
    with saying(b"") as address:
        assert "somebody listens there, but hangs up; it may speak TLS (--tls)" in said(address)
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n") as address:
        sentence = said(address)
    assert sentence.endswith(f"{address}: what answers there is no server of gRPC; give the host and port of one")
    assert "no host of this name is known" in said("nowhere.invalid:8500")
    nothing = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    port = nothing.add_insecure_port("127.0.0.1:0")
    nothing.start()
    sentence = said(f"127.0.0.1:{port}")
    assert sentence.startswith(f"what answers at 127.0.0.1:{port} serves no models")

    async def ask() -> None:
        async with AsyncTranslator(f"127.0.0.1:{port}") as translator:
            with pytest.raises(TranslationError, match=re.escape(sentence)):
                await translator.translate("t")

    asyncio.run(ask())
    nothing.stop(0).wait()


def test_a_server_that_comes_up_meanwhile_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it comes when gRPC has given up, and before it is looked who listens."""
    response = messages.PredictResponse()
    response.outputs.add(key="translation").value.string_val.append(b"there")
    response.outputs.add(key="score").value.float_val.append(0.0)
    answer = grpc.unary_unary_rpc_method_handler(lambda _, __: response.SerializeToString())
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": answer})
    servers: list[grpc.Server] = []
    has_come_up = failures.has_come_up

    def come_up(error: grpc.RpcError, address: str, tls: bool) -> bool:
        servers.append(grpc.server(concurrent.futures.ThreadPoolExecutor(2), [service]))
        servers[-1].add_insecure_port(address)
        servers[-1].start()
        return has_come_up(error, address, tls)

    def ask(address: str) -> str:
        with Translator(address, timeout=20) as translator:
            return translator.translate("t").text

    async def ask_both_ways() -> tuple[str, str]:
        address = f"127.0.0.1:{free_port()}"
        async with AsyncTranslator(f"127.0.0.1:{free_port()}", timeout=20) as translator:
            text, translation = await asyncio.gather(asyncio.to_thread(ask, address), translator.translate("t"))
            return text, translation.text

    monkeypatch.setattr(questions, "has_come_up", come_up)
    try:
        assert asyncio.run(ask_both_ways()) == ("there", "there")
        assert len(servers) == 2
    finally:
        for server in servers:
            server.stop(0).wait()


@pytest.mark.parametrize(
    ("address", "port"), [("localhost:8500", ""), ("127.0.0.1:8600", " PORT=8600"), ("unix:/run/x", "")]
)
def test_what_starts_a_server_can_be_pasted(address: str, port: str) -> None:
    assert failures.how_to_start(address, None) == f"start one with make serve{port}"
    work = WorkDirectory(Path("my work/it's"))
    assert failures.how_to_start(address, work) == f"start one with {work.command('serve')}{port}"


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("http://localhost:8500", "gRPC takes no http://; give host:port, such as localhost:8500$"),
        ("https://translate:8500/v1", r"such as translate:8500, and speak TLS \(--tls\)$"),
        ("localhost", "'localhost' is no address of a server; give host:port"),
        ("localhost:80000", "there is no port 80000"),
        ("", "'' is no address of a server"),
    ],
)
def test_what_is_no_address_is_refused(address: str, advice: str) -> None:
    with pytest.raises(UserError, match=advice):
        Translator(address)


def test_a_proxy_is_not_asked_for_this_machine_and_named_for_others(
    text_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("http_proxy", proxy)
    with Translator(text_server.address) as translator:
        assert translator.translate("t").text == "one:t"
    assert f"no server answers at example.invalid:8500: the proxy of http_proxy={proxy} " in said(
        "example.invalid:8500"
    )
    monkeypatch.setenv("no_proxy", "localhost,.invalid")
    assert "no host of this name is known" in said("example.invalid:8500")


def test_tls_that_fails_is_said_for_what_it_is(text_model: Path, text_server: Running, tmp_path: Path) -> None:
    certificates = Certificates()
    authority, stranger = tmp_path / "ca.pem", tmp_path / "other.pem"
    certificates.ca.cert_pem.write_to_path(authority)
    trustme.CA().cert_pem.write_to_path(stranger)
    assert "it speaks no TLS; leave out --tls" in said(text_server.address, Tls(authority))
    mine = certificates.ca.issue_cert("127.0.0.1")
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    cases = (
        (mine, False, None, "it may speak TLS (--tls)"),
        (mine, False, Tls(stranger), "its certificate does not pass (unable to get local issuer certificate)"),
        (mine, True, Tls(authority), "it may want a client's certificate"),
        (certificates.server, False, Tls(authority), "its certificate is for a host of another name"),
        (
            certificates.ca.issue_cert("127.0.0.1", not_after=yesterday),
            False,
            Tls(authority),
            "(certificate has expired)",
        ),
    )
    with contextlib.ExitStack() as servers:
        addresses = []
        for number, (certificate, asks, _, _) in enumerate(cases):
            config = certificates.config(tmp_path / f"{number}.config", certificate, client_verify=asks)
            server = servers.enter_context(running(text_model, "rnnsearch", ssl_config_file=config))
            addresses.append(server.address)
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:  # each takes seconds, of trying again
            answers = list(pool.map(said, addresses, [tls for _, _, tls, _ in cases]))
    for answer, (_, _, _, sentence) in zip(answers, cases, strict=True):
        assert sentence in answer


def test_no_such_version(text_server: Running) -> None:
    for which, sentence in (
        ({"version": 5}, "has no version 5 of model 'rnnsearch'"),
        ({"label": "canary"}, "has no version with the label 'canary' of model 'rnnsearch'"),
    ):
        with (
            Translator(text_server.address, **which) as translator,
            pytest.raises(TranslationError, match=sentence),
        ):
            translator.translate("t")


@pytest.mark.parametrize("full", ["threads", "queue"])
def test_a_server_with_too_much_to_do_is_asked_again(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """All are answered, in the end; who cannot wait that long is told why."""
    monkeypatch.setattr(grpc_api, "MOST_WAITING", 0)
    parameters = tmp_path / "batching.config"
    parameters.write_text(
        "max_batch_size { value: 1 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }"
        if full == "queue"
        else "max_batch_size { value: 100 } batch_timeout_micros { value: 50000 }"
    )
    flags = {"enable_batching": True, "batching_parameters_file": parameters}
    with running(text_model, "rnnsearch", grpc_max_threads=2 if full == "threads" else 50, **flags) as server:
        with Translator(server.address) as translator, concurrent.futures.ThreadPoolExecutor(15) as pool:
            answers = list(pool.map(translator.translate, [f"sentence {n}" for n in range(15)]))
        assert [answer.text for answer in answers] == [f"one:sentence {n}" for n in range(15)]

        async def ask() -> list[str]:
            async with AsyncTranslator(server.address) as translator:
                asked = (translator.translate(f"sentence {n}") for n in range(15))
                return [answer.text for answer in await asyncio.gather(*asked)]

        assert asyncio.run(ask()) == [answer.text for answer in answers]


def test_a_server_that_stays_busy(text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call holds its only thread for seconds."""
    monkeypatch.setattr(grpc_api, "MOST_WAITING", 0)
    parameters = tmp_path / "batching.config"
    parameters.write_text("max_batch_size { value: 100 } batch_timeout_micros { value: 3000000 }")
    flags = {"enable_batching": True, "batching_parameters_file": parameters}
    with (
        running(text_model, "rnnsearch", grpc_max_threads=1, **flags) as server,
        Translator(server.address) as patient,
        Translator(server.address, timeout=0.5) as hurried,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(patient.translate, "first")
        time.sleep(0.5)
        with pytest.raises(TranslationError, match=r"has too much to do \(Concurrent RPC limit exceeded!\)"):
            hurried.translate("t")
        assert first.result().text == "one:first"
