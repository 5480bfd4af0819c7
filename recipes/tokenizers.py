"""Which of sacreBLEU's tokenizers a run is scored with: the recipe's, or that of the target language."""

from __future__ import annotations

import re

from recipes.schema import Recipe, Tokenizer

# By primary subtag (BCP 47) and by ISO 639-2 and 639-3. Cantonese, Wu, Hakka, Min Nan, Gan and Literary Chinese are
# written in Chinese characters; Dzongkha as Tibetan.
_BY_LANGUAGE: dict[str, Tokenizer] = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "wuu", "hak", "nan", "gan", "lzh"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    # Without spaces between words, and without a tokenizer of their own.
    **dict.fromkeys(("th", "tha", "km", "khm", "my", "mya", "bur", "lo", "lao"), "flores200"),
    **dict.fromkeys(("bo", "bod", "tib", "dz", "dzo"), "flores200"),
}


def tokenizer_of(recipe: Recipe) -> Tokenizer:
    """The name of BLEU's tokenizer, be it installed here or not."""
    return recipe.evaluation.tokenize or tokenizer_of_language(recipe.corpus.target_language)


def tokenizer_of_language(language: str) -> Tokenizer:
    """The tokenizer for a language by its code, as people write it: ja, JA, zh_TW, zh-Hans, jpn, kor_Hang."""
    return _BY_LANGUAGE.get(re.split(r"[-_.]", language.strip().lower())[0], "13a")
