"""Every format comes back as another program wrote it."""

from __future__ import annotations

import codecs
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from apache_beam.io.localfilesystem import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.corpora.formats import format_of, is_read_in_place, read_pairs
from recipes.data_schema import PairFiles
from tests.pipelines.corpora.support import QUERY, WRITERS, XLIFF_1, Rows, compressed, pairs_of, read, two_files
from workspace.errors import UserError

# Text in which the characters that end lines elsewhere, quote, separate or escape are frequent.
AWKWARD = st.text(
    st.sampled_from("a é\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\"'\\,;<>&|#~{}[]\u00a0\ufeff\u200b😀")
    | st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=12,
)
ENDINGS = (".gz", ".zst", ".xz", ".bz2")
ROWS = st.lists(st.tuples(AWKWARD, AWKWARD), min_size=1, max_size=8)


def as_read(rows: Rows) -> list[tuple[bytes, bytes]]:
    """The pairs as they come back: a line break in a side is a space."""
    return [(one_line(source).encode(), one_line(target).encode()) for source, target in rows]


def one_line(text: str) -> str:
    return text.replace("\r\n", " ").replace("\n", " ")


def can_hold(form: str, text: str) -> bool:
    """Whether a format has a way to write the text down, and to write it as a translated pair."""
    if form == "tsv":
        return not set(text) & set("\t\n")
    if form in ("tmx", "xliff"):
        # What XML has no way to write; and it turns carriage returns that are not written as references to line feeds.
        return bool(text) and all(c in "\t\n" or c >= " " for c in text) and not set(text) & set("\ufffe\uffff")
    return bool(text) or form != "po"


@pytest.mark.parametrize("form", WRITERS)
@given(rows=ROWS)
@settings(max_examples=40)
def test_pairs_come_back(form: str, rows: Rows) -> None:
    rows = [row for row in rows if all(can_hold(form, text) for text in row)] or [("one", "un")]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"pairs.{form}"
        WRITERS[form](path, rows)
        found, expected = read(path, **QUERY.get(form, {})), as_read(rows)
        if form == "csv":
            # A space before a cell is not part of it.
            found, expected = ([(s.lstrip(b" "), t.lstrip(b" ")) for s, t in pairs] for pairs in (found, expected))
        assert found == expected


@given(
    rows=st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), min_size=1, max_size=9),
    endings=st.tuples(*[st.sampled_from(["", *ENDINGS])] * 2),
)
@settings(max_examples=60)
def test_two_files_are_read_line_by_line(rows: list[tuple[bytes, bytes]], endings: tuple[str, str]) -> None:
    """Any bytes but the line feed are part of a line, and each side may be compressed in its own way."""
    rows = [(source.replace(b"\n", b"\x85"), target.replace(b"\n", b"\xe2\x80\xa8")) for source, target in rows]
    rows[0] = b"- " + rows[0][0], b"- " + rows[0][1]
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / f"text{side}{ending}" for side, ending in enumerate(endings)]
        for path, side in zip(paths, zip(*rows, strict=True), strict=True):
            path.write_bytes(compressed(b"".join(line + b"\n" for line in side), path.suffix))
        assert pairs_of(two_files(*paths)) == rows


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_may_be_compressed(tmp_path: Path, form: str, ending: str) -> None:
    rows = [(f"number {number}", f"nombre {number}") for number in range(50)]
    WRITERS[form](tmp_path / "plain", rows)
    path = tmp_path / f"pairs.{form}{ending}"
    path.write_bytes(compressed((tmp_path / "plain").read_bytes(), ending))
    assert read(path, **QUERY.get(form, {})) == as_read(rows)


def test_compressed_files_may_be_put_together(tmp_path: Path) -> None:
    """As ``cat a.gz b.gz`` does."""
    for ending in ENDINGS:
        path = tmp_path / f"pairs.tsv{ending}"
        path.write_bytes(compressed(b"one\tun\n", ending) + compressed(b"two\tdeux\n", ending))
        assert read(path) == [(b"one", b"un"), (b"two", b"deux")]


def test_how_a_file_is_compressed_is_seen_and_not_read_off_its_name(tmp_path: Path) -> None:
    for ending in ENDINGS:
        for name in ("pairs.tsv", *(f"pairs.tsv{other}" for other in ENDINGS)):
            (tmp_path / name).write_bytes(compressed(b"one\tun\n", ending))
            assert read(tmp_path / name) == [(b"one", b"un")], (ending, name)
    files = two_files(tmp_path / "a.en", tmp_path / "a.fr")
    (tmp_path / "a.en").write_bytes(b"one\n")
    (tmp_path / "a.fr").write_bytes(b"un\n")
    assert is_read_in_place(files)
    (tmp_path / "a.fr").write_bytes(compressed(b"un\n", ".zst"))
    assert not is_read_in_place(files)
    assert pairs_of(files) == [(b"one", b"un")]


