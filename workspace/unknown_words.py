"""What stands in a translation for words that the vocabulary lacks, as the SavedModel and the engine have it.

Both put, for an unknown word, the word of the source that it attends to most (Luong et al. 2015, "Addressing the Rare
Word Problem in Neural Machine Translation"; by the attention, as Jean et al. 2015, "On Using Very Large Target
Vocabulary for Neural Machine Translation", section 3.3), or what a dictionary says of that. A word of the source is
what stands between spaces; of that, an unknown subword, and each subword of a script without spaces, is a word by
itself. The patterns are for RE2 and for the package regex.
"""

from __future__ import annotations

from workspace.scripts import UNSPACED_SCRIPTS

WHITE = "[\\p{Z}\\p{Cc}\u200b]"
BEGINS_WHITE = rf"(?s){WHITE}.*"
IS_WHITE = rf"{WHITE}*"
HAS_UNSPACED = rf"(?s).*[{UNSPACED_SCRIPTS}].*"
# The punctuation before a word, the word, and the punctuation after it.
BEFORE, CORE, AFTER = r"^(\p{P}*).*$", r"^\p{P}*(.*?)\p{P}*$", r"^.*?(\p{P}*)$"
