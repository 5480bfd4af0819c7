"""TensorBoard as a command: a page on loopback of a training that is there, and a sentence where there is none."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from model import curves
from workspace.errors import UserError
from workspace.layout import WorkDirectory

pytestmark = pytest.mark.slow


def test_a_work_directory_without_a_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training holds no training; make one with make train WORK="):
        curves.main(["--work", str(tmp_path)])


def test_the_page_is_there_until_ctrl_c_and_its_port_is_taken(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    writer = EventFileWriter(str(work.tensorboard))
    writer.add_event(event_pb2.Event(step=1, summary=summary_pb2.Summary()))
    writer.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "model.curves", "--work", str(tmp_path), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = f"http://127.0.0.1:{port}/"
            assert process.stdout.readline() == f"{work.training} in TensorBoard: {address} (Ctrl-C ends it)\n"
            with urllib.request.urlopen(f"{address}data/runs") as answer:
                assert json.load(answer) == [tmp_path.name]
            with urllib.request.urlopen(f"{address}data/plugins_listing") as answer:  # as a browser asks at first
                assert {"scalars", "images", "text"} <= json.load(answer).keys()
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (second.returncode, second.stdout) == (1, "")
            assert second.stderr == f"error: cannot listen on 127.0.0.1:{port}; choose another --port (PORT= of make)\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()
