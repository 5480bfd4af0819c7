"""Codes of languages as people write them, read alike everywhere: EN, eng, en_US.UTF-8, zh-Hans, sr@latin."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import langcodes

# What people mean by Norwegian; CLDR's macrolanguages leave the two apart.
_SAME = {"nb": "no"}
# Gettext's names for scripts, which a locale has behind an @.
_MODIFIERS = {"latin": "latn", "cyrillic": "cyrl", "arabic": "arab", "devanagari": "deva"}
_LOCALE = re.compile(r"(?P<tag>[^.@]*)(\.[^@]*)?(@(?P<modifier>.*))?", re.DOTALL)


class Language(NamedTuple):
    """What a code says, in lower case: the language by its shortest code of ISO 639; script (ISO 15924), region
    (ISO 3166) and variants, "" where it says none."""

    code: str
    script: str = ""
    region: str = ""
    variants: str = ""


@lru_cache(maxsize=1024)
def language_of(code: str) -> Language:
    """Reads a tag of BCP 47, a code of ISO 639-1, -2 or -3, or a locale; what is none of these is a language by itself.

    Codes of before, and the language that stands for a group of them, are those of today: `iw` is he, `cmn` is zh.
    """
    locale = _LOCALE.fullmatch(code.strip().lower())
    tag, modifier = (locale["tag"], locale["modifier"] or "") if locale else (code, "")
    try:
        said = langcodes.Language.get(tag, normalize=False)
        # Alone: today's tag for a code of before may have a script, as sr-Latn for sh, that nobody has said.
        alone = langcodes.Language.make(language=said.language, extlangs=said.extlangs).to_tag()
        language = langcodes.Language.get(langcodes.standardize_tag(alone, macro=True)).language
    except langcodes.LanguageTagError:
        return Language(tag)
    script = said.script or _MODIFIERS.get(modifier, "")
    variants = "-".join(sorted(said.variants or []))
    return Language(
        _SAME.get(language or tag, language or tag), script.lower(), (said.territory or "").lower(), variants.lower()
    )


def nearness(said: str, asked: str) -> int | None:
    """How near a language of a file is to the one that is asked for: 0 the same, 1 a kind of it, 2 where ``said``
    leaves open what ``asked`` does not, 3 where each leaves something open; None for another language."""
    theirs, ours = (_with_script(language_of(code)) for code in (said, asked))
    if any(one and other and one != other for one, other in zip(theirs, ours, strict=True)):
        return None
    is_kind = any(one and not other for one, other in zip(theirs, ours, strict=True))
    is_open = any(other and not one for one, other in zip(theirs, ours, strict=True))
    return is_kind + 2 * is_open


def _with_script(language: Language) -> Language:
    """Chinese with the script of its region; in other languages the region does not decide it."""
    if language.code != "zh" or language.script or not language.region:
        return language
    script = langcodes.Language.get(f"zh-{language.region}").maximize().script
    return language._replace(script=(script or "").lower())
