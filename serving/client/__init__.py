"""The client of a served model, which needs no TensorFlow.

with Translator("localhost:8500") as translator:
    print(translator.translate("In the beginning was the Word.").text)
"""

from serving.client.alignment import Alignment
from serving.client.answers import ConstraintsError, SubwordScores, TextTooLongError, Translation, TranslationError
from serving.client.async_translator import AsyncTranslator
from serving.client.channel import Tls
from serving.client.constraints import Constraints, Terms
from serving.client.translator import Translator

__all__ = [
    "Alignment",
    "AsyncTranslator",
    "Constraints",
    "ConstraintsError",
    "SubwordScores",
    "Terms",
    "TextTooLongError",
    "Tls",
    "Translation",
    "TranslationError",
    "Translator",
]
