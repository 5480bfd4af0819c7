"""The client on the command line: lines in, translations out, and the heat map of a terminal."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from serving import translate
from serving.client.alignment import Alignment
from serving.client.answers import Translation
from serving.client.lines import heat_map
from serving.client.questions import BATCH_SENTENCES
from tests import marks
from tests.serving.support import Running
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port
from workspace.marks import write_mark

pytestmark = pytest.mark.slow


def shown(alignment: Alignment, width: int, colors: Any) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=colors, force_terminal=True)
    console.print(heat_map(alignment))
    assert isinstance(console.file, io.StringIO)
    return re.sub("\x1b\\[[0-9;]*m", "", console.file.getvalue())


@pytest.mark.parametrize("colors", ["standard", None])
def test_the_heat_map_can_be_seen_in_few_colours(colors: Any) -> None:
    alignment = Alignment(Translation("x", 0.0), ["a", "b", "c"], ["[x]", "六"], [[0.0, 0.5, 1.0], [0.25, 0.75, 0.02]])
    lines = shown(alignment, 60, colors).splitlines()
    assert lines[0].split() == ["0", "1", "2"]
    assert [line.rstrip() for line in lines[1:]] == ["[x]    ▒▒▒███", " 六 ░░░▓▓▓"]


@pytest.mark.parametrize("colors", ["truecolor", "256", "standard", None])
def test_every_row_of_the_heat_map_shows_where_its_weight_is(colors: Any) -> None:
    """Be it spread over a long sentence, or gone to the end of it for the most part."""
    rows = [[0.11] * 9, [0.04, *[0.1] * 8], [*[0.001] * 8, 0.01], [0.0] * 9, [0.9, *[0.01] * 8]]
    alignment = Alignment(Translation("x", 0.0), list("abcdefghi"), list("vwxyz"), rows)
    console = Console(width=60, file=io.StringIO(), color_system=colors, force_terminal=True, record=True)
    console.print(heat_map(alignment))
    if colors in ("truecolor", "256"):
        seen = [int(shade) > 40 for shade in re.findall(r"48;2;(\d+);", console.export_text(styles=True))]
    else:
        cells = [re.findall("...", line[2:]) for line in console.export_text().splitlines()[1:]]
        seen = [cell != "   " for row in cells for cell in row]
    expected = [[True] * 9, [False, *[True] * 8], [*[False] * 8, True], [False] * 9, [True, *[False] * 8]]
    assert [seen[first : first + 9] for first in range(0, len(seen), 9)] == expected


def test_the_heat_map_of_a_long_sentence_goes_on_below() -> None:
    """In 60 columns, with every word's number and weight, and long words cut."""
    source = [f"w{number}" for number in range(40)]
    weights = [[float(number == place) for number in range(40)] for place in (0, 17, 39)]
    alignment = Alignment(Translation("x", 0.0), source, ["a", "internationalisation-programme", "字" * 20], weights)
    lines = shown(alignment, 60, "standard").splitlines()
    assert max(cell_len(line) for line in lines) <= 60
    headings = [line for line in lines if re.fullmatch(r"[\d ]+", line)]
    assert [int(number) for line in headings for number in line.split()] == list(range(40))
    assert len(lines) == 4 * len(headings)
    assert sum(line.count("███") for line in lines) == 3
    assert "…" in lines[2]
    assert "…" in lines[3]


def test_command_translates_a_file(text_server: Running, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "lines").write_text("first\n\nlast")
    translate.main(["--server", text_server.address, "--input", str(tmp_path / "lines")])
    assert capsys.readouterr() == ("one:first\n\none:last\n", "")
    with pytest.raises(UserError, match="none cannot be read: No such file or directory; give a text file"):
        translate.main(["--server", text_server.address, "--input", str(tmp_path / "none")])


