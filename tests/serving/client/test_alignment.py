"""The alignment of words, from that of subwords."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from serving.client import messages
from serving.client.alignment import Alignment, align_words
from serving.client.answers import Translation
from serving.client.lines import heat_map
from serving.client.questions import Questions


def test_alignment_of_words_from_that_of_subwords() -> None:
    """Three and four subwords and the end; "ab" is a word of two, "xé" of three, for é is written in bytes."""
    response = messages.PredictResponse()

    def output(name: str, *strings: str, numbers: Sequence[float] = ()) -> None:
        tensor = response.outputs.add(key=name).value
        tensor.string_val.extend(string.encode() for string in strings)
        tensor.float_val.extend(numbers)

    output("translation", "z xé")
    output("score", numbers=[-0.5])
    output("source_subwords", "\u2581a", "b", "\u2581c", "</s>", "")
    output("target_subwords", "\u2581z", "\u2581x", "<0xC3>", "<0xA9>", "</s>")
    rows = [[0.125, 0.125, 0.5, 0.25, 0]]
    rows += [[0.5, 0.25, 0.25, 0, 0], [0.25, 0.5, 0, 0.25, 0], [0.25, 0.125, 0.5, 0.125, 0], [0, 0, 0, 1, 0]]
    output("alignment", numbers=[weight for row in rows for weight in row])
    alignment = Questions().alignment("ab c").read(response)
    assert alignment == Alignment(Translation("z xé", -0.5), ["ab", "c"], ["z", "xé"], [[0.25, 0.5], [0.625, 0.25]])
    assert alignment.links() == [(1, 0), (0, 1)]

    console = Console(record=True, width=80, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(heat_map(alignment))
    shown = console.export_text(clear=False).splitlines()
    assert [line.split() for line in shown] == [["0", "1"], ["z"], ["xé"]]
    shades = re.findall(r"48;2;(\d+);", console.export_text(styles=True))
    assert shades == ["64", "128", "159", "64"]  # of 255


@pytest.mark.parametrize(
    ("subwords", "words"),
    [
        (["▁", "雨", "が", "やんだ", "。"], ["雨", "が", "やんだ", "。"]),
        (["▁A", "4", "の紙", "を", "▁3", "0", "枚"], ["A", "4", "の紙", "を", "3", "0", "枚"]),
        (["▁鳥", "<0xE9>", "<0xB7>", "<0xB9>", "<0xE9>", "<0xB5>", "<0x9C>"], ["鳥", "鷹", "鵜"]),
        (["▁", "<0xE9>", "<0xB7>", "<0xB9>", "と"], ["鷹", "と"]),
        (["▁ขอ", "กระดาษ", "▁", "3", "▁แผ่น"], ["ขอ", "กระดาษ", "3", "แผ่น"]),
        (["▁မြန်", "မာ", "▁", "ဘာသာ"], ["မြန်", "မာ", "ဘာသာ"]),
        (["▁어", "제는", "▁비", "가", "▁왔다", "."], ["어제는", "비가", "왔다."]),
        (["▁l", "'", "é", "té", "▁de", "▁東", "京"], ["l'été", "de", "東", "京"]),
        (["▁प", "<0xE0>", "<0xA4>", "<0xB0>", "▁है"], ["पर", "है"]),
    ],
)
def test_without_spaces_subwords_are_aligned(subwords: list[str], words: list[str]) -> None:
    """Of a translation in one word nobody would see what came from where; and no weight is lost."""
    length = len(subwords)
    weights = [float(row == column) for row in range(length + 1) for column in range(length + 1)]
    ended = [*subwords, "</s>"]
    alignment = align_words(Translation("", 0.0), ended, ended, weights)
    assert (alignment.source, alignment.target) == (words, words)
    assert alignment.links() == [(place, place) for place in range(len(words))]
    assert [sum(row) for row in alignment.weights] == [1.0] * len(words)
