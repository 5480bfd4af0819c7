"""The two servers' command lines: flags, the real process, and which server is started."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving import serve
from serving.api.stand_in import Server
from serving.client.translator import Translator
from serving.protocol.flags import Flags, parse_flags
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port


def test_flags_have_the_names_and_defaults_of_the_real_server() -> None:
    flags = parse_flags(["--model_base_path=/models/m"])
    assert flags.model_base_path == Path("/models/m")
    assert (flags.model_name, flags.port, flags.rest_api_port) == ("default", 8500, 0)
    assert flags.rest_api_timeout_in_ms == 30_000
    assert flags.file_system_poll_wait_seconds == 1
    assert (flags.max_num_load_retries, flags.load_retry_interval_micros) == (5, 60_000_000)
    assert flags.host == "localhost"


def test_both_ways_to_write_a_flag() -> None:
    assert parse_flags(["--model_base_path", "m", "--port", "1"]) == parse_flags(["--port=1", "--model_base_path=m"])


def test_flags_of_the_real_server_that_are_not_implemented_are_named(capsys: pytest.CaptureFixture) -> None:
    flags = parse_flags(
        ["--use_alts_credentials", "--num_load_threads", "4", "--model_base_path=m", "--prefer_tflite_model=true"]
    )
    assert flags == Flags(Path("m"))
    warnings = capsys.readouterr().err.splitlines()
    assert [warning.split()[1] for warning in warnings] == [
        "--use_alts_credentials",
        "--num_load_threads",
        "--prefer_tflite_model",
    ]
    assert all("not implemented" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_base_path=m", "--colour=red"], "unrecognized arguments: --colour=red"),
        (["--model_base_path=m", "--port=65536"], "65536 is no port"),
        (["--model_base_path=m", "--rest_api_port=8500"], "--rest_api_port and --port are both 8500"),
        (["--model_base_path=m", "--grpc_max_threads=0"], "0 is not positive"),
        ([], "neither --model_base_path nor --model_config_file is given"),
    ],
)
def test_wrong_flags(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_flags(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "port"), [(["--port=8501"], 8501), (["--rest_api_port=8500"], 8500)])
def test_one_port_for_both_is_refused_in_a_sentence(flags: list[str], port: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^gRPC and REST are both to be on port {port}; give one of them another$"):
        serve.main(["--work", str(tmp_path), *flags])


def test_version(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags(["--version"])
    said = capsys.readouterr().out.splitlines()
    assert (ended.value.code, said[-1]) == (0, f"TensorFlow Library: {importlib.metadata.version('tensorflow')}")
    assert said[0].startswith("TensorFlow ModelServer: ")


def test_a_missing_base_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent does not exist"):
        Server(Flags(model_base_path=tmp_path / "absent", port=0))


@pytest.mark.slow
def test_a_taken_rest_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}.*choose another --rest_api_port"):
            Server(Flags(model_base_path=tmp_path, host="127.0.0.1", port=0, rest_api_port=port))


@pytest.mark.slow
def test_the_process_serves_refuses_a_taken_port_and_ends_well(text_model: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "serving.server", f"--port={port}", f"--model_base_path={text_model}"]
    command.append("--model_name=rnnsearch")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"serving rnnsearch version 1: gRPC at localhost:{port}\n"
            with Translator(f"localhost:{port}") as translator:
                assert translator.translate("t").text == "one:t"
            second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            assert second.returncode == 1
            assert f"error: cannot listen on localhost:{port}" in second.stderr
            assert "Traceback" not in second.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_serve_prefers_the_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = WorkDirectory(tmp_path / "work")
    work.version(1).mkdir(parents=True)
    real = tmp_path / "tensorflow_model_server"
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, command: started.append(command))
    monkeypatch.chdir(tmp_path)
    flags = ["--port=1", "--rest_api_port=2", "--model_name=rnnsearch", f"--model_base_path={work.export}"]

    monkeypatch.setenv("PATH", "")
    serve.main(["--work", "work", "--port", "1", "--rest_api_port", "2"])
    monkeypatch.setenv("PATH", str(tmp_path))
    serve.main(["--work", "work", "--port", "1", "--rest_api_port", "2"])

    assert started == [[sys.executable, "-m", "serving.server", *flags], [str(real), *flags]]


def test_serve_needs_an_exported_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"; make one with make train"):
        serve.main(["--work", str(tmp_path)])
