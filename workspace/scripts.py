"""Letters of scripts that put no spaces between words, by Unicode's properties, for the package regex.

As everywhere in Unicode's sets of characters, ``regex.V1`` reads them.
"""

# A character is a syllable or a word.
IDEOGRAPHS = r"[[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{Yi}]&&\p{Alphabetic}--[\0-\u0dff]]"
# A character is only a letter of one.
SYLLABICS = r"[[\p{lb=SA}\p{Tibetan}\p{Balinese}\p{Javanese}]&&[\p{Alphabetic}\p{M}]]"
UNSPACED_LETTERS = f"[{IDEOGRAPHS}{SYLLABICS}]"
# What makes a word longer, in scripts that put spaces between words.
LETTERS_AND_DIGITS = rf"[[\p{{Alphabetic}}\p{{M}}\p{{N}}]--{UNSPACED_LETTERS}]"
# Nearly the same, for RE2 as well, which TensorFlow has and which knows scripts only: what goes into brackets.
UNSPACED_SCRIPTS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}"
    r"\p{Tai_Tham}\p{Tai_Viet}\p{Tibetan}\p{Balinese}\p{Javanese}"
)