@pytest.mark.parametrize("ending", ENDINGS)
def test_bytes_after_the_end_are_left_out_with_a_warning(tmp_path: Path, ending: str) -> None:
    """Zeros are padding, and pass in silence."""
    path = tmp_path / f"pairs.tsv{ending}"
    said: list[str] = []
    for after in (b"", b"\0" * 700, b"\0\0signature"):
        path.write_bytes(compressed(b"one\tun\n", ending) + after)
        assert list(read_pairs(PairFiles(file=str(path)), "en", "fr", said.append)) == [(b"one", b"un", 1)]
    (sentence,) = said
    assert sentence.startswith(f"{path} has 9 bytes after its end that are not ")


def test_zstandard_with_a_long_window_and_frames_without_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv.zst"
    long = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=29))
    packing = long.compressobj()
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    path.write_bytes(skipped + packing.compress(b"one\tun\n") + packing.flush())
    assert read(path) == [(b"one", b"un")]


def test_columns_are_chosen_by_number_or_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b'fr\tscore\ten\r\nun "\t1\t"one\ndeux\n')
    by_name = read(path, source_field="en", target_field="fr")
    assert by_name == [(b'"one', b'un "'), (b"", b"deux")]
    assert read(path, source_field="3", target_field="1") == [(b"en\r", b"fr"), *by_name]
    path = tmp_path / "pairs.csv"
    path.write_bytes(b'\xef\xbb\xbfone,"un, ""\nx"\r\n')
    assert read(path, source_field="1", target_field="2") == [(b"one", b'un, " x')]


def test_a_column_may_be_a_number_of_yaml() -> None:
    files = PairFiles.model_validate({"file": "a.csv", "source_field": 1, "target_field": 2})
    assert (files.source_field, files.target_field) == ("1", "2")


def test_a_space_before_a_quote_opens_a_cell_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text('source, target\n"Yes, sir", "Oui, monsieur"\nno, non\n')
    assert read(tmp_path / "pairs.csv") == [(b"Yes, sir", b"Oui, monsieur"), (b"no", b"non")]


