"""What is judged to be in another language, from how little text, and under which codes."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from pipelines.cleaning.languages import is_known, likeness, unknown_languages
from recipes.loading import check_recipe

# Short lines of the languages, each enough to tell.
LINES = {
    "en": "The dog sleeps near the door.",
    "fr": "Elle habite près de la gare.",
    "de": "Wir haben heute keine Zeit.",
    "ru": "Она живёт у самой реки.",
    "zh": "我们明天去北京。",
    "ja": "明日は雨が降るでしょう。",
    "ko": "우리는 내일 서울에 간다.",
    "ar": "ذهب الولد إلى المدرسة.",
    "th": "พรุ่งนี้ฝนจะตก",
    "hi": "वह कल दिल्ली जाएगी।",
    "el": "Το παιδί πήγε στο σχολείο.",
    "tr": "Çocuklar bahçede oynuyor.",
}


def share_of(text: str, language: str) -> float:
    ((_, score),) = likeness([text], language)
    return score


@pytest.mark.parametrize("language", LINES)
def test_short_lines_are_kept_for_their_language_and_for_no_other(language: str) -> None:
    assert share_of(LINES[language], language) == 1
    for other in LINES.keys() - {language}:
        assert share_of(LINES[language], other) < 0.99, other


@pytest.mark.parametrize(
    "text", ["Windows XP", "Anna Müller", "OK", "2019", "C-3PO", "https://www.example.com/about-us", "…", ""]
)
@pytest.mark.parametrize("language", ["zh", "en", "ar"])
def test_names_numbers_and_addresses_are_not_judged(text: str, language: str) -> None:
    assert share_of(text, language) == 1


def test_a_script_that_no_language_is_known_in_is_another_language() -> None:
    burmese = "\u101c\u1030\u1010\u102d\u102f\u1004\u103a\u1038\u101e\u100a\u103a \u1010\u1030\u100a\u102e"
    assert share_of(burmese, "en") == share_of(burmese, "zh") == 0


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sr", "Деца се играју у дворишту испред куће."),
        ("sr", "Djeca se igraju u dvorištu ispred kuće."),
        ("bs", "Sutra ćemo zajedno otići na more."),
        ("ku", "Zarok li ber derê malê dilîzin û distirên."),
        ("ku", "منداڵەکان لە بەردەم ماڵەکەدا یاری دەکەن."),
        ("pa", "ਬੱਚੇ ਘਰ ਦੇ ਬਾਹਰ ਖੇਡ ਰਹੇ ਹਨ।"),
        ("pa-PK", "بچے گھر دے باہر کھیڈ رہے نیں تے ہس رہے نیں۔"),
        ("az", "Ушаглар һәјәтдә ојнајырлар."),
        ("az", "Uşaqlar həyətdə oynayırlar."),
        ("id", "Anak-anak bermain di halaman rumah."),
        ("ms", "Kanak-kanak bermain di halaman rumah."),
        ("nn", "Borna leikar seg ute framfor huset."),
        ("zh-Hant", "孩子們在屋前的院子裡玩耍。"),
        ("zh_CN", "孩子们在屋前的院子里玩耍。"),
        ("pt_BR", "As crianças estão brincando no quintal."),
        ("ro", "Ной ам мынкат мере ши пере ын грэдина буничий."),
        ("mo", "Автобузул плякэ диминяца девреме дин сат."),
        ("ko", "大學校圖書館 利用規則"),
        ("ko", "우리 大學校의 圖書館은 새 建物이다."),
    ],
)
def test_good_text_in_every_script_and_sister_is_kept(language: str, text: str) -> None:
    assert share_of(text, language) >= 0.99


@pytest.mark.parametrize(
    "text",
    [
        "会議資料一覧",
        "消費者契約法第十条",
        "京都府立図書館利用案内",
        "銀貨、金貨、",
        "兵士の数は四万八千二百人",
        "我が友、医師は、開かれた窓、開かれた扉。",
        "頬の色、剝製の鳥、髙橋家の墓",
    ],
)
def test_japanese_with_much_han_is_not_chinese(text: str) -> None:
    assert share_of(text, "ja") >= 0.99


@pytest.mark.parametrize(
    "text",
    [
        "她们昨天买了两张车票",
        "请选择您的语言",
        "我们の时间",
        "昨日我在家中讀書，母親在廚房做飯，弟弟在外面玩耍。",
    ],
)
@pytest.mark.parametrize("language", ["ja", "ko"])
def test_chinese_is_told_by_its_own_characters_or_by_length(language: str, text: str) -> None:
    assert share_of(text, language) < 0.99
    assert share_of(text, "zh") == 1


def test_japanese_is_not_korean_or_chinese() -> None:
    assert share_of("図書館で本を借りた", "ko") < 0.99
    assert share_of("図書館で本を借りた", "zh") < 0.99


# Languages that eldc does not know.
UNKNOWN = {
    "zu": "Izingane zifunda incwadi entsha esikoleni.",
    "sw": "Mvulana alinunua mkate sokoni jana.",
    "ha": "Mutane suna zuwa kasuwa da safe.",
    "so": "Wiilku wuxuu cunayaa cunto fiican.",
    "cy": "Mae hi'n bwrw glaw yn y mynyddoedd heddiw.",
    "uz": "Talabalar kutubxonada yangi kitob o‘qiydilar.",
    "qu": "Warmikunaqa llaqtapi sarata rantichkanku.",
    "mn": "Багш нар сургуульд шинэ ном уншиж байна.",
    "km": "សិស្សកំពុងអានសៀវភៅនៅក្នុងបណ្ណាល័យ។",
    "bo": "སློབ་ཕྲུག་ཚོས་དཔེ་དེབ་ཀློག་གི་འདུག",
}


@pytest.mark.parametrize("language", ["zh", "ja", "ko", "ar", "hi", "he", "th", "am", "fa", "el"])
@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_a_sentence_in_a_script_that_the_language_never_has_is_foreign(language: str, text: str) -> None:
    assert share_of(text, language) < 0.99


def test_a_word_of_the_language_does_not_make_a_sentence_one_of_it() -> None:
    assert share_of(f"{UNKNOWN['zu']} 北京", "zh") < 0.99
    assert share_of(f"Facebook {UNKNOWN['km']}", "en") < 0.99
    assert share_of(f"{UNKNOWN['zu']} 12 %", "ru") < 0.99


@pytest.mark.parametrize(
    "text",
    [
        "Google Chrome",
        "Galaxy S24 Ultra",
        "Canon, Nikon, Sony, Fujifilm, Panasonic, Olympus, Leica",
        "The Sound of Music",
        "Panthera leo persica",
        'git checkout -b "new branch"',
        "apt install postgresql nginx redis",
        "let total = sum(values);",
    ],
)
@pytest.mark.parametrize("language", ["zh", "ja", "ko", "th", "ar", "ru"])
def test_names_and_code_in_latin_letters_are_no_other_language(language: str, text: str) -> None:
    assert share_of(text, language) == 1


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "请在终端窗口中运行下面这个命令：cargo build release target"),
        ("ja", "Adobe Illustrator と Microsoft PowerPoint を使う"),
        ("th", "ดาวน์โหลด Visual Studio Code ได้ที่นี่"),
        ("en", "The Khmer word សៀវភៅនៅក្នុងបណ្ណាល័យ is about reading books."),
    ],
)
def test_foreign_words_within_a_sentence_are_no_other_language(language: str, text: str) -> None:
    assert share_of(text, language) == 1


@pytest.mark.parametrize("language", ["sr", "ku", "pa", "az", "be", "ms"])
def test_other_languages_are_rejected_where_a_language_has_two_scripts(language: str) -> None:
    assert share_of("The children were playing in the yard.", language) < 0.99


@pytest.mark.parametrize(
    "code", ["en-US", "eng", "EN", "zh-Hans", "zh_TW", "pt_BR", "ger", "deu", "cmn", "iw", "fil", "sr-Latn"]
)
def test_codes_as_people_write_them(code: str) -> None:
    assert is_known(code)


@pytest.mark.parametrize("code", ["", "source", "English", "tlh", "uz", "hi-Latn", "az-Cyrl"])
def test_languages_that_cannot_be_told(code: str) -> None:
    assert not is_known(code)


@pytest.mark.parametrize("text", [LINES["ru"], "Сутринта валеше дъжд над града.", "Вранці над містом ішов дощ."])
def test_slavic_languages_are_not_romanian_in_cyrillic(text: str) -> None:
    assert share_of(text, "ro") < 0.99


def test_a_script_is_part_of_the_language() -> None:
    assert share_of("Djeca se igraju u dvorištu ispred kuće.", "sr-Latn") == 1
    assert share_of("Djeca se igraju u dvorištu ispred kuće.", "sr-Cyrl") < 0.99


@pytest.mark.parametrize("code", ["de-Latf", "de-Zyyy", "de-Qaaa", "de-Abcd", "de-DE"])
def test_a_script_that_unicode_does_not_have_is_that_of_the_language(code: str) -> None:
    assert share_of(LINES["de"], code) == 1
    assert share_of(LINES["zh"], code) < 0.99


def test_a_rule_that_is_off_is_told() -> None:
    corpus = {"source_language": "en", "target_language": "Klingon", "train": {"source": "a", "target": "b"}}
    told = unknown_languages(check_recipe({"name": "x", "corpus": corpus}, "x"))
    assert told is not None
    assert "'Klingon'" in told
    assert "'en'" not in told
    assert unknown_languages(check_recipe({"name": "x", "corpus": {**corpus, "target_language": "fr"}}, "x")) is None
    off = {"name": "x", "corpus": corpus, "cleaning": {"min_language": None}}
    assert unknown_languages(check_recipe(off, "x")) is None
