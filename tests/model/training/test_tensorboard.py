"""What TensorBoard is given, read back with TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.ft2font import FT2Font
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.data.references import spread_by_length
from model.data.subwords import load_subwords
from model.evaluation.alignment_picture import _faces, _warn_of_boxes, draw_alignment, fonts_with
from model.network.network import Network
from model.search.translator import TextTranslator
from model.training import tensorboard
from model.training.loop import train
from model.training.tensorboard import TensorBoard, alignment_pictures
from recipes.loading import load_recipe
from tests.model.shards import recipe_for, write_data
from tests.numbers_corpus import english
from workspace.history import read_history
from workspace.layout import WorkDirectory

pytestmark = pytest.mark.slow

CURVES = {"loss", "learning_rate", "gradient_norm", "target_words_per_second", "padding", "dev_bleu", "dev_chrf"}
PICTURES = {"alignment/1", "alignment/2", "alignment/3"}


def events_of(work: WorkDirectory[Path]) -> EventAccumulator:
    events = EventAccumulator(str(work.tensorboard), size_guidance={"tensors": 0})
    events.Reload()
    return events


def scalars(events: EventAccumulator, name: str) -> dict[int, float]:
    return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(name)}


@pytest.fixture(scope="module", autouse=True)
def pictures() -> Iterator[None]:
    """As many as a training draws, which the other tests leave out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorboard, "PICTURES", 3)
        yield


