"""Learns the SentencePiece model(s) of a corpus.

The ids every vocabulary begins with are those of ``workspace.layout``; there is no beginning-of-sentence
id. SentencePiece's default normaliser (NFKC and white space) is the only text normalisation the model
depends on, and the same file is embedded in the exported SavedModel.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sentencepiece

from recipes.data_schema import Subwords
from workspace.errors import UserError
from workspace.layout import END_ID, PADDING_ID, UNKNOWN_ID
from workspace.progress import progress_bar
from workspace.storage import replacing

# SentencePiece leaves out longer sentences silently, and its default (4,192) is near what 100 words take in a
# script with three bytes a character.
_MAX_SENTENCE_BYTES = 1 << 16
_SECONDS_BETWEEN_LOOKS = 0.2


def train_subwords(sentences: Iterable[str], settings: Subwords, path: Path, tags: Sequence[str] = ()) -> None:
    """Learns a model from ``sentences`` and writes it to ``path``; ``tags`` are symbols to add to the recipe's.

    The same sentences in the same order give the same bytes. Raises UserError where the sentences do
    not allow a vocabulary of the size that the recipe sets.
    """
    model = io.BytesIO()
    failures: list[BaseException] = []
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for sentence in sentences:
            read += 1
            yield sentence

    def learn() -> None:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=counted(),
                model_writer=model,
                model_type=settings.type,
                vocab_size=settings.vocabulary,
                character_coverage=1.0,
                pad_id=PADDING_ID,
                eos_id=END_ID,
                unk_id=UNKNOWN_ID,
                bos_id=-1,
                byte_fallback=settings.byte_fallback,
                user_defined_symbols=[*settings.symbols, *tags],
                max_sentence_length=_MAX_SENTENCE_BYTES,
                # More threads change the result from run to run.
                num_threads=1,
                minloglevel=2,
            )
        except BaseException as error:
            failures.append(error)

    # In a thread of its own, for SentencePiece does not hear Ctrl-C and may take minutes.
    learning = threading.Thread(target=learn, daemon=True)
    learning.start()
    # SentencePiece does not say how far it is: the bar counts the sentences it reads, and then shows only the time.
    with progress_bar(None, f"learning {settings.vocabulary:,} subwords ({settings.type})", "sentence") as bar:
        while learning.is_alive():
            learning.join(_SECONDS_BETWEEN_LOOKS)
            bar.update(read - bar.n)
    if failures:
        raise _explained(failures[0], settings) from failures[0]
    with replacing(path) as temporary:
        temporary.write_bytes(model.getvalue())


def load_subwords(path: Path) -> sentencepiece.SentencePieceProcessor:
    """The model in ``path``."""
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def _explained(error: BaseException, settings: Subwords) -> BaseException:
    """The UserError for a vocabulary that cannot be; the error itself if it is about something else."""
    setting = f"subwords.vocabulary is {settings.vocabulary}, but the corpus"
    if too_high := re.search(r"Vocabulary size too high.*<= (\d+)", str(error)):
        return UserError(f"{setting} allows {too_high[1]} at most; set it to that or less")
    if too_low := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        return UserError(f"{setting} needs {too_low[1]} at least, for its single characters; set it to that or more")
    return error
