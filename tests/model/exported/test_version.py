"""Whether an exported version gets an engine, and what loads it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from model.exported import loading, version
from model.exported.files import SEARCH, EngineMark, Precision
from model.exported.loading import load_signatures, package_for
from tests import marks
from tests.model.support import TEXTS, TINY
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.layout import TOO_MANY_TEXTS, WorkDirectory, engine_of, subwords_of
from workspace.listing import exists
from workspace.locations import Location, located
from workspace.marks import Provenance, find_mark, write_version_mark
from workspace.storage import copy, read_bytes, write_bytes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("holds", [True, False])
def test_there_is_an_engine_where_it_is_as_good(
    trained: WorkDirectory[Path],
    tmp_path: Path,
    holds: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without one TensorFlow translates, and who asks for it is told."""
    work = WorkDirectory(tmp_path / "run")
    shutil.copytree(trained.root, work.root)
    shutil.rmtree(work.export, ignore_errors=True)
    left_over = work.export / ".1.12345.partial"  # of an export that was killed
    (left_over / "variables").mkdir(parents=True)
    if not holds:
        monkeypatch.setattr(version, "ENGINE_TOLERANCE", -101.0)
    path = version.export(work, TINY, is_forced=True)
    assert list(work.export.iterdir()) == [path]
    mark = find_mark(work, Provenance)
    assert mark is not None
    assert mark.engine is not None
    assert mark.engine.holds == exists(engine_of(path)) == holds
    assert mark.engine.sentences > 0
    assert read_bytes(subwords_of(path)) == read_bytes(work.subword_model("source", joint=True))
    assert any("engine/" in name for name in mark.left) == holds
    assert mark.sha256.keys() == mark.left.keys()
    said = capsys.readouterr().err
    assert ("this version has no engine for CPUs" in said) != holds
    translations = load_signatures(path)["serving_default"](text=TEXTS)["translation"]
    in_float32 = load_signatures(path, "float32")["serving_default"](text=TEXTS)["translation"]
    if holds:
        in_int8 = load_signatures(path, "int8")["serving_default"](text=TEXTS)
        assert list(translations) == list(in_int8["translation"])
        assert isinstance(in_int8["score"], list)  # TensorFlow gives arrays
    else:
        assert list(translations) == list(in_float32)
        with pytest.raises(UserError, match="has no engine in int8"):
            load_signatures(path, "int8")


def test_what_loads_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine where there is one, but TensorFlow for a GPU; and what is installed rather than what is not."""
    directory = engine_of(tmp_path)
    for wrong in ("int4", "", 8):
        with pytest.raises(UserError, match=r"there is no precision .*; choose int8 or float32"):
            package_for(tmp_path, wrong)  # type: ignore[arg-type]
    assert package_for(tmp_path, None) == package_for(tmp_path, "float32") == "tensorflow"
    directory.mkdir(parents=True)
    EngineMark("int8", True, 1, 6, 1.0, 2.0, 10, 500).write(directory)
    for has_gpu, missing, package in [
        (False, "", "ai_edge_litert"),
        (True, "", "tensorflow"),
        (True, "tensorflow", "ai_edge_litert"),
        (False, "ai_edge_litert", "tensorflow"),
    ]:
        monkeypatch.setattr(loading, "has_gpu", lambda has_gpu=has_gpu: has_gpu)
        monkeypatch.setattr("importlib.util.find_spec", lambda name, missing=missing: None if name == missing else name)
        assert package_for(tmp_path, None) == package
        assert package_for(tmp_path, "int8") == "ai_edge_litert"
        assert package_for(tmp_path, "float32") == "tensorflow"


class Pairs(tf.Module):
    """text, translation -> the letters of both, filled up to the longest of the request, which has 4 pairs at most."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=name) for name in ("text", "translation")])
    def letters(self, text: tf.Tensor, translation: tf.Tensor) -> dict[str, tf.Tensor]:
        refusal = f"{TOO_MANY_TEXTS.format(4)}; ask for fewer at a time"
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.size(text), 4, message=refusal)]):
            return {"letters": tf.strings.bytes_split(text + translation).to_tensor()}


def test_a_damaged_copy_is_not_loaded(s3: Store, tmp_path: Path) -> None:
    """Not even where TensorFlow or LiteRT would not see it."""
    tf.saved_model.save(Pairs(), str(tmp_path / "1"))
    EngineMark("int8", True, 1, 6, 1.0, 2.0, 10, 500).write(engine_of(tmp_path / "1"))
    (engine_of(tmp_path / "1") / SEARCH).write_bytes(b"no model")
    write_version_mark(tmp_path / "1", marks.provenance({}))
    copy(tmp_path / "1", version := located(f"{s3.root}/1"))
    load_signatures(version, "float32")
    files: dict[Precision, Location] = {"float32": version / "fingerprint.pb", "int8": engine_of(version) / SEARCH}
    for precision, file in files.items():
        write_bytes(file, read_bytes(file)[::-1])
        with pytest.raises(UserError, match=f"^{version}: {file.name} is missing or damaged; remove it, and export"):
            load_signatures(version, precision)


def test_any_number_of_texts_is_translated_by_tensorflow_too(tmp_path: Path) -> None:
    """As many at a time as the model takes; none is mixed up with another."""
    model = Pairs()
    tf.saved_model.save(model, str(tmp_path), signatures={"letters": model.letters})
    letters = load_signatures(tmp_path, "float32")["letters"]
    for count in (0, 3, 4, 5, 11):
        texts, translations = [["a" * number for number in range(count)], [f"{number}" for number in range(count)]]
        found = letters(text=texts, translation=translations)["letters"]
        pairs = zip(texts, translations, strict=True)
        assert [b"".join(row) for row in found] == [(text + translation).encode() for text, translation in pairs]
