"""Text to subword ids and back, inside the graph, with the SentencePiece models that the data was prepared with."""

from __future__ import annotations

import functools
import hashlib
from typing import Literal, NamedTuple, TypeAlias

import sentencepiece
import tensorflow as tf
import tensorflow_text

from workspace.errors import UserError
from workspace.layout import END_ID, LARGEST_SUBWORD_BYTES, PADDING_ID, UNKNOWN_ID, WorkDirectory
from workspace.locations import Location
from workspace.protobuf import message_classes
from workspace.storage import read_bytes

# What stands for a space in a subword.
SPACE = "\u2581"
# And for bytes, which no text has: they are for private use.
BYTES = [chr(0xF0000 + byte) for byte in range(256)]

NormalForm: TypeAlias = Literal["NFC", "NFKC"]

# The part of SentencePiece's model format that says which normal form a model has.
_Model = message_classes(
    "sentencepiece",
    {"NormalizerSpec": {"name": (1, "string")}, "Model": {"normalizer_spec": (3, "NormalizerSpec")}},
)["Model"]


class Sentences(NamedTuple):
    """A batch of texts as the network reads it.

    ids: int32 [batch, length] with END_ID, then PADDING_ID; lengths: int32 [batch], subwords before END_ID; too_long:
    bool [batch], which texts were left out: they have no subwords; texts: string [batch], as they were given.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    too_long: tf.Tensor
    texts: tf.Tensor


class Subwords(tf.Module):
    """One SentencePiece model; its bytes become part of a SavedModel that uses it.

    model: the bytes of its file; normal_form: the one of Unicode's that its texts are in, and others are to be compared
    in: "NFKC" of a model that replaces characters by others of their kind, else "NFC".
    """

    def __init__(self, path: Location):
        super().__init__()
        try:
            self.model = read_bytes(path)
        except FileNotFoundError as error:
            raise UserError(f"{path}: no such subword model; prepare the corpus first (make prepare)") from error
        # TensorFlow shares the tokenizers of one name among all SavedModels that a process loads, and the
        # default name is the same for all: the second would silently be the first.
        name = f"subwords_{hashlib.sha256(self.model).hexdigest()}"
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(model=self.model, name=name)
        named = _Model.FromString(self.model).normalizer_spec.name
        self.normal_form: NormalForm = "NFKC" if "nfkc" in named else "NFC"

    @property
    def vocabulary(self) -> int:
        """How many subwords there are."""
        return int(self._tokenizer.vocab_size())

    @functools.cached_property
    def silent(self) -> list[int]:
        """The ids of the subwords that show nothing where they stand alone: control symbols, white space."""
        with tf.init_scope():
            texts = self._tokenizer.detokenize(tf.range(self.vocabulary)[:, None]).numpy()
        return [
            number
            for number, text in enumerate(texts)
            if not any(character.isprintable() for character in text.decode("utf-8", errors="replace").strip())
        ]

    @functools.cached_property
    def written(self) -> list[str | None]:
        """The characters of every subword, with SPACE for a space, and BYTES for single bytes; "" of one that shows
        nothing, None of the one for what is unknown."""
        model = sentencepiece.SentencePieceProcessor(model_proto=self.model)

        def characters(number: int) -> str | None:
            if model.is_unknown(number):
                return None
            if model.is_byte(number):
                return BYTES[int(model.id_to_piece(number)[1:-1], 16)]
            return "" if model.is_control(number) else model.id_to_piece(number)

        return [characters(number) for number in range(model.get_piece_size())]

    @functools.cached_property
    def unknown_has_space(self) -> bool:
        """Whether an unknown subword is a word with the space before it: where no subword is a space by itself."""
        with tf.init_scope():
            return bool(self._tokenizer.string_to_id(SPACE).numpy() == UNKNOWN_ID)

    def ids(self, texts: tf.Tensor, longest: int | None = None) -> Sentences:
        """The subwords of string [batch]; none of a text that has more than ``longest``.

        One of more bytes than so many subwords can have is not even looked at: SentencePiece takes a hundred times the
        memory of what it cuts, and cannot be interrupted.
        """
        if longest is None:
            subwords = self._tokenizer.tokenize(texts)
            lengths = tf.cast(subwords.row_lengths(), tf.int32)
            too_long = tf.zeros_like(lengths, tf.bool)
        else:
            too_large = tf.strings.length(tf.strings.strip(texts)) > longest * LARGEST_SUBWORD_BYTES
            subwords = self._tokenizer.tokenize(tf.where(too_large, "", texts))
            lengths = tf.cast(subwords.row_lengths(), tf.int32)
            too_long = too_large | (lengths > longest)
        kept = tf.boolean_mask(subwords.values, tf.repeat(~too_long, lengths))
        lengths = tf.where(too_long, 0, lengths)
        ends = tf.fill([tf.size(lengths), 1], END_ID)
        ids = tf.concat([tf.RaggedTensor.from_row_lengths(kept, lengths), ends], axis=1).to_tensor(PADDING_ID)
        # Even without any text one position long, as for a blank text: the network reads at least one.
        ids = tf.reshape(ids, [tf.size(lengths), tf.maximum(1, tf.shape(ids)[1])])
        return Sentences(ids, lengths, too_long, texts)

    def with_places(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The subwords of string [batch], the byte at which each begins in the text, white space before it included,
        and that at which it ends: int32 [batch, subwords]."""
        ids, starts, ends = self._tokenizer.tokenize_with_offsets(texts)
        return ids, *(tf.cast(places, tf.int32) for places in (starts, ends))

    def texts(self, ids: tf.Tensor) -> tf.Tensor:
        """The texts of int32 [batch, length] with END_ID and padding: string [batch]."""
        words = tf.ragged.boolean_mask(ids, (ids != PADDING_ID) & (ids != END_ID))
        return self._tokenizer.detokenize(words)

    def texts_with(self, ids: tf.Tensor, replacements: tf.Tensor) -> tf.Tensor:
        """The same with words of ``replacements``, string [batch, length], in place of unknown ones."""
        is_unknown = ids == UNKNOWN_ID
        # What stands between them is put together by itself. Of that, SentencePiece leaves out the first space.
        part = tf.cumsum(tf.cast(is_unknown, tf.int32), axis=1)
        most = 1 + tf.reduce_max(part)
        is_text = ~is_unknown & (ids != PADDING_ID) & (ids != END_ID)
        numbers = part + most * tf.range(tf.shape(ids)[0])[:, None]
        between = tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(ids, is_text),
            tf.boolean_mask(numbers, is_text),
            nrows=tf.shape(ids)[0] * most,
        )
        between = tf.reshape(self._tokenizer.detokenize(between), [-1, most])
        after = tf.concat([self.pieces(ids)[:, 1:], tf.fill([tf.shape(ids)[0], 1], "")], axis=1)
        space = tf.where(tf.strings.substr(after, 0, len(SPACE.encode())) == SPACE, " ", "")
        unknown = tf.strings.join([" " if self.unknown_has_space else "", replacements, space])
        unknown = tf.RaggedTensor.from_row_lengths(tf.boolean_mask(unknown, is_unknown), part[:, -1])
        unknown = tf.concat([tf.fill([tf.shape(ids)[0], 1], ""), unknown.to_tensor("")], axis=1)
        text = tf.strings.reduce_join(tf.strings.join([unknown, between]), axis=1)
        return tf.strings.strip(tf.strings.regex_replace(text, " +", " "))

    def pieces(self, ids: tf.Tensor) -> tf.Tensor:
        """The subwords of int32 [...] as the model has them, ▁ for a space: string [...]; "" for padding."""
        return tf.where(ids == PADDING_ID, "", self._tokenizer.id_to_string(ids))

    def pieces_with(self, ids: tf.Tensor, replacements: tf.Tensor) -> tf.Tensor:
        """The same with words of ``replacements``, string [...], in place of unknown ones."""
        words = tf.strings.regex_replace(replacements, " ", SPACE)
        # An empty subword would be none at all.
        if self.unknown_has_space:
            words = tf.strings.join([SPACE, words])
        words = tf.where(words == "", SPACE, words)
        return tf.where(ids == UNKNOWN_ID, words, self.pieces(ids))


def load_subwords(work: WorkDirectory, joint: bool) -> tuple[Subwords, Subwords]:
    """The subwords of the source and of the target side; the same object where they are joint."""
    source = Subwords(work.subword_model("source", joint))
    return source, source if joint else Subwords(work.subword_model("target", joint))
