"""Two runs compared: their scores, and the sentences that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from model.data.references import read_references
from model.evaluation.comparison import Comparison, Part, compare, parts_of, read_comparison, summary
from model.evaluation.scores import digest_of
from model.evaluation.words import words_of, words_with_space
from tests import marks
from tests.model.shards import write_data
from tests.model.support import TINY
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest, write_mark
from workspace.storage import sha256_of


def evaluated(work: WorkDirectory[Path], translations: list[str]) -> None:
    """Leaves what an evaluation leaves."""
    test = read_references(work, read_manifest(work), "test")
    work.evaluation.mkdir(exist_ok=True)
    work.hypotheses.write_text("".join(text + "\n" for text in translations), encoding="utf-8")
    scores = marks.scores({}).model_copy(update={"test_set": digest_of(test)})
    write_mark(work.scores, scores, [work.hypotheses])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkDirectory[Path], WorkDirectory[Path], list[str]]:
    """Of the twenty sentences the first run has the third right and the fifth wrong, and the other the other way round;
    both have the rest right. And the references."""
    root = tmp_path_factory.mktemp("two")
    works = [write_data(root / name, TINY) for name in ("one", "other")]
    targets = read_references(works[0], read_manifest(works[0]), "test").targets
    for work, wrong, translation in zip(works, (4, 2), (f"{targets[4]} et", "quelque chose"), strict=True):
        evaluated(work, [translation if number == wrong else text for number, text in enumerate(targets)])
    return works[0], works[1], targets


def test_the_sentences_that_differ_are_found(two: tuple[WorkDirectory[Path], WorkDirectory[Path], list[str]]) -> None:
    work, other, targets = two
    before = work.scores.read_bytes()
    found = compare(work, TINY, other)
    assert found == read_comparison(work)
    assert work.scores.read_bytes() == before
    assert found.hypotheses == (sha256_of(work.hypotheses), sha256_of(other.hypotheses))
    assert (len(found.better), len(found.worse), found.equal, found.as_good) == (1, 1, 18, 0)
    better, worse = found.better[0], found.worse[0]
    assert (better.number, better.chrf) == (2, 100)
    assert better.baseline_chrf == sacrebleu.sentence_chrf("quelque chose", [targets[2]]).score
    assert worse.number == 4
    assert worse.translation == [Part(text=targets[4], differs=False), Part(text=" et", differs=True)]
    assert worse.baseline == [Part(text=targets[4], differs=False)]
    bleu = sacrebleu.corpus_bleu(work.hypotheses.read_text(encoding="utf-8").splitlines(), [targets])
    assert found.significance["BLEU"].score == pytest.approx(bleu.score)
    assert found.significance.keys() == {"BLEU", "chrF2", "chrF2++", "TER"}
    assert "1 sentences better, 1 worse, 18 as good" in summary(found, work)


def test_a_run_does_not_differ_from_itself(two: tuple[WorkDirectory[Path], WorkDirectory[Path], list[str]]) -> None:
    found = compare(two[1], TINY, two[1])
    assert (found.better, found.worse, found.equal) == ([], [], 20)
    assert {each.randomisation_p for each in found.significance.values()} == {1}


def test_other_test_sets_are_refused(
    two: tuple[WorkDirectory[Path], WorkDirectory[Path], list[str]], tmp_path: Path
) -> None:
    shorter = write_data(tmp_path / "shorter", TINY, test=19)
    evaluated(shorter, ["x"] * 19)
    with pytest.raises(UserError) as error:
        compare(two[0], TINY, shorter)
    assert str(error.value) == (
        f"{two[0].root} and {shorter.root} were evaluated on different test sets; compare runs whose TEST_SRC= and "
        "TEST_TGT=, or whose corpus and split, are the same"
    )
    with pytest.raises(UserError, match=r"evaluation holds no scores; make them with make evaluate WORK="):
        compare(two[0], TINY, WorkDirectory(tmp_path / "none"))
    evaluated(shorter, ["x"] * 19)
    shorter.hypotheses.write_text("x\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"test.hypotheses.txt is damaged; make it anew with make evaluate WORK="):
        compare(shorter, TINY, shorter)


def test_what_another_version_left_is_no_comparison(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    assert read_comparison(work) is None
    work.evaluation.mkdir()
    work.comparison.write_text('{"baseline": 1}')
    assert read_comparison(work) is None


@pytest.mark.parametrize(
    ("text", "other", "differs"),
    [
        ("the cat sat", "the dog sat", [" cat"]),
        ("我看见一只猫。", "我看见两只猫。", ["一"]),
        ("แมวดำ", "แมวขาว", ["ดำ"]),
        ("רציתי לאכול תפוח", "רציתי תפוח", [" לאכול"]),
        ("the cat, sat", "the cat sat", [","]),
        ("now the cat", "the cat", ["now"]),
        ("", "the cat", []),
    ],
)
def test_words_that_differ_are_marked_in_any_script(text: str, other: str, differs: list[str]) -> None:
    assert [part.text for part in parts_of(text, other)[0] if part.differs] == differs


# Python takes some control characters for white space that Unicode does not.
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("ab 我,"))


@given(TEXTS, TEXTS)
def test_the_parts_of_a_text_are_the_text(text: str, other: str) -> None:
    both = parts_of(text, other)
    for parts, whole in zip(both, (text, other), strict=True):
        assert "".join(part.text for part in parts) == whole
        assert all(part.text for part in parts)
    kept, others = ("".join("".join(part.text.split()) for part in side if not part.differs) for side in both)
    assert kept == others
    assert "".join(words_with_space(text)) == text
    assert "".join(words_of(text)) == "".join(text.split())


def test_a_comparison_is_of_json(two: tuple[WorkDirectory[Path], WorkDirectory[Path], list[str]]) -> None:
    found = compare(*two[:1], TINY, two[1])
    assert Comparison.model_validate_json(found.model_dump_json()) == found
