"""Which of sacreBLEU's tokenizers a run is scored with: the recipe's, or that of the target language's script."""

from __future__ import annotations

import langcodes
from langcodes.data_dicts import MACROLANGUAGES

from recipes.languages import Language, language_of
from recipes.schema import Recipe, Tokenizer

# By the code of ISO 15924, in lower case.
_BY_SCRIPT: dict[str, Tokenizer] = {
    **dict.fromkeys(("hans", "hant", "hani"), "zh"),
    **dict.fromkeys(("jpan", "hira", "kana", "hrkt"), "ja-mecab"),
    **dict.fromkeys(("kore", "hang"), "ko-mecab"),
    # Without spaces between words, and without a tokenizer of their own.
    **dict.fromkeys(("thai", "khmr", "mymr", "laoo", "tibt"), "flores200"),
}


def tokenizer_of(recipe: Recipe) -> Tokenizer:
    """The name of BLEU's tokenizer, be it installed here or not."""
    return recipe.evaluation.tokenize or tokenizer_of_language(recipe.corpus.target_language)


def tokenizer_of_language(language: str) -> Tokenizer:
    """The tokenizer for a language by its code, as people write it: ja, JA, zh_TW, zh-Hans, jpn, kor_Hang."""
    return _BY_SCRIPT.get(_script_of(language_of(language)), "13a")


def _script_of(language: Language) -> str:
    """The script that is said, or the likeliest by Unicode's CLDR, which knows the languages of a macrolanguage (ISO
    639: Min Dong, Gan and others are kinds of Chinese) less well than that itself."""
    if language.script:
        return language.script
    code = MACROLANGUAGES.get(language.code, language.code)
    return (langcodes.Language.make(language=code).maximize().script or "").lower()
