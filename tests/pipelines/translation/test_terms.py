"""Terms of a batch job, by a model that is worked by hand: what is required of a translation is put behind it."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines import translate
from tests.serving.support import running
from workspace.errors import UserError
from workspace.storage import read_json

pytestmark = pytest.mark.slow


class Required(tf.Module):
    """text -> the text, "|" and what is required of its translation; nothing where that is "out of reach", or the text
    has more than 20 bytes."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        nothing = tf.fill(tf.shape(text), "")
        return self.constrained(text, nothing, nothing, nothing)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name) for name in ("text", "prefix", "required", "forbidden")]
    )
    def constrained(
        self, text: tf.Tensor, prefix: tf.Tensor, required: tf.Tensor, forbidden: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        written = tf.strings.regex_replace(required, "\n", "+")
        found = tf.strings.join([prefix, text, "|", written, forbidden])
        is_found = (required != "out of reach") & (tf.strings.length(text) <= 20)
        return {"translation": tf.where(is_found, found, ""), "score": tf.where(is_found, -1.0, -float("inf"))}


@pytest.mark.parametrize("by", ["model", "server"])
def test_terms_are_in_the_translations_of_texts_that_have_them(by: str, tmp_path: Path) -> None:
    work, text, output, terms = (tmp_path / name for name in ("work", "in", "out", "terms.tsv"))
    text.write_text("a dog\ndogs\n\nthe cat and the dog\na unicorn\nBe it one dog. Be it two. A cat!\n")
    terms.write_text("dog\tHund\ncat\tKatze\nunicorn\tout of reach\n")
    model = Required()
    signatures = {"serving_default": model.serve, "constrained": model.constrained}
    tf.saved_model.save(model, str(work / "export" / "1"), signatures=signatures)
    given = ["--input", str(text), "--output", str(output)]
    with running(work / "export", "rnnsearch") as server:
        given += ["--work", str(work)] if by == "model" else ["--server", server.address]
        with pytest.raises(UserError, match=r"^1 line has no translation"):
            translate.main([*given, "--terms", str(terms)])
        assert output.read_text().split("\n") == [
            "a dog|Hund",
            "dogs|",
            "",
            "the cat and the dog|Katze+Hund",
            "",
            "Be it one dog.|Hund Be it two.| A cat!|Katze",
            "",
        ]
        (failed,) = (tmp_path / "out.failed.jsonl").read_text().splitlines()
        assert json.loads(failed)["reason"] == "it has no translation with its terms: out of reach"
        terms.write_text("dog\tHund\n")
        translate.main([*given, "--terms", str(terms), "--overwrite"])
        assert output.read_text().startswith("a dog|Hund\ndogs|\n\nthe cat and the dog|Hund\na unicorn|\n")
    options = read_json(tmp_path / "out.manifest.json")["options"]
    assert re.fullmatch(r"[0-9a-f]{64}", options["terms"])


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ("\n", "has no terms; write some there, or leave out --terms"),
        ("dog Hund\n", "line 1 has no two words with a tab between them"),
        (f"dog\t{'x' * 63}\n", "has 63 characters; give 62 at most"),
    ],
)
def test_terms_that_cannot_be_asked_for_are_told_at_once(terms: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "terms.tsv"
    file.write_text(terms)
    with pytest.raises(UserError, match=sentence):
        translate.main(["--input", "in", "--output", "out", "--server", "nowhere:1", "--terms", str(file)])
