"""COMET: left out where it is not, and asked as its documentation has it where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model.evaluation.comet import comet_score

SOURCES, TRANSLATIONS, REFERENCES = ["one", "two"], ["un", "trois"], ["un", "deux"]
# With its interface, and a judgement of its own: the share of translations that are the reference.
COMET = """
from types import SimpleNamespace

def download_model(name):
    return f"downloaded {name}"

def load_from_checkpoint(path):
    def predict(samples, batch_size, gpus):
        assert batch_size > 0 and gpus in (0, 1)
        assert [each["src"] for each in samples] == ["one", "two"]
        scores = [float(each["mt"] == each["ref"]) for each in samples]
        known = path == "downloaded some/model" or path.endswith("/model.ckpt")
        return SimpleNamespace(scores=scores, system_score=sum(scores) / len(scores) if known else -1)
    return SimpleNamespace(predict=predict)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "comet.py").write_text(COMET, encoding="utf-8")
    (tmp_path / "unbabel_comet-2.2.1.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 2.2.1\n"
    (tmp_path / "unbabel_comet-2.2.1.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "comet", raising=False)


@pytest.mark.usefixtures("installed")
def test_where_it_is_installed_it_scores(tmp_path: Path) -> None:
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.touch()
    for model, name in (("some/model", "some/model"), (str(checkpoint), "model.ckpt")):
        found = comet_score(model, SOURCES, TRANSLATIONS, REFERENCES)
        assert found is not None
        assert (found.score, found.signature, found.text) == (0.5, f"model:{name}|version:2.2.1", "COMET = 0.5000")
    assert comet_score(None, SOURCES, TRANSLATIONS, REFERENCES) is None


def test_where_it_is_not_it_is_left_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert comet_score(None, SOURCES, TRANSLATIONS, REFERENCES) is None
    assert capsys.readouterr().err == ""
    assert comet_score("some/model", SOURCES, TRANSLATIONS, REFERENCES) is None
    assert capsys.readouterr().err == (
        "note: COMET is not installed, so that evaluation.comet (some/model) has no effect; pip install unbabel-comet "
        "installs it\n"
    )
