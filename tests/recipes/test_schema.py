"""Recipes: what is accepted, what is refused and in which words, and that they come back as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from recipes.loading import load_recipe, named_recipes, save_recipe, settings_given
from recipes.road import _language
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory


@pytest.mark.parametrize("name", named_recipes())
def test_every_recipe_of_the_project_is_valid_and_comes_back(name: str, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    recipe = load_recipe(name)
    assert recipe.name == name
    save_recipe(recipe, work.recipe)
    assert resolved_recipe(work) == recipe


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"modle": {}}, "recipe bible.yaml: unknown key modle; did you mean model?"),
        ({"training": {"learning_rat": 1}}, "unknown key training.learning_rat; did you mean training.learning_rate?"),
        ({"training": {"dropout": 0.1}}, "unknown key training.dropout; did you mean model.dropout?"),
        ({"corpus": {"train": {"sorce": "a", "target": "b"}}}, "did you mean corpus.train.0.source?"),
        ({"model": {"dropout": 1.5}}, "model.dropout should be less than 1 (it is 1.5)"),
        ({"model": {"architecture": "transformer"}}, "should be 'rnnsearch' or 'rnnencdec' (it is 'transformer')"),
        ({"training": {"batch_pairs": 80}}, "training: give either batch_tokens or batch_pairs"),
        ({"training": {"weight_decay": 0.1}}, "optimizer adamw and weight_decay need one another (they are adam and"),
        ({"training": {"optimizer": "adamw"}}, "weight_decay need one another (they are adamw and 0.0)"),
        ({"training": {"momentum": 0.9}}, "training: momentum is for the optimizer sgd, not for adam"),
        ({"training": {"schedule": "inverse_sqrt", "warmup_steps": 0}}, "the schedule inverse_sqrt needs warmup_steps"),
        ({"ensemble": {"average": "weights"}}, "average: weights is of the checkpoints of one training, for weights"),
        (
            {"ensemble": {"checkpoints": 3}},
            "ensemble.checkpoints (3) is more than training.keep_checkpoints (1); train with as many",
        ),
        (
            {"training": {"schedule": "plateau", "patience": 3, "plateau_patience": 3}},
            "plateau_patience (3) must be less than patience (3), or training stops before the learning rate",
        ),
        (
            {"training": {"subword_sampling": 0.1}, "subwords": {"type": "word"}},
            "recipe bible.yaml: training.subword_sampling needs subwords.type unigram or bpe, for words have one",
        ),
        (
            {"search": {"coverage_penalty": 0.2}, "model": {"architecture": "rnnencdec"}},
            "search.coverage_penalty needs attention, which model.architecture rnnencdec does not have; set it to 0",
        ),
        (
            {"search": {"beam_groups": 4, "group_diversity": 1}},
            "search: beam_size (6) must be a multiple of beam_groups (4)",
        ),
        (
            {"search": {"beam_groups": 2}},
            "search: several beam_groups and group_diversity need one another (they are 2 and 0.0)",
        ),
        ({"search": {"group_diversity": 0.5}}, "need one another (they are 1 and 0.5)"),
        (
            {"search": {"min_length_ratio": 2.5}},
            "search: min_length_ratio (2.5) must not be above max_length_ratio (2.0)",
        ),
        ({"corpus": {"train": {"source": "a.en"}}}, "corpus.train.0: there is no target; give both sides"),
        ({"corpus": {"train": {"file": "a.tmx", "bible": {}}}}, "file and bible are both given; keep one of them"),
        ({"corpus": {"train": [{"weight": 2}]}}, "corpus.train.0: it names no sentence pairs; give source and target"),
        ({"corpus": {"train": [{"file": "a.tmx"}] * 2}}, "two corpora are named a; give one of them another name"),
        ({"corpus": {"train": {"file": "a.tmx", "name": "dev"}}}, "and not dev or test"),
        (
            {"corpus": {"train": {"file": "a.tmx", "cleaning": {"max_word": 3}}}},
            "unknown key corpus.train.0.cleaning.max_word; did you mean corpus.train.0.cleaning.max_words?",
        ),
        (
            {"corpus": {"train": {"file": "a", "cleaning": {"max_words": 0}}}},
            "corpus.train.0.cleaning.max_words should",
        ),
        ({"corpus": {"train": {"file": "a", "cleaning": {"duplicates": None}}}}, "give it in the section cleaning"),
        ({"cleaning": {"blocked_patterns": ["(a"]}}, "cleaning.blocked_patterns: '(a' is no regular expression"),
        (
            {"model": {"tied_embeddings": "target", "embedding_units": 8, "readout_units": 9}},
            "recipe bible.yaml: model: tied_embeddings needs readout_units (9) to be embedding_units (8)",
        ),
        (
            {
                "model": {"tied_embeddings": "all", "readout_units": 8, "embedding_units": 8},
                "subwords": {"joint": False},
            },
            "recipe bible.yaml: model.tied_embeddings: all needs one vocabulary for both sides; set subwords.joint to",
        ),
        (
            {"corpus": {"train": {"source": "a/é\udcffb.en", "target": "b"}}},
            r"corpus.train.0.source: the name a/é\xffb.en is not UTF-8; rename it",
        ),
        ({"cleaning": {"blocked_words": "\udce9"}}, r"cleaning.blocked_words: the name \xe9 is not UTF-8; rename it"),
        ({"subwords": {"from_work": "\ud800"}}, r"subwords.from_work: the name \ud800 is not UTF-8; rename it"),
        ({"cleaning": {"source_script": "Klingon"}}, "cleaning.source_script: there is no script 'Klingon'"),
    ],
)
def test_a_wrong_setting_is_named(overrides: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        load_recipe("bible", overrides)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"- a\n- b\n", "mine.yaml is not a mapping of settings"),
        (b"", "mine.yaml is not a mapping of settings"),
        (b"a: [1\n", r"mine.yaml line 2 is not YAML \("),
        (b"a: 1\n\tb: 2\n", r"mine.yaml line 2 is not YAML \("),
        (b"a: !!python/name:os.system {}\n", r"mine.yaml line 1 is not YAML \("),
        (b"# \xe9\n", "mine.yaml is not UTF-8"),
        (b"split: {dev_pairs: 3}\n\nsplit: {dev_pairs: 4}\n", "mine.yaml has split twice, again in line 3; put them"),
        (b"split:\n  dev_pairs: 3\n  dev_pairs: 3\n", "mine.yaml has dev_pairs twice, again in line 3"),
    ],
)
def test_a_file_that_is_no_recipe(content: bytes, sentence: str, tmp_path: Path) -> None:
    """Also where it is that of a work directory."""
    work = WorkDirectory(tmp_path)
    for path in (tmp_path / "mine.yaml", work.recipe):
        path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        load_recipe(str(tmp_path / "mine.yaml"))
    with pytest.raises(UserError, match=sentence.replace("mine", "recipe")):
        resolved_recipe(work)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("cleaning: {max_similarity: off}", "cleaning.max_similarity: null turns it off (it is off)"),
        ("cleaning: {max_similarity: false}", "cleaning.max_similarity: null turns it off (it is false)"),
        ("cleaning: {duplicates: No}", "cleaning.duplicates: null turns it off (it is No)"),
        (
            "cleaning: {blocked_words: off}",
            "cleaning.blocked_words: null turns it off, and text is put in quotes (it is off)",
        ),
        ("cleaning: {source_script: None}", "cleaning.source_script: null turns it off, and text is put in quotes"),
        ("corpus: {train: {file: a.tmx, tag: no}}", "corpus.train.0.tag: null turns it off, and text is put in quotes"),
        ("corpus: {train: {file: a.tmx, tag: false}}", "corpus.train.0.tag: null turns it off, and text is put in quo"),
        (
            "corpus: {train: {file: a.tmx, query: n}}",
            "corpus.train.0.query: null turns it off, and text is put in quotes",
        ),
        (
            "corpus: {train: {file: a.tmx, cleaning: {blocked_words: never}}}",
            "corpus.train.0.cleaning.blocked_words: null turns it off, and text is put in quotes (it is never)",
        ),
        ("subwords: {from_work: off}", "subwords.from_work: null turns it off, and text is put in quotes (it is off)"),
        ("training: {init_from: OFF}", "training.init_from: null turns it off, and text is put in quotes (it is OFF)"),
        ("evaluation: {tokenize: off}", "evaluation.tokenize: null turns it off (it is off)"),
        ("cleaning: {max_words: yes}", "cleaning.max_words should be a valid integer"),
        ("cleaning: {max_words: true}", "cleaning.max_words: it takes a number (it is true)"),
        ("split: {seed: false}", "split.seed: it takes a number (it is false)"),
        ("training: {batch_tokens: 1:30}", "training.batch_tokens should be a valid integer"),
        ("corpus: {train: {file: a.tmx, weight: .inf}}", "corpus.train.0.weight should be a finite number"),
        (
            "corpus: {train: {file: a.tmx, weight: 1000000}}",
            "corpus.train.0.weight should be less than or equal to 1000",
        ),
        ("training: {clip_norm: .nan}", "training.clip_norm should be a finite number"),
        ("subwords: {vocabulary: 3000000000}", "subwords.vocabulary should be less than or equal to 1000000"),
        ("shards: 99999999999", "shards should be less than or equal to 99999 (it is 99999999999)"),
        ("split: {seed: 99999999999}", "split.seed: it takes no number above 2,147,483,647"),
        ("corpus: {train: {file: a.tmx, name: 2016}}", "corpus.train.0.name takes text (it is 2016); put it in quotes"),
        ("corpus: {source_language: true}", "corpus.source_language takes text (it is True); put it in quotes"),
    ],
)
def test_what_yaml_or_python_would_take_for_something_else(written: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_recipe(str(path))
    assert sentence in str(error.value)


def test_words_of_yaml_are_what_they_seem(tmp_path: Path) -> None:
    """And come back so: no is Norway, on is on, 010 is ten."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "corpus: {source_language: no, target_language: on, train: {file: a.csv, name: 'off', source_field: 1}}\n"
        "cleaning: {normalize_punctuation: on, fix_mojibake: off, max_words: 010, blocked_words: 0o7.txt}\n"
        "subwords: {symbols: ['1e3', '0o10', '~', 'yes', '2016-01-01', '<a>:#']}\n"
        "training: {learning_rate: 1e-3, batch_tokens: 4000}\n"
    )
    recipe = load_recipe(str(path))
    assert (recipe.corpus.source_language, recipe.corpus.target_language) == ("no", "on")
    assert (recipe.cleaning.normalize_punctuation, recipe.cleaning.fix_mojibake) == (True, False)
    assert (recipe.cleaning.max_words, recipe.training.learning_rate) == (10, 0.001)
    assert recipe.corpus.train[0].source_field == "1"
    work = WorkDirectory(tmp_path)
    save_recipe(recipe, work.recipe)
    assert resolved_recipe(work) == recipe


