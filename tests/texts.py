# ruff: noqa: RUF001
"""Sentences of many scripts, each with what a normal form is apt to change."""

from __future__ import annotations

TEXTS_OF_MANY_SCRIPTS = {
    "Persian, with zero width non-joiners": "کتاب‌هایی که می‌خوانیم، گران‌بها هستند؛ ۱۲ جلد",
    "Urdu": "اُردو زبان، ایک خوبصورت زبان ہے۔",
    "Arabic presentation forms": "ﻻ ﷲ ﷺ ﻣﺮﺣﺒﺎ",
    "Hebrew with points": "בְּרֵאשִׁית בָּרָא אֱלֹהִים",
    "Chinese, full-width": "“价格：１２３％！”（约￥４５．６０）～，。？",
    "Chinese, traditional": "「您好」，他說︰『再見』……",
    "Japanese, half-width and full-width": "ﾊﾝｶｸとゼンカク、「第①回」は㍿〜！ヴァ",
    "Korean": "가격은 ３，０００원입니다. ㈜한국",
    "Thai, with sara am": "น้ำตกจำนวนมากทำให้คำถามสำคัญ ๆ",
    "Lao, with its own": "ນ້ຳຕົກແລະຄຳຖາມ",
    "Khmer": "កុមារ៖ ត្រី ៣ ៕",
    "Burmese": "မြန်မာဘာသာ၊ စာအုပ် ၁၂။",
    "Tibetan": "བོད་ཡིག༌ ལྷ་ས།",
    "Hindi, with joiners": "परमेश्‍वर क्‍या १२ ड़ ।",
    "Bengali": "বাংলা ভাষা ১২।",
    "Tamil": "தமிழ் மொழி ௧௨",
    "Malayalam, with chillu": "അവന്‍ പറഞ്ഞു ൻ",
    "Vietnamese": "Trường Đại học Bách khoa, ửng, ợ, ẫ",
    "French, fractions and ligatures": "½ œuf, 2º étage ; la ﬁn… № 5, 10 µm, ™",
    "German, quotation marks": "„Straße“ – ‚ẞ‘ 10²",
    "Turkish": "İstanbul’da ılık",
    "Romanian": "ş ș ţ ț",
    "Greek with breathings": "Ἐν ἀρχῇ ἦν ὁ λόγος·",
    "Georgian and Armenian": "ქართული Հայերեն՝ և",
    "Ethiopic": "ሰላም፡ለዓለም።",
    "Mathematics": "ℝ ⊂ ℂ, 𝐱 ∈ ℤ, x² ≤ ∞",
    "symbols": "👩‍👩‍👧 ❤️ 🇫🇷 Ⅳ ㎞ ⅷ ﷼",
}
