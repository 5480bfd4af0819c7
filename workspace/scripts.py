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