def test_a_line_without_a_text_is_a_pair_without_it(tmp_path: Path) -> None:
    lines = [
        '{"en": "one", "fr": "un"}',
        '{"en": "two"}',
        '{"en": 3, "fr": "trois"}',
        "null",
        '{"en": null, "fr": "x"}',
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    pairs = read(tmp_path / "pairs.jsonl", source_field="en", target_field="fr")
    assert pairs == [(b"one", b"un"), (b"two", b""), (b"", b"trois"), (b"", b""), (b"", b"x")]


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.tsv", "one\tun\ntwo\tdeux\n", [1, 2]),
        ("a.csv", 'source,target\none,"un\nx"\ntwo,deux\n', [2, 4]),
        ("a.jsonl", '\n{"source": "a", "target": "b"}\n\n{"source": "c", "target": "d"}', [2, 4]),
        ("a.xlf", XLIFF_1.replace("<file>", "\n<file>").replace('"needs-review-translation"', '"final"'), [3, 7]),
        ("a.po", '# c\n\nmsgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr ""\n\n#: x\nmsgid "d"\nmsgstr "e"\n', [3, 10]),
    ],
)
def test_pairs_have_the_lines_of_the_file(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    path = tmp_path / name
    path.write_text(text)
    pairs = read_pairs(PairFiles(file=str(path)), "en", "fr", warn=lambda sentence: None)
    assert [pair.line for pair in pairs] == lines


def test_keys_and_columns_may_be_nested(tmp_path: Path) -> None:
    rows = [{"id": 1, "translation": {"en": "one", "fr": None}}, {"id": 2, "translation": {"en": "two", "fr": "deux"}}]
    (tmp_path / "pairs.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "pairs.parquet", row_group_size=1)
    for name in ("pairs.jsonl", "pairs.parquet"):
        pairs = read(tmp_path / name, source_field="translation.en", target_field="translation.fr")
        assert pairs == [(b"one", b""), (b"two", b"deux")]


@pytest.mark.parametrize("kind", ["large_string", "string_view", "binary", "dictionary"])
def test_parquet_text_of_every_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.parquet"
    types = {"dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}
    text = pyarrow.array(["one", "é"]).cast(types[kind] if kind in types else getattr(pyarrow, kind)())
    pyarrow.parquet.write_table(pyarrow.table({"source": text, "target": text}), path)
    assert read(path) == [(b"one", b"one"), ("é".encode(), "é".encode())]


def test_what_is_not_utf8_is_passed_on(tmp_path: Path) -> None:
    """Every such pair is rejected with its number later."""
    (tmp_path / "p.tsv").write_bytes(b"\xff\0\tun\n")
    (tmp_path / "p.csv").write_bytes(b"source,target\n\xff,un\n")
    (tmp_path / "p.jsonl").write_bytes(b'{"source": "\xff\\u0000", "target": "\\ud800"}\n')
    not_text = pyarrow.array([b"\xff"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"source": not_text, "target": not_text}), tmp_path / "p.parquet")
    with sqlite3.connect(tmp_path / "p.db") as database:
        database.execute("CREATE TABLE pairs AS SELECT CAST(x'ff' AS TEXT) AS source, 1 AS target")
    assert read(tmp_path / "p.tsv") == [(b"\xff\0", b"un")]
    assert read(tmp_path / "p.csv") == [(b"\xff", b"un")]
    assert read(tmp_path / "p.jsonl") == [(b"\xff\0", b"\xed\xa0\x80")]
    assert read(tmp_path / "p.parquet") == [(b"\xff", b"\xff")]
    assert read(tmp_path / "p.db", query="SELECT * FROM pairs") == [(b"\xff", b"1")]


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


def test_po_may_be_in_the_other_order(tmp_path: Path) -> None:
    path = tmp_path / "a.po"
    path.write_text('msgid ""\nmsgstr "Language: en_GB\\n"\n\nmsgid "un"\nmsgstr "one"\n')
    assert read(path) == [(b"one", b"un")]


@pytest.mark.parametrize("text", [XLIFF_1, XLIFF_2])
def test_xliff_gives_what_is_translated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.xlf"
    path.write_text(text)
    assert read(path) == [(b"Press here.", b"Ici.")]


def test_po_gives_what_is_translated(tmp_path: Path) -> None:
    path = tmp_path / "messages.po"
    header = '\ufeffmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset={}\\n"\n\n'
    messages = (
        '#, fuzzy\nmsgid "no"\nmsgstr "non"\n\nmsgid "none"\nmsgstr ""\n\n#~ msgid "old"\n#~ msgstr "vieux"\n\n'
        'msgid "one file"\nmsgid_plural "%d files"\nmsgstr[0] "un fichier"\nmsgstr[1] "%d fichiers"\n\n'
        'msgid "a\\n"\n"b"\nmsgstr "é"\n'
    )
    path.write_text(header.format("UTF-8") + messages, encoding="utf-8")
    expected = [(b"%d files", b"%d fichiers"), (b"a b", "é".encode())]
    assert read(path) == expected
    path.write_text(header.format("ISO-8859-1")[1:] + messages, encoding="latin-1")
    assert read(path) == expected


class Elsewhere(LocalFileSystem):
    """The disk of this machine as one of Beam's file systems: elsewhere:///tmp/… is /tmp/…"""

    @classmethod
    def scheme(cls) -> str:
        return "elsewhere"

    def open(self, path: str, *arguments: Any, **more: Any) -> Any:
        return super().open(path.removeprefix("elsewhere://"), *arguments, **more)


@pytest.mark.parametrize("name", ["pairs.tsv.gz", "pairs.tmx", "pairs.parquet", "pairs.sqlite"])
def test_files_are_read_where_they_are(tmp_path: Path, name: str) -> None:
    form, _, ending = name.removeprefix("pairs.").partition(".")
    WRITERS[form](tmp_path / "plain", [("one", "un")])
    (tmp_path / name).write_bytes(compressed((tmp_path / "plain").read_bytes(), f".{ending}"))
    assert read(f"elsewhere://{tmp_path / name}", **QUERY.get(form, {})) == [(b"one", b"un")]


@pytest.mark.parametrize("url", ["elsewhere:///none/a.tsv", "nowhere://none/a.tsv"])
def test_files_that_are_not_there(url: str) -> None:
    with pytest.raises(UserError, match=rf"{url}( cannot be opened \(.*\); check the address|: no such file; check)"):
        read(url)


def test_files_of_windows(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_bytes(codecs.BOM_UTF8 + b"one\r\ntwo\r\n")
    (tmp_path / "a.fr").write_bytes(b"un\r\ndeux")
    pairs = pairs_of(two_files(tmp_path / "a.en", tmp_path / "a.fr"))
    assert [(source.strip(), target.strip()) for source, target in pairs] == [(b"one", b"un"), (b"two", b"deux")]
    (tmp_path / "a.tsv").write_bytes(codecs.BOM_UTF8 + b"one\tun\r\n")
    assert read(tmp_path / "a.tsv")[0][0] == b"one"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.TSV", "tsv"),
        ("a.csv.gz", "csv"),
        ("a.xlf", "xliff"),
        ("gs://b/a.jsonl.zst", "jsonl"),
        ("a.tmx.xz", "tmx"),
    ],
)
def test_the_ending_tells_the_format(name: str, form: str) -> None:
    assert format_of(PairFiles(file=name)) == form


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"file": "a.txt.gz"}, r"a\.txt\.gz: its name does not tell its format; give format, one of tsv, csv, jsonl, "),
        ({"file": "a.db"}, r"a\.db: give query, a SELECT of two columns"),
        ({"file": "a.txt", "format": "lines"}, "format lines has a file for each side; give source and target"),
        ({"source": "a", "target": "b", "format": "tmx"}, "format tmx has both sides in one file; give it as file"),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        format_of(PairFiles(**given))