@pytest.mark.parametrize("way", ["file", "redirected", "pipe"])
@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16", "gzip"])
def test_command_translates_no_other_bytes(
    text_server: Running, tmp_path: Path, capfd: pytest.CaptureFixture, encoding: str, way: str
) -> None:
    """As if they were UTF-8; what can be read twice is looked at before anything is translated."""
    path = tmp_path / "lines"
    text = "空の下で\n"
    path.write_bytes(gzip.compress(text.encode()) if encoding == "gzip" else ("first\n" + text).encode(encoding))
    command = ["--server", text_server.address, *(["--input", str(path)] if way == "file" else [])]
    with path.open("rb") as file, subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        stdin = cat.stdout if way == "pipe" else file
        assert stdin is not None
        ran = subprocess.run(
            [sys.executable, "-m", "serving.translate", *command], stdin=stdin, capture_output=True, check=False
        )
    assert (ran.returncode, ran.stdout) == (1, b"")
    name = str(path) if way == "file" else "standard input"
    wrong = {"shift_jis": ": line 2 is not UTF-8;", "utf-16": " is in UTF-16;", "gzip": " is compressed;"}[encoding]
    assert ran.stderr.decode().startswith(f"error: {name}{wrong}")


def test_command_takes_a_mark_for_none_of_the_text(
    text_server: Running, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "lines").write_text("first\r\nsecond\n", encoding="utf-8-sig", newline="")
    translate.main(["--server", text_server.address, "--input", str(tmp_path / "lines")])
    assert capsys.readouterr().out == "one:first\none:second\n"


def test_command_goes_on_where_another_has_stopped_reading(text_server: Running, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("title\nfirst\nsecond\n")
    with (tmp_path / "lines").open("rb", buffering=0) as file:
        file.seek(len("title\n"))
        command = [sys.executable, "-m", "serving.translate", "--server", text_server.address]
        ran = subprocess.run(command, stdin=file, capture_output=True, check=False, text=True)
    assert ran.stdout == "one:first\none:second\n"


def test_command_takes_no_other_bytes_as_text(text_server: Running) -> None:
    with pytest.raises(UserError, match=r"the TEXT .* is not UTF-8; give it in UTF-8, or in a file"):
        translate.main(["--server", text_server.address, "one", b"\x8b\xf3".decode("utf-8", "surrogateescape")])


def test_command_gives_json(text_server: Running, capsys: pytest.CaptureFixture) -> None:
    translate.main(["--server", text_server.address, "--json", "--version=1", "été", ""])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"text": "été", "translation": "one:été", "score": 5.0},
        {"text": "", "translation": "", "score": 0.0},
    ]


def test_command_writes_what_standard_output_can_hold(text_server: Running) -> None:
    """UTF-8 where nobody has chosen anything; another encoding as long as it has the characters."""

    def said(encoding: str, *texts: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "serving.translate", "--server", text_server.address, *texts]
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        ran = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
        return ran.returncode, ran.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8"), ran.stderr.decode()

    assert said("ascii", "été", "漢字") == (0, "one:été\none:漢字\n", "")
    assert said("latin-1", "été") == (0, "one:été\n", "")
    code, out, error = said("latin-1", "été", "漢字")
    assert (code, out) == (1, "one:été\n")
    assert error.startswith("error: latin-1 has no")
    assert "of line 2; set PYTHONIOENCODING=utf-8" in error


def test_command_does_not_ask_a_model_that_does_not_say_which_it_is(text_server: Running, tmp_path: Path) -> None:
    """Where the model of a work directory is asked for."""
    work = WorkDirectory(tmp_path / "work")
    write_mark(work.provenance(1), marks.provenance({"weights": "0"}))
    with pytest.raises(UserError, match=f"the model at {text_server.address} does not say which it is"):
        translate.main(["--server", text_server.address, "--work", str(work.root), "t"])


def test_command_translates_its_arguments(text_server: Running, capsys: pytest.CaptureFixture) -> None:
    translate.main(["--server", text_server.address, "one sentence", "another"])
    assert capsys.readouterr().out == "one:one sentence\none:another\n"


def test_command_answers_every_line_of_standard_input(
    text_server: Running, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "first\n\nthird\u2028still third\r\n" + "more\n" * BATCH_SENTENCES + "last"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    translate.main([f"--server={text_server.address}"])
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
    command = [sys.executable, "-m", "serving.translate", "--server", f"127.0.0.1:{free_port()}", "text"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: no server answers at 127.0.0.1:")
    assert ended.stderr.count("\n") == 1
