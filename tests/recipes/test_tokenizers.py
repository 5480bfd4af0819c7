"""BLEU's tokenizers: the script that a language is written in chooses, whatever its code looks like."""

from __future__ import annotations

import pytest

from recipes.tokenizers import tokenizer_of_language


@pytest.mark.parametrize(
    ("codes", "tokenizer"),
    [
        (
            "zh zho cmn zh_TW zh-Hans zh_CN.GB18030 zh-US yue-HK wuu lzh hsn cdo cjy cpx mnp czh czo zh-cdo vi-Hani",
            "zh",
        ),
        ("ja JPN ja_JP.eucJP ja@x ja. ja-Hira jpn_Jpan", "ja-mecab"),
        ("ko kor ko-KR kor_Hang", "ko-mecab"),
        ("th tha th_TH.TIS-620 lo km-KH my mya_Mymr bo bod dz shn mnw tts", "flores200"),
        ("fr vi id sr-RS ja-Latn zh-Latn my-Latn pa-Arab und target jp", "13a"),
    ],
)
def test_the_script_of_the_language_chooses(codes: str, tokenizer: str) -> None:
    assert {code: tokenizer_of_language(code) for code in codes.split()} == dict.fromkeys(codes.split(), tokenizer)


def test_white_space_around_a_code_is_none_of_it() -> None:
    assert [tokenizer_of_language(code) for code in (" ja", "zh ", "\tth\n")] == ["ja-mecab", "zh", "flores200"]
