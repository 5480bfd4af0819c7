"""The whole road on ``tiny``, as a user goes it: corpus files in, a translation over gRPC and a batch job out."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
import sacrebleu
import tensorflow as tf
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from model.data.subwords import load_subwords
from model.network.checkpoint import load_best
from model.search.translator import TextTranslator
from pipelines.translate import main as translate
from recipes.stages import resolved_recipe
from serving.client.alignment import Alignment
from serving.client.answers import TextTooLongError, Translation
from serving.client.async_translator import AsyncTranslator
from serving.client.translator import Translator
from tests.end_to_end.support import ENVIRONMENT, TOO_LONG, UNSPLITTABLE, run_road
from tests.numbers_corpus import english, french
from tests.own_lines import foreign_lines
from tests.serving.support import eventually, request
from workspace.errors import UserError
from workspace.layout import MODEL_NAME, WorkDirectory
from workspace.storage import read_json, write_json

pytestmark = pytest.mark.slow


def test_the_road_ends_with_a_model_that_translates(work: WorkDirectory[Path], first_run: str) -> None:
    scores, manifest = read_json(work.scores), read_json(work.manifest)
    assert scores["bleu"]["score"] > 60
    assert manifest["pairs"]["read"] == 3000
    signature = scores["bleu"]["signature"].replace("bs:1000|seed:12345|", "")
    page = work.evaluation_report.resolve().as_uri()
    for words in ("pairs read", "3,000", "dev BLEU", signature, "sample 3", page, "make serve WORK="):
        assert words in first_run


def test_grpc_gives_what_the_checkpoint_gives(work: WorkDirectory[Path], server: str) -> None:
    recipe = resolved_recipe(work)
    subwords = load_subwords(work, recipe.subwords.joint)
    checkpoint = TextTranslator(load_best(work, recipe, subwords), subwords, recipe.search)
    texts = [english(number) for number in range(7, 9999, 487)]
    expected = checkpoint.translate(tf.constant(texts))
    with Translator(server) as translator:
        given = list(translator.translate_many(texts))
    assert [translation.text for translation in given] == [text.decode() for text in expected.text.numpy()]
    assert [translation.score for translation in given] == pytest.approx(expected.score.numpy().tolist(), rel=1e-4)


def test_grpc_gives_the_other_translations_alignments_and_scores(work: WorkDirectory[Path], server: str) -> None:
    recipe = resolved_recipe(work)
    subwords = load_subwords(work, recipe.subwords.joint)
    checkpoint = TextTranslator(load_best(work, recipe, subwords), subwords, recipe.search)
    text = english(1234)
    n_best = checkpoint.n_best(tf.constant([text]))
    with Translator(server) as translator:
        found = translator.nbest(text, 3)
        aligned = translator.align(text)
        score = translator.score(text, found[1].text)
        drawn = translator.sample(text, 4, seed=2)
        assert translator.sample(text, 4, top_k=1) == translator.sample(text, 1, top_p=1e-30) * 4
        with pytest.raises(UserError, match="99 translations are asked for, but the model has a beam of"):
            translator.nbest(text, 99)
    assert [translation.text for translation in found] == [text.decode() for text in n_best.text.numpy()[0, :3]]
    assert [translation.score for translation in found] == pytest.approx(n_best.score.numpy()[0, :3].tolist(), rel=1e-4)
    assert score == pytest.approx(float(checkpoint.score(tf.constant([text]), n_best.text[:, 1])[0]), rel=1e-4)

    assert aligned.translation.text == found[0].text
    assert (aligned.source, aligned.target) == (text.split(), found[0].text.split())
    assert all(0 < sum(row) <= 1 + 1e-5 for row in aligned.weights)
    assert len(aligned.links()) == len(aligned.target)
    # What it has learnt: "mille" is "thousand", of which French does not say that it is one.
    assert (aligned.target[0], aligned.source[aligned.links()[0][0]]) == ("mille", "thousand")

    async def asked() -> tuple[list[Translation], Alignment, float]:
        async with AsyncTranslator(server) as translator:
            score = await translator.score(text, found[1].text)
            assert await translator.sample(text, 4, seed=2) == drawn
            return await translator.nbest(text, 3), await translator.align(text), score

    assert asyncio.run(asked()) == (found, aligned, score)


def test_command_line_gives_them_too(server: str) -> None:
    def said(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "serving.translate", "--server", server, *arguments]
        lines = f"{english(1234)}\n{english(56)}\n"
        ran = subprocess.run(command, input=lines, capture_output=True, text=True, env=ENVIRONMENT, check=True)
        assert ran.stderr == ""
        return ran.stdout.splitlines()

    plain = said()
    assert [line.split(" ||| ")[:2] for line in said("--nbest=1")] == [["0", plain[0]], ["1", plain[1]]]
    assert [line.split(" ||| ")[0] for line in said("--nbest=2")] == ["0", "0", "1", "1"]
    # The likeliest word at every step, whichever way it is asked for.
    likeliest = [line.split(" ||| ")[1] for line in said("--sample=1", "--top-k=1")]
    assert said("--beam=1") == likeliest == [line.split(" ||| ")[1] for line in said("--beam=1", "--nbest=1")]
    drawn = said("--sample=3", "--seed=5", "--temperature=2")
    assert [line.split(" ||| ")[0] for line in drawn] == ["0"] * 3 + ["1"] * 3
    assert said("--sample=2", "--seed=5", "--temperature=2") == drawn[:2] + drawn[3:5]
    assert len(set(drawn)) > 2
    for line, translation in zip(said("--align"), plain, strict=True):
        text, links = line.split(" ||| ")
        assert text == translation
        assert re.fullmatch(r"\d+-\d+( \d+-\d+)*", links)
    (first, _) = (json.loads(line) for line in said("--align", "--json"))
    assert (first["text"], first["translation"], first["source"]) == (english(1234), plain[0], english(1234).split())
    assert set(first) == {"text", "translation", "score", "source", "target", "links", "weights"}
    (first, _) = (json.loads(line) for line in said("--nbest=2", "--json"))
    assert first["nbest"][0]["translation"] == plain[0]
    (first, _) = (json.loads(line) for line in said("--sample=1", "--top-k=1", "--top-p=0.5", "--json"))
    assert set(first) == {"text", "samples"}
    assert set(first["samples"][0]) == {"translation", "score"}


def test_command_line_takes_constraints(server: str, tmp_path: Path) -> None:
    terms = tmp_path / "terms.tsv"
    terms.write_text("thousand\tdouzaine\nfifty-six\tcinquante-six\n", encoding="utf-8")

    def said(*arguments: str) -> tuple[list[str], str]:
        command = [sys.executable, "-m", "serving.translate", "--server", server, *arguments]
        lines = f"{english(1234)}\n{english(56)}\n"
        ran = subprocess.run(command, input=lines, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert bool(ran.returncode) == bool(ran.stderr)
        return ran.stdout.splitlines(), ran.stderr

    lines, error = said("--prefix", "trei", "--require", "neuf", "--require", "mille", "--forbid", "cent")
    assert error == ""
    for line in lines:
        assert line.startswith("trei")
        words = line.replace("-", " ").split()
        assert {"neuf", "mille"} <= set(words)
        assert "cent" not in words
    (first, second), error = said("--terms", str(terms))
    assert error == ""
    assert "douzaine" in first.replace("-", " ").split()
    assert " cinquante-six " in f" {second} "
    lines, error = said("--terms", str(terms), "--forbid", "douzaine")
    assert lines[0] == ""
    assert lines[1] == second
    assert error == (
        "error: without a translation that keeps to what is asked, and empty in the translation: line 1; ask for less\n"
    )
    _, error = said("--prefix", "trei", "--align")
    assert "--align and --document take no --prefix" in error


@pytest.mark.parametrize("kind", ["--nbest=2", "--align"])
def test_command_line_asks_several_at_once_and_keeps_their_order(server: str, kind: str, tmp_path: Path) -> None:
    texts = [english(number) for number in (1234, 5, 4567, 89, 60, 7, 8000, 12, 345, 6)]
    lines = [*texts, "", *reversed(texts)]
    file = tmp_path / "lines.en"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "serving.translate", "--server", server, "--json", kind, "--input", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == lines
    with Translator(server) as translator:
        for text, answer in zip(texts, answers, strict=False):
            best = answer["nbest"][0] if kind == "--nbest=2" else answer
            assert best["translation"] == translator.translate(text).text


@pytest.mark.parametrize("by_server", [False, True], ids=["SavedModel", "server"])
def test_batch_job_gives_line_for_line(by_server: bool, work: WorkDirectory[Path], server: str, tmp_path: Path) -> None:
    """Blank ones among them, no line feed at the end; from .gz as from plain text."""
    numbers = [None if index % 50 == 0 else (index * 37) % 10_000 for index in range(1203)]
    text = "\n".join("" if number is None else english(number) for number in numbers)
    plain, packed = tmp_path / "in.en", tmp_path / "in.en.gz"
    plain.write_text(text, encoding="utf-8")
    packed.write_bytes(gzip.compress(text.encode()))
    output = tmp_path / "out.fr"
    source = plain if by_server else packed
    flags = ["--work", str(work.root), "--input", str(source), "--output", str(output)]
    if by_server:
        translate([*flags, "--server", server])
    else:
        command = [sys.executable, "-m", "pipelines.translate", *flags]
        ran = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        said = rf"translated 1,203 lines into {output}, 25 of them blank \(\d+ s, [\d,]+ lines/s\)\n"
        assert re.fullmatch(said, ran.stdout)
        assert foreign_lines(ran.stderr) == []
    lines = output.read_text(encoding="utf-8").split("\n")
    assert len(lines) == len(numbers)
    assert [line == "" for line in lines] == [number is None for number in numbers]
    filled = [(line, french(number)) for line, number in zip(lines, numbers, strict=True) if number is not None]
    translations, references = zip(*filled, strict=True)
    assert sacrebleu.corpus_bleu(list(translations), [list(references)]).score > 60
    assert {entry.name for entry in tmp_path.iterdir()} == {"in.en", "in.en.gz", "out.fr", "out.fr.manifest.json"}


@pytest.mark.parametrize("by_server", [False, True], ids=["SavedModel", "server"])
def test_batch_job_names_the_lines_that_are_too_long(
    by_server: bool, work: WorkDirectory[Path], server: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """And translates the others, sentence by sentence where need be."""
    long = {3: UNSPLITTABLE, 5: f"{english(5)}. {TOO_LONG}", 62: UNSPLITTABLE}
    lines = [long.get(number) or english(number) for number in range(1, 64)]
    source, output = tmp_path / "in.en", tmp_path / "out.fr"
    source.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    flags = ["--server", server] if by_server else []
    failed = tmp_path / "out.fr.failed.jsonl"
    with pytest.raises(UserError, match=f"^2 lines have no translation: {failed} says why$"):
        translate(["--work", str(work.root), "--input", str(source), "--output", str(output), *flags])
    translated = output.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(translated, 1) if not line] == [3, 62]
    assert len(translated) == 63
    assert [json.loads(line)["line"] for line in failed.read_text(encoding="utf-8").splitlines()] == [3, 62]
    assert "1 of them sentence by sentence, for want of room in the model" in capsys.readouterr().out


@pytest.mark.parametrize("by_server", [False, True], ids=["SavedModel", "server"])
def test_batch_job_gives_what_is_asked_for_besides(
    by_server: bool, work: WorkDirectory[Path], server: str, tmp_path: Path
) -> None:
    records: list[dict[str, Any]] = [{"id": number, "body": {"en": english(number)}} for number in (1234, 56, 7890)]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    flags = [
        "--field",
        "body.en",
        "--score",
        "--nbest",
        "2",
        "--alignment",
        *(["--server", server] if by_server else []),
    ]
    translate(["--work", str(work.root), "--input", str(source), "--output", str(output), *flags])
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    for record, of_record in zip(records, found, strict=True):
        assert list(of_record) == ["id", "body", "translation", "score", "nbest", "alignment"]
        assert of_record.items() >= record.items()
        best, second = of_record["nbest"]
        assert best["translation"] == of_record["translation"] != second["translation"]
        assert best["score"] == of_record["score"] > second["score"]
        alignment = of_record["alignment"]
        assert (alignment["source"], alignment["target"]) == (record["body"]["en"].split(), best["translation"].split())
        assert len(alignment["links"].split()) == len(alignment["target"])


def test_batch_jobs_that_are_killed_go_on(work: WorkDirectory[Path], tmp_path: Path) -> None:
    """By two processes, to the bytes of a job that is left alone; and two at once are refused."""
    source, output, alone = tmp_path / "in.en", tmp_path / "out.fr", tmp_path / "alone.fr"
    source.write_text("".join(f"{english(number % 9_973)}\n" for number in range(6_500)), encoding="utf-8")
    flags = ["--work", str(work.root), "--input", str(source)]
    command = [sys.executable, "-m", "pipelines.translate", *flags, "--output", str(output)]
    job = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: bool(list(tmp_path.glob(".out.fr.run/*/done/*.json"))) or job.poll() is not None)
        job.send_signal(signal.SIGSTOP)
        with pytest.raises(UserError, match=f"in use by translate, process {job.pid} on"):
            translate([*flags, "--output", str(output)])
    finally:
        job.kill()
        job.wait()
    assert not output.exists()
    ran = subprocess.run([*command, "--model_copies=2"], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert re.search(r"note: [\d,]+ of 6,500 lines are translated already", ran.stderr)
    translate([*flags, "--output", str(alone)])
    assert output.read_bytes() == alone.read_bytes()


def test_command_line_asks_the_model_of_a_work_directory(
    work: WorkDirectory[Path], server: str, tmp_path: Path
) -> None:
    def said(directory: Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "serving.translate", "--server", server, "--work", str(directory), english(7)]
        ran = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        return ran.returncode, ran.stdout if ran.returncode == 0 else ran.stderr

    code, translation = said(work.root)
    assert (code, translation.count("\n")) == (0, 1)
    other = WorkDirectory(tmp_path / "an other")
    assert said(other.root) == (
        1,
        f"error: {other.export} holds no exported model; make one with make train WORK='{other.root}'\n",
    )
    provenance = read_json(work.provenance(1))
    provenance["made_from"]["weights"] = "another"
    write_json(other.provenance(1), provenance)
    code, sentence = said(other.root)
    assert (code, sentence.count("\n")) == (1, 1)
    assert sentence.startswith(f"error: the server at {server} has another model than {other.root}; give the address ")
    assert sentence.endswith(f"start one with make serve WORK='{other.root}'\n")


def test_what_is_no_list_of_texts_is_refused(server: str) -> None:
    """One of a list in a list would get two answers, the first of them its own."""
    with grpc.insecure_channel(server) as channel:
        for wrong, message in (
            (request(MODEL_NAME, text=[["one", "two"]]), r"\[1,2\] is not compatible with expected shape"),
            (request(MODEL_NAME, text="one"), r"\[\] is not compatible with expected shape"),
            (
                request(MODEL_NAME, "score", text=["one", "two"], translation=["un"]),
                "texts and translations are not as many",
            ),
        ):
            with pytest.raises(grpc.RpcError, match=message) as caught:
                PredictionServiceStub(channel).Predict(wrong, timeout=60)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_text_that_is_too_long(server: str) -> None:
    texts = [english(7), TOO_LONG, english(8)]
    said = r"a text of 2,399 characters, which begins 'one one .*', is longer than model 'rnnsearch' translates"
    with Translator(server) as translator:
        found = list(translator.translate_many(texts))
        assert [translation.too_long for translation in found] == [False, True, False]
        assert [translation.text for translation in found] == [
            translator.translate(text).text if text != TOO_LONG else "" for text in texts
        ]
        for call in (
            lambda: translator.translate(TOO_LONG),
            lambda: translator.nbest(TOO_LONG, 2),
            lambda: translator.sample(TOO_LONG, 2),
            lambda: translator.align(TOO_LONG),
            lambda: translator.score(TOO_LONG, "un"),
        ):
            with pytest.raises(TextTooLongError, match=said):
                call()
        with pytest.raises(TextTooLongError, match="a text of 24,000 characters"):
            translator.score("one", "mille " * 4000)

    async def asked() -> None:
        async with AsyncTranslator(server) as translator:
            await translator.translate(TOO_LONG)

    with pytest.raises(TextTooLongError, match=said):
        asyncio.run(asked())


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], ""), (["--nbest=2"], None), (["--align"], " ||| "), (["--json"], "null")]
)
def test_command_line_goes_on_after_a_text_that_is_too_long(
    server: str, arguments: list[str], expected: str | None
) -> None:
    lines = f"{english(1234)}\n{UNSPLITTABLE}\n{english(56)}\n"
    command = [sys.executable, "-m", "serving.translate", "--server", server, *arguments]
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: too long for the model, and empty in the translation: line 2; split")
    printed = ran.stdout.splitlines()
    if expected is None:
        assert [line.split(" ||| ")[0] for line in printed] == ["0", "0", "2", "2"]
    else:
        assert len(printed) == 3
        assert printed[1] == expected or json.loads(printed[1])["score"] is None


def test_a_second_run_does_nothing_and_says_so(root: Path, work: WorkDirectory[Path]) -> None:
    assert "is up to date: nothing to do" in run_road(root)


def test_client_command_line(server: str) -> None:
    lines = f"{english(1234)}\n\n{english(56)}\n"
    command = [sys.executable, "-m", "serving.translate", "--server", server]
    done = subprocess.run(command, input=lines, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert [bool(line) for line in done.stdout.splitlines()] == [True, False, True]