def test_words_in_quotes_are_text_and_names_need_none(tmp_path: Path) -> None:
    """And come back so; no is also a column of Norwegian, and none a tokenizer."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "corpus: {train: {file: a.tsv, tag: 'off', source_field: no, target_field: n, "
        'cleaning: {blocked_words: "no"}}}\n'
        "evaluation: {tokenize: none}\ncleaning: {blocked_words: null}\n"
    )
    recipe = load_recipe(str(path), settings_given("""subwords.from_work="'none'" """))
    (corpus,) = recipe.corpus.train
    assert (corpus.tag, corpus.source_field, corpus.target_field) == ("off", "no", "n")
    assert (recipe.cleaning_of(corpus).blocked_words, recipe.cleaning.blocked_words) == ("no", None)
    assert (recipe.evaluation.tokenize, recipe.subwords.from_work) == ("none", "none")
    work = WorkDirectory(tmp_path)
    save_recipe(recipe, work.recipe)
    assert resolved_recipe(work) == recipe
    with pytest.raises(UserError, match=r"subwords\.from_work: null turns it off"):
        load_recipe(str(path), settings_given("subwords.from_work=none"))


def test_a_recipe_of_ones_own_has_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("search: {beam_size: 2}\n", encoding="utf-8")
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.search.beam_size) == ("mine", 2)


def test_a_corpus_is_named_after_its_file(tmp_path: Path) -> None:
    """By what a name may be of, whatever the file is called."""
    corpus = {"train": {"source": "a dir/it's my corpus, ünd 数字.en", "target": "b"}}
    assert load_recipe("tiny", {"corpus": corpus}).corpus.train[0].name == "it_s_my_corpus_ünd_数字"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("dev.en", "corpus_dev"),
        ("a/test.tmx.gz", "corpus_test"),
        ("news[1] (2).en", "news_1_2_"),
        (".en", "corpus"),
        ("..", "corpus"),
        ("l'avion.fr", "l_avion"),
        ("$HOME.en", "_HOME"),
    ],
)
def test_every_file_gives_a_name(file: str, name: str) -> None:
    assert load_recipe("tiny", {"corpus": {"train": {"file": file}}}).corpus.train[0].name == name


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.en", "en"),
        ("a.b/corpus.fra.bz2", "fra"),
        ("a.EN", "EN"),
        ("a.en-US.gz", "en-US"),
        ("a.zh_Hans.zst", "zh_Hans"),
        ("a.es-419.XZ", "es-419"),
        ("a.txt", "source"),
        ("a.src", "source"),
        ("en", "source"),
        ("a.gz", "source"),
    ],
)
def test_names_of_files_tell_their_language(name: str, language: str) -> None:
    assert _language(name, "source") == language


SYMBOLS = ["<ted>", "<2en>", "«de»", "数", "<a,b>", "a'b", '"']


def test_tags_and_symbols_of_any_script() -> None:
    train = [{"file": f"{number}.tmx", "tag": symbol} for number, symbol in enumerate(SYMBOLS)]
    recipe = load_recipe("tiny", {"corpus": {"train": [*train, {"file": "b.tmx", "tag": SYMBOLS[0]}]}})
    assert [corpus.tag for corpus in recipe.corpus.train] == [*SYMBOLS, SYMBOLS[0]]
    assert load_recipe("tiny", {"subwords": {"symbols": SYMBOLS}}).subwords.symbols == tuple(SYMBOLS)


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        ("", "it is empty; leave it out"),
        ("<from web>", "'<from web>' is not one word; it may have no white space"),
        ("<a>\n", "is not one word"),
        ("\u00a0", "is not one word"),
        ("\u3000a", "is not one word"),
        ("▁a", "is not one word; it may have no white space and no ▁"),
        ("<unk>", "<unk> is a symbol of SentencePiece's own; choose another"),
        ("</s>", "</s> is a symbol of SentencePiece's own"),
        ("<0x0A>", "<0x0A> is a symbol of SentencePiece's own"),
    ],
)
def test_what_cannot_be_a_symbol(symbol: str, sentence: str) -> None:
    as_tag: dict[str, Any] = {"corpus": {"train": {"file": "a.tmx", "tag": symbol}}}
    listed: dict[str, Any] = {"subwords": {"symbols": [symbol]}}
    for key, overrides in (("corpus.train.0.tag", as_tag), ("subwords.symbols", listed)):
        with pytest.raises(UserError) as error:
            load_recipe("tiny", overrides)
        assert str(error.value).startswith(f"recipe tiny.yaml: {key}: ")
        assert sentence in str(error.value)


def test_symbols_are_there_once() -> None:
    with pytest.raises(UserError, match=r"subwords\.symbols: <a> is there twice; keep one of them"):
        load_recipe("tiny", {"subwords": {"symbols": ["<a>", "<b>", "<a>"]}})
    overrides = {"subwords": {"symbols": ["<a>"]}, "corpus": {"train": {"file": "ted.tmx", "tag": "<a>"}}}
    with pytest.raises(UserError, match=r"has <a>, the tag of corpus ted, which is a symbol anyway; take it out there"):
        load_recipe("tiny", overrides)


def test_there_is_no_such_recipe() -> None:
    with pytest.raises(UserError, match="there is no recipe 'bibel'; give one of bible, multi30k"):
        load_recipe("bibel")
    with pytest.raises(UserError, match="no such file"):
        load_recipe("nowhere/recipe.yaml")


def test_recipes_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_recipe("bible").model.__setattr__("dropout", 0.5)


def test_paper_recipes_have_the_papers_figures() -> None:
    """Appendix A.2.3 and B.2; they differ in the architecture only."""
    search, encdec = load_recipe("rnnsearch-50"), load_recipe("rnnencdec-50")
    model = search.model
    assert (model.encoder_units, model.decoder_units, model.alignment_units) == (1000, 1000, 1000)
    assert (model.embedding_units, model.readout_units) == (620, 500)
    assert (search.subwords.vocabulary, search.subwords.type, search.subwords.joint) == (30_000, "word", False)
    assert search.cleaning.max_words == 50
    training = search.training
    assert (training.optimizer, training.clip_norm, training.batch_pairs, training.sorted_batches) == (
        "adadelta",
        1,
        80,
        20,
    )
    same = {"name", "model"}
    assert search.model_dump(exclude=same) == encdec.model_dump(exclude=same)
    assert search.model.model_copy(update={"architecture": "rnnencdec"}) == encdec.model
