"""TMX and XLIFF: the text without its codes, in the languages that are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.corpora.formats import read_pairs
from recipes.data_schema import PairFiles
from tests.pipelines.corpora.support import XLIFF_1, read
from workspace.errors import UserError

TMX = """<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "http://localhost:9/tmx14.dtd"><tmx version="1.4"><body>
<tu><tuv xml:lang="en-GB"><seg>a <hi>b<hi>c</hi></hi><bpt i="1">&lt;i><sub>no</sub></bpt>d<ept i="1">&lt;/i></ept> e
f<!-- no --></seg></tuv><tuv lang="FR_ca"><prop>no</prop><seg>é<ph/></seg></tuv></tu>
<tu><tuv xml:lang="enm"><seg>Middle English</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu>
<tu><tuv xml:lang="en-US"><seg>us</seg></tuv><tuv xml:lang="en"><seg>any</seg></tuv>
<tuv xml:lang="fr"><seg>y</seg></tuv></tu></body></tmx>"""


def test_translation_memories_give_the_text_without_its_codes(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(TMX)
    said: list[str] = []
    pairs = list(read_pairs(PairFiles(file=str(path)), "en", "fr", warn=said.append))
    assert pairs == [(b"a bcd e f", "é".encode(), 2), (b"any", b"y", 5)]
    assert said == [f"{path}: 1 of 3 units have no translation and are left out, the first in line 4"]
    assert read(path, source_field="en-us", target_field="en") == [(b"us", b"any")]
    with pytest.raises(UserError, match=r"no unit in both en and de, but in FR_ca, en, en-GB, en-US, enm, fr; set"):
        read(path, target_field="de")


XLIFF_2 = """<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en" trgLang="fr"><file id="f">
<unit id="1"><segment><source>Press <pc id="1">here</pc><ph id="2"/>.</source><target>Ici.</target></segment>
<ignorable><source> </source></ignorable><segment state="initial"><source>no</source><target>non</target></segment>
</unit></file></xliff>"""


def segments(path: Path, *texts: str, prolog: str = "") -> list[bytes]:
    """The source sides of units of TMX with these texts, each with the same target."""
    units = (
        f'<tu><tuv xml:lang="en"><seg>{text}</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu>' for text in texts
    )
    path.write_text(f"<?xml version='1.0'?>{prolog}<tmx><body>{''.join(units)}</body></tmx>", encoding="utf-8")
    return [source for source, _ in read(path)]


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('one<ph x="1">&lt;br/&gt;</ph>two', "one two"),
        ("one.<ph>{1}</ph>Two", "one. Two"),
        ("one<ph/>two", "one two"),
        ('one <ph type="lb"/>two', "one two"),
        ("(<ph>&lt;br&gt;</ph>one<ph>&lt;br&gt;</ph>)<ph>&lt;br&gt;</ph>!", "(one)!"),
        ('one<it pos="begin">&lt;p&gt;</it>two', "one two"),
        ("one<ut>\\par </ut>two", "one two"),
        ('one<bpt i="1">&lt;/li&gt;&lt;li&gt;</bpt>two<ept i="1"/>', "one two"),
        ('wor<bpt i="1">&lt;b&gt;</bpt>d<ept i="1">&lt;/b&gt;</ept>s', "words"),
        ('wor<ph>&lt;i&gt;</ph>d<it pos="end">&lt;/i&gt;</it>s', "words"),
        ("soft<ph>&amp;shy;</ph>ly", "softly"),
        ("<hi>wor</hi>ds<!-- no --><?no no?>!", "words!"),
    ],
)
def test_codes_between_words_part_them_and_codes_in_words_do_not(tmp_path: Path, segment: str, text: str) -> None:
    assert segments(tmp_path / "a.tmx", segment) == [text.encode()]


def test_line_breaks_of_xliff_part_words(tmp_path: Path) -> None:
    for code in ('<x id="1" ctype="lb"/>', '<ph id="1" subType="xlf:lb"/>', '<x id="1" equiv-text="&lt;br/&gt;"/>'):
        path = tmp_path / "a.xlf"
        path.write_text(XLIFF_2.replace('<pc id="1">here</pc>', f"here{code}there"))
        assert read(path)[0][0] == b"Press here there."


def test_entities_of_a_dtd_are_those_of_html(tmp_path: Path) -> None:
    """Or of the file itself; a unit with any others is left out, and the DTD is not looked for."""
    path = tmp_path / "a.tmx"
    html = '<!DOCTYPE tmx SYSTEM "http://localhost:9/tmx14.dtd">'
    assert segments(path, "caf&eacute;&nbsp;&amp; t&#233;", "at &acme;", prolog=html) == ["café\xa0& té".encode()]
    own = '<!DOCTYPE tmx [<!ENTITY acme "Acme &amp; S&#246;hne"><!ENTITY eacute "E"><!ELEMENT tmx ANY>]>'
    assert segments(path, "at &acme;", "&eacute;", prolog=own) == ["at Acme & Söhne".encode(), b"E"]


def test_every_variant_of_a_language_makes_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    texts = [("en", "a"), ("fr", "b"), ("fr-CA", "c"), ("fr", "d"), ("de", "e")], [("en-GB", "f"), ("fr-CA", "g")]
    units = (
        "".join(f'<tuv xml:lang="{language}"><seg>{text}</seg></tuv>' for language, text in unit) for unit in texts
    )
    path.write_text(f"<tmx><body>\n{''.join(f'<tu>{unit}</tu>' for unit in units)}</body></tmx>")
    said: list[str] = []
    pairs = list(read_pairs(PairFiles(file=str(path)), "en", "fr", said.append))
    assert pairs == [(b"a", b"b", 2), (b"a", b"d", 2), (b"f", b"g", 2)]
    assert said == [
        f"{path}: 1 of 2 units have several variants in en or fr, the first in line 2; each of them makes a pair"
    ]
    assert read(path, target_field="fr-ca") == [(b"a", b"c"), (b"f", b"g")]


XLIFF_LANGUAGES = """<xliff version="1.2">{}</xliff>"""

XLIFF_FILE = "<file {}><body><trans-unit id='1'><source>{}</source><target {}>{}</target></trans-unit></body></file>\n"


def test_xliff_of_other_languages_is_left_out_and_turned_round(tmp_path: Path) -> None:
    path = tmp_path / "a.xlf"
    files = [
        ('source-language="en-GB" target-language="FR"', "a", "", "b"),
        ('source-language="en" target-language="de"', "c", "", "d"),
        ('source-language="fr" target-language="en_US"', "e", "", "f"),
        ('source-language="en"', "g", "", "h"),
        ('source-language="fr"', "i", "", "j"),
        ('source-language="en" target-language="fr"', "k", 'xml:lang="de"', "l"),
        ("", "m", "", "n"),
    ]
    path.write_text(XLIFF_LANGUAGES.format("".join(XLIFF_FILE.format(*file) for file in files)))
    said: list[str] = []
    pairs = list(read_pairs(PairFiles(file=str(path)), "en", "fr", said.append))
    assert [pair[:2] for pair in pairs] == [(b"a", b"b"), (b"f", b"e"), (b"g", b"h"), (b"j", b"i"), (b"m", b"n")]
    assert said == [f"{path}: 2 of 7 units are not in en and fr and are left out, the first in line 2"]
    assert read(path, target_field="de") == [(b"c", b"d"), (b"g", b"h"), (b"k", b"l"), (b"m", b"n")]


def test_xliff_2_may_be_in_the_other_order(tmp_path: Path) -> None:
    path = tmp_path / "a.xlf"
    path.write_text(XLIFF_2.replace('srcLang="en" trgLang="fr"', 'srcLang="fr" trgLang="en"'))
    assert read(path) == [(b"Ici.", b"Press here.")]


def test_languages_are_read_as_people_write_them(tmp_path: Path) -> None:
    """By their codes of three letters, of before and of locales; and Chinese in a region has the script of that."""
    asked = {"source_field": "zh-Hans", "target_field": "he"}
    memory = tmp_path / "a.tmx"
    variants = (("zh-TW", "繁"), ("zh_CN", "简"), ("iw", "א"))
    units = "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in variants)
    memory.write_text(f"<tmx><body><tu>{units}</tu></body></tmx>", encoding="utf-8")
    assert read(memory, **asked) == [("简".encode(), "א".encode())]
    xliff = tmp_path / "a.xlf"
    xliff.write_text(XLIFF_LANGUAGES.format(XLIFF_FILE.format('source-language="HEB"', "b", "", "a")))
    assert read(xliff, **asked) == [(b"a", b"b")]
    po = tmp_path / "a.po"
    po.write_text('msgid ""\nmsgstr "Language: zho_CN.UTF-8\\n"\n\nmsgid "b"\nmsgstr "a"\n')
    assert read(po, **asked) == [(b"a", b"b")]


@pytest.mark.parametrize("text", [XLIFF_1, XLIFF_2])
def test_xliff_gives_what_is_translated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.xlf"
    path.write_text(text)
    assert read(path) == [(b"Press here.", b"Ici.")]


def segmented(
    target: str, source: str = '<mrk mid="1" mtype="seg">One.</mrk> <mrk mid="2" mtype="seg">Two.</mrk>'
) -> str:
    return (
        f'<trans-unit id="1"><source>One. Two.</source>{source and f"<seg-source><g>{source}</g></seg-source>"}'
        f"<target>{target}</target></trans-unit>"
    )


@pytest.mark.parametrize(
    ("unit", "pairs"),
    [
        (
            segmented('<mrk mid="1" mtype="seg">Un.</mrk> <mrk mid="2" mtype="seg">Deux.</mrk>'),
            ["One.|Un.", "Two.|Deux."],
        ),
        (segmented('<mrk mid="2" mtype="seg">Deux.</mrk> <mrk mid="1" mtype="seg"></mrk>'), ["Two.|Deux."]),
        (segmented('<mrk mid="1" mtype="seg">Un.</mrk>'), ["One.|Un."]),
        (segmented('<mrk mid="1" mtype="seg"/><mrk mid="2" mtype="seg"> </mrk>'), []),
        (segmented('<mrk mid="1" mtype="seg">Un.</mrk> <mrk mid="2" mtype="seg"/>', source=""), []),
        (segmented('<mrk mid="a" mtype="seg">Un.</mrk> <mrk mid="b" mtype="seg"> </mrk>'), []),
        (segmented('<mrk mtype="seg">Un.</mrk> <mrk mtype="seg">Deux.</mrk>', source=""), ["One. Two.|Un. Deux."]),
        (
            segmented('<mrk mtype="x-name" mid="1">Un.</mrk><mrk mtype="x-name" mid="2"/> Deux.'),
            ["One. Two.|Un. Deux."],
        ),
    ],
)
def test_xliff_that_is_translated_in_part(tmp_path: Path, unit: str, pairs: list[str]) -> None:
    """What is marked as segments is taken one by one, and else a unit with one that is empty is not translated."""
    path = tmp_path / "a.xlf"
    more = "<trans-unit id='0'><source>end</source><target>fin</target></trans-unit>"
    path.write_text(f"<xliff version='1.2'><file><body>{unit}{more}</body></file></xliff>")
    assert [b"|".join(pair).decode() for pair in read(path)] == [*pairs, "end|fin"]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("form", ["tmx", "xliff"])
def test_line_numbers_have_no_bound(tmp_path: Path, form: str, charset: str) -> None:
    """Characters that have a line feed's byte as a half are none."""
    path = tmp_path / f"a.{form}"
    around, unit = {
        "tmx": (
            ("<tmx><body>", "</body></tmx>"),
            '<tu>\n<tuv xml:lang="en"><seg>上</seg></tuv><tuv xml:lang="fr"><seg>ĊਅĀ\n</seg></tuv></tu>',
        ),
        "xliff": (
            ("<xliff><file><body>", "</body></file></xliff>"),
            "<trans-unit id='1'>\n<source>上</source><target>ĊਅĀ\n</target></trans-unit>",
        ),
    }[form]
    empty, units = "\n" * 65_530, f"{unit}{unit}\n" * 4
    text = f"{around[0]}\r\n{empty}<!-- {'<tu>' * 9_000} -->{units}{around[1]}"
    mark = "\ufeff" if charset == "utf-16-be" else ""
    path.write_bytes(f"{mark}<?xml version='1.0' encoding='{charset[:6]}'?>{text}".encode(charset))
    pairs = read_pairs(PairFiles(file=str(path)), "en", "fr", warn=lambda sentence: None)
    expected = [line + place for line in range(65_532, 65_532 + 20, 5) for place in (0, 2)]
    assert [pair.line for pair in pairs] == expected