@pytest.fixture(scope="module")
def work(pictures: None, tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    recipe = recipe_for(max_steps=20, evaluate_every=10)
    work = write_data(tmp_path_factory.mktemp("run"), recipe)
    train(work, recipe)
    return work


def test_curves_are_those_of_the_training(work: WorkDirectory[Path]) -> None:
    events = events_of(work)
    assert set(events.Tags()["tensors"]) == CURVES | PICTURES | {"recipe"}
    history = read_history(work)
    assert [line["step"] for line in history] == [10, 20]
    for name in CURVES:
        assert scalars(events, name) == pytest.approx({int(line["step"]): line[name] for line in history}, rel=1e-6)
    assert all(0 <= share < 1 for share in scalars(events, "padding").values())
    assert all(norm > 0 for norm in scalars(events, "gradient_norm").values())


def test_the_recipe_is_there_as_text(work: WorkDirectory[Path]) -> None:
    (event,) = events_of(work).Tensors("recipe")
    (text,) = np.atleast_1d(tf.make_ndarray(event.tensor_proto))
    lines = text.decode().splitlines()
    assert [line.removeprefix("    ") for line in lines] == work.recipe.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_of_the_same_sentence_after_every_evaluation(work: WorkDirectory[Path], name: str) -> None:
    events = events_of(work).Tensors(name)
    assert [event.step for event in events] == [10, 20]
    for event in events:
        width, height, png = tf.make_ndarray(event.tensor_proto)
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape[:2] == (int(height), int(width))
        assert picture.std() > 0


def test_a_picture_is_made_of_the_alignment() -> None:
    """A column for each source word and a row for each target word, white where all the weight is."""
    alignment = np.eye(3, 5, dtype=np.float32)
    shown = tf.io.decode_png(draw_alignment(list("abcde"), ["x", "$y$", "z"], alignment), channels=1).numpy()
    inside = shown[shown.shape[0] // 2 :, shown.shape[1] // 2 :]
    assert (inside == 0).sum() > 0.2 * inside.size
    turned = tf.io.decode_png(draw_alignment(list("abcde"), ["x", "$y$", "z"], 1 - alignment), channels=1).numpy()
    assert shown.shape == turned.shape
    assert (turned == 255).sum() > (shown == 255).sum()


def test_characters_that_the_font_lacks_are_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    drawn = draw_alignment(["六", "千", "\U0001ccaa"], ["หก", "."], np.eye(2, 3, dtype=np.float32))
    assert tf.io.decode_png(drawn).shape[2] == 4
    assert [str(warning.message) for warning in recwarn] == []


def test_letters_are_drawn_in_a_font_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those on the machine, though they came after matplotlib made its list; here one of its own stands for them."""
    own = Path(matplotlib.get_data_path(), "fonts", "ttf")
    mathematical, bold = str(own / "STIXGeneral.ttf"), str(own / "STIXGeneralBol.ttf")
    known = FT2Font(str(own / "DejaVuSans.ttf")).get_charmap()
    both = FT2Font(mathematical).get_charmap().keys() & FT2Font(bold).get_charmap().keys()
    letter = chr(min(point for point in both if point not in known and point > 0x2000))
    boxes = str(own / "LastResortHE-Regular.ttf")
    drawn = {}
    for fonts in ((), (boxes,), (bold,), (mathematical,), (boxes, bold, mathematical)):
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda fonts=fonts: list(fonts))
        _faces.cache_clear()
        drawn[fonts] = (fonts_with(f"a{letter}"), draw_alignment(["a", letter], ["b"], np.eye(1, 2)))
    _faces.cache_clear()
    found = [families for families, _ in drawn.values()]
    assert found == [["DejaVu Sans"]] * 2 + [["DejaVu Sans", "STIXGeneral"]] * 3
    assert drawn[()][1] != drawn[(mathematical,)][1]


def test_a_script_without_a_font_is_a_warning_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signs that belong to no script are none."""
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    _faces.cache_clear()
    _warn_of_boxes.cache_clear()
    for source, target in [(["the", "house"], ["บ้าน", "🙂"]), (["la", "maison"], ["หลัง", "ቤት"])]:
        draw_alignment(source, target, np.eye(2))
    _faces.cache_clear()
    said = capsys.readouterr().err.splitlines()
    assert ["of Thai, " in said[0], "of Ethiopic, " in said[1], len(said)] == [True, True, 2]
    assert all("install one that has them, such as those of Noto (Debian's fonts-noto)" in line for line in said)


def test_a_picture_has_room_for_long_words() -> None:
    """And so for the alignment beside them."""
    shown = tf.io.decode_png(draw_alignment(["a" * 30, "b"], ["c" * 30, "d"], np.ones((2, 2))), channels=1).numpy()
    across = shown[-20]
    assert (across == 0).sum() >= 2  # the frame
    inside = np.flatnonzero(across == 0)
    assert inside[-1] - inside[0] > 40


def test_an_architecture_without_alignment_has_no_pictures(tmp_path: Path) -> None:
    recipe = load_recipe("tiny", {"model": {"architecture": "rnnencdec"}})
    work = write_data(tmp_path / "run", recipe)
    subwords = load_subwords(work, joint=True)
    network = Network(recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    greedy = TextTranslator(network, subwords, recipe.search.model_copy(update={"beam_size": 1}))
    callback = TensorBoard(work, greedy, [english(number) for number in range(9)])
    callback.on_train_begin()
    callback.on_epoch_end(1, {"step": 3, "dev_bleu": 1.5})
    callback.on_train_end()
    events = events_of(work)
    assert set(events.Tags()["tensors"]) == {"dev_bleu", "recipe"}
    assert scalars(events, "dev_bleu") == {3: 1.5}


def test_pictures_are_of_sentences_that_can_be_read(work: WorkDirectory[Path]) -> None:
    recipe = load_recipe("tiny")
    subwords = load_subwords(work, joint=True)
    network = Network(recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    greedy = TextTranslator(network, subwords, recipe.search)
    dev = ["a" * length for length in (300, 20, 200, 30, 40, 50, 90)]
    assert TensorBoard(work, greedy, dev)._sentences == ["a" * 30, "a" * 40, "a" * 50]
    assert len(TensorBoard(work, greedy, ["a" * 300])._sentences) == 3


def test_the_run_is_named_after_the_work_directory(work: WorkDirectory[Path]) -> None:
    (run,) = (work.training / "tensorboard").iterdir()
    assert run.name == work.root.name
    assert list(run.glob("events.*"))


def test_sentences_are_spread_by_length() -> None:
    assert spread_by_length(["a" * length for length in (9, 1, 5, 7, 3, 8, 2, 6)], 3) == ["aaa", "a" * 6, "a" * 8]
    assert spread_by_length(["a"], 3) == ["a"] * 3
    assert list(alignment_pictures(None, [])) == []  # type: ignore[arg-type]
