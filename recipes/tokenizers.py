"""Which of sacreBLEU's tokenizers a run is scored with: the recipe's, or that of the target language."""

from __future__ import annotations

from recipes.languages import language_of
from recipes.schema import Recipe, Tokenizer

# By the shortest code of ISO 639. Cantonese, Wu, Hakka, Min Nan, Gan and Literary Chinese are written in Chinese
# characters; Dzongkha as Tibetan.
_BY_LANGUAGE: dict[str, Tokenizer] = {
    **dict.fromkeys(("zh", "yue", "wuu", "hak", "nan", "gan", "lzh"), "zh"),
    "ja": "ja-mecab",
    "ko": "ko-mecab",
    # Without spaces between words, and without a tokenizer of their own.
    **dict.fromkeys(("th", "km", "my", "lo", "bo", "dz"), "flores200"),
}


def tokenizer_of(recipe: Recipe) -> Tokenizer:
    """The name of BLEU's tokenizer, be it installed here or not."""
    return recipe.evaluation.tokenize or tokenizer_of_language(recipe.corpus.target_language)


def tokenizer_of_language(language: str) -> Tokenizer:
    """The tokenizer for a language by its code, as people write it: ja, JA, zh_TW, zh-Hans, jpn, kor_Hang."""
    return _BY_LANGUAGE.get(language_of(language).code, "13a")
