"""docs/python.md as it is written, on the run of the road; and that both translators give the same."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shutil
import sys
from pathlib import Path

import pytest

import rnnsearch
from tests.end_to_end.support import TOO_LONG, UNSPLITTABLE
from tests.numbers_corpus import english
from workspace.layout import WorkDirectory

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
TEXTS = ["", *(english(number) for number in range(7, 9999, 487)), TOO_LONG, english(8)]


def test_both_translators_give_the_same(work: WorkDirectory[Path], server: str) -> None:
    with rnnsearch.load(work.root, precision="float32") as loaded, rnnsearch.connect(server) as connected:
        ours, theirs = loaded.translate(TEXTS), connected.translate(TEXTS)
        assert [each.text for each in ours] == [each.text for each in theirs]
        assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], rel=1e-4)
        assert len(ours) == len(TEXTS)
        assert [text for text, each in zip(TEXTS, ours, strict=True) if each.too_long] == [TOO_LONG]
        assert all(each.text for each in ours[1:-2])

        nbest = loaded.nbest(TEXTS, 2)
        assert [[each.text for each in found] for found in nbest] == [
            [each.text for each in found] for found in connected.nbest(TEXTS, 2)
        ]
        assert [found[0].text for found in nbest if found] == [each.text for each in ours if not each.too_long]

        few = TEXTS[-5:]
        for temperature in (None, 0.7):
            drawn, also_drawn = (made.sample(few, 3, 7, temperature) for made in (loaded, connected))
            for found, same in zip(drawn, also_drawn, strict=True):
                assert [each.text for each in found] == [each.text for each in same]
                assert [each.score for each in found] == pytest.approx([each.score for each in same], rel=1e-4)
            assert [len(found) for found in drawn] == [0 if text == TOO_LONG else 3 for text in few]
        assert loaded.sample(few[:1], 8) != loaded.sample(few[:1], 8)

        aligned, others = loaded.align(TEXTS), connected.align(TEXTS)
        assert [each.links() for each in aligned] == [each.links() for each in others]
        assert [(each.source, each.target) for each in aligned] == [(each.source, each.target) for each in others]
        assert aligned[0].target == []
        assert [each.source for each in aligned] == [[] if text == TOO_LONG else text.split() for text in TEXTS]
        for each, other in zip(aligned, others, strict=True):
            for row, other_row in zip(each.weights, other.weights, strict=True):
                assert row == pytest.approx(other_row, abs=1e-4)

        texts = [each.text for each in ours]
        scores = loaded.score(TEXTS, texts)
        assert scores == pytest.approx(connected.score(TEXTS, texts), rel=1e-4)
        assert scores == pytest.approx([each.score for each in ours], rel=1e-4)
        assert scores[-2] == -math.inf
        of_subwords, theirs_too = loaded.score_subwords(TEXTS, texts), connected.score_subwords(TEXTS, texts)
        assert [scored.score for scored in of_subwords] == scores
        for scored, too in zip(of_subwords, theirs_too, strict=True):
            assert (scored.subwords, scored.source) == (too.subwords, too.source)
            assert scored.log_probabilities == pytest.approx(too.log_probabilities, rel=1e-3, abs=1e-4)
            assert all(sum(row) == pytest.approx(1, rel=1e-4) for row in scored.alignment + too.alignment)
            assert len(scored.alignment) == len(scored.log_probabilities) == len(scored.subwords)


def test_both_translators_take_a_beam_and_a_beginning(work: WorkDirectory[Path], server: str) -> None:
    with rnnsearch.load(work.root) as loaded, rnnsearch.connect(server) as connected:
        for beam_size in (1, 3):
            ours, theirs = (each.nbest(TEXTS, 1, beam_size) for each in (loaded, connected))
            assert [[one.text for one in found] for found in ours] == [[one.text for one in found] for found in theirs]
        for each in (loaded, connected):
            with pytest.raises(rnnsearch.UserError, match="a beam of 400 is asked for, but the model has one of"):
                each.nbest(TEXTS, 1, 400)
            with pytest.raises(rnnsearch.UserError, match="3 translations are asked for of a beam of 2; ask for fewer"):
                each.nbest(TEXTS, 3, 2)
        prefixes = ["quatre"] * len(TEXTS)
        words, too = (each.alternatives(TEXTS, prefixes) for each in (loaded, connected))
        for text, found, same in zip(TEXTS, words, too, strict=True):
            assert [one.word for one in found] == [one.word for one in same]
            assert [one.probability for one in found] == pytest.approx([one.probability for one in same], rel=1e-3)
            assert (not found) == (not text.strip() or text == TOO_LONG)
            assert all(one.word.startswith("quatre") for one in found)


def test_both_translators_keep_to_constraints(work: WorkDirectory[Path], server: str) -> None:
    with rnnsearch.load(work.root) as loaded, rnnsearch.connect(server) as connected:
        asked = [
            rnnsearch.Constraints("quatre-v", ["mille"]),
            rnnsearch.Constraints(required=["sept cent", "un"], forbidden=["deux"]),
            rnnsearch.Constraints(required=["\u4f60"]),
        ]
        wanted = [asked[number % 3] for number in range(len(TEXTS))]
        kept = loaded.constrained(TEXTS, wanted)
        assert [each and each.text for each in kept] == [
            each and each.text for each in connected.constrained(TEXTS, wanted)
        ]
        assert kept[0] == rnnsearch.Translation("", 0.0)
        for text, constraints, each in zip(TEXTS[1:], wanted[1:], kept[1:], strict=True):
            if constraints is asked[2] or text == TOO_LONG:
                assert each is None
                continue
            assert each is not None
            assert each.text.startswith(constraints.prefix)
            assert all(f" {phrase} " in f" {each.text} ".replace("-", " ") for phrase in constraints.required)
            assert not any(f" {phrase} " in f" {each.text} " for phrase in constraints.forbidden)
        assert [each and each.text for each in loaded.constrained(TEXTS, rnnsearch.Constraints())] == [
            None if each.too_long else each.text for each in connected.translate(TEXTS)
        ]
        with pytest.raises(rnnsearch.UserError, match="2 texts and 1 constraints are no pairs"):
            loaded.constrained(["one", "two"], [rnnsearch.Constraints()])


def test_texts_of_any_length_are_translated(work: WorkDirectory[Path], server: str) -> None:
    first, second = f"{english(7)}.", f"{english(8).capitalize()}!"
    text = f"{first} {second}\r\n\n  {TOO_LONG}\n"
    with rnnsearch.load(work.root, precision="float32") as loaded, rnnsearch.connect(server) as connected:
        found = loaded.translate_text(text)
        assert found == connected.translate_text(text)
        one, two = (each.text for each in loaded.translate([first, second]))
        begin = f"{one} {two}\r\n\n  "
        assert found.startswith(begin)
        assert found.endswith("\n")
        assert found.removeprefix(begin).strip()
        for translator in (loaded, connected):
            with pytest.raises(rnnsearch.TranslationError, match=r"^line 2 of the text, which begins 'one"):
                translator.translate_text(f"one\n{UNSPLITTABLE}")
            with pytest.raises(rnnsearch.UserError, match=r"^\['one'\] is no text; give a str"):
                translator.translate_text(["one"])  # type: ignore[arg-type]


def test_the_engine_gives_nearly_the_same(work: WorkDirectory[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with rnnsearch.load(work.root) as loaded, rnnsearch.load(work.root, precision="float32") as exact:
        ours, theirs = loaded.translate(TEXTS), exact.translate(TEXTS)
        same = [text == other for text, other in zip(ours, theirs, strict=True)]
        assert 0 < sum(same) < len(TEXTS)  # what is blank or too long is, and scores are rounded
        assert sum(each.text == other.text for each, other in zip(ours, theirs, strict=True)) > 0.7 * len(TEXTS)
        assert [text for text, each in zip(TEXTS, ours, strict=True) if each.too_long] == [TOO_LONG]
        assert loaded.score(TEXTS, [each.text for each in ours]) == [each.score for each in ours]
        scored = loaded.score_subwords(TEXTS, [each.text for each in ours])
        assert [each.score for each in scored] == [each.score for each in ours]
        assert [found[0] for found in loaded.nbest(TEXTS, 2) if found] == [each for each in ours if not each.too_long]
        # Of samples it has none, and TensorFlow draws them.
        with monkeypatch.context() as without, pytest.raises(rnnsearch.UserError, match="package tensorflow is not in"):
            without.setitem(sys.modules, "tensorflow", None)
            loaded.sample(TEXTS, 2)
        assert loaded.sample(TEXTS[-3:], 2, seed=7) == exact.sample(TEXTS[-3:], 2, seed=7)
        aligned = loaded.align(TEXTS)
        assert [each.translation for each in aligned] == ours
        assert [each.source for each in aligned] == [[] if text == TOO_LONG else text.split() for text in TEXTS]
        assert all(sum(row) < 1.001 for each in aligned for row in each.weights)


def test_what_is_loaded_later_is_the_same_model(work: WorkDirectory[Path], tmp_path: Path) -> None:
    shutil.copytree(work.export, tmp_path / "export")
    with rnnsearch.load(tmp_path) as loaded:
        before = loaded.translate(TEXTS)
        mark = WorkDirectory(tmp_path).provenance(max(work.versions()))
        mark.write_text(mark.read_text() + " ")
        with pytest.raises(rnnsearch.UserError, match="was replaced since the model was loaded; load the model again"):
            loaded.sample(TEXTS, 2)
        assert loaded.translate(TEXTS) == before


def test_what_is_no_list_of_texts_is_said(work: WorkDirectory[Path], server: str) -> None:
    engines = [rnnsearch.load(work.root, precision=precision) for precision in ("int8", "float32")]
    for translator in (*engines, rnnsearch.connect(server)):
        assert translator.translate([]) == translator.nbest([], 2) == []
        with pytest.raises(rnnsearch.UserError, match="'three' is one text, not a list of texts"):
            translator.translate("three")
        with pytest.raises(rnnsearch.UserError, match="2 texts and 1 to go with them are no pairs"):
            translator.score(["one", "two"], ["un"])
        with pytest.raises(rnnsearch.UserError, match="b'one' is no text; give a list of str"):
            translator.translate([b"one"])  # type: ignore[list-item]
        assert translator.translate(["one", "two\ud800"]) == translator.translate(("one", "two?"))
        with pytest.raises(rnnsearch.UserError, match="100 translations are asked for, but the model has a beam of"):
            translator.nbest(["one"], 100)
        with pytest.raises(rnnsearch.UserError, match="100 samples are asked for, but the model draws 8 at a time"):
            translator.sample(["one"], 100)
        for count in (0, -1):
            for several in (translator.nbest, translator.sample):
                with pytest.raises(ValueError, match=f"{count} translations are asked for; ask for 1 or more"):
                    several([], count)
        translator.close()
        with pytest.raises(rnnsearch.UserError, match="is closed"):
            translator.translate([])
        assert isinstance(translator, rnnsearch.Translator)
    with pytest.raises(rnnsearch.UserError, match="has no version 9, only 1"):
        rnnsearch.load(work.root, version=9)


def test_the_page_is_true(
    work: WorkDirectory[Path], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block of it runs, on a small corpus and a server of ours; it ends with another version."""
    copy = WorkDirectory(tmp_path / "work/bible")
    shutil.copytree(work.root, copy.root)
    shutil.copy(copy.recipe, tmp_path / "bible.yaml")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 4
    said = io.StringIO()
    names: dict[str, object] = {}
    for block in blocks:
        code = block.replace("localhost:8500", server).replace('recipe="bible"', 'recipe="bible.yaml"')
        with contextlib.redirect_stdout(said):
            exec(compile(code, "docs/python.md", "exec"), names)
    assert copy.versions() == [1, 2]
    lines = said.getvalue().splitlines()
    assert "work/bible/export/2" in lines
    assert any(re.fullmatch(r"dev bleu \d+\.\d\d after \d+ of \d+ updates", line) for line in lines)
    assert any(re.search(r" nrefs:1\|.*case:mixed\|", line) for line in lines)
    assert lines[-1] == "no server answers at localhost:1: start one with make serve PORT=1"
    assert "# no server answers at localhost:1: start one with make serve PORT=1" in PAGE
