"""What is taken for a path of this machine, and what for a place in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspace.errors import UserError
from workspace.locations import is_remote, is_url, located, reached, relative


@pytest.mark.parametrize("text", ["work/bible", "/work/a:b", "a#b?c", "s3/a:b", "file:///work/bible"])
def test_a_path_is_of_this_machine(text: str) -> None:
    assert located(text) == Path(text.removeprefix("file://"))
    assert not is_remote(located(text))


@pytest.mark.parametrize(
    ("text", "written", "name"),
    [
        ("s3://bucket/work/bible", "s3://bucket/work/bible", "bible"),
        ("s3://bucket//work/./x/../bible/", "s3://bucket/work/bible", "bible"),
        ("gs://bucket", "gs://bucket", ""),
        ("webhdfs://me@host:9870/", "webhdfs://me@host:9870", ""),
        ("hdfs://host:8020/a%20b#ü?", "hdfs://host:8020/a%20b#ü?", "a%20b#ü?"),
    ],
)
def test_a_url_is_of_a_store(text: str, written: str, name: str) -> None:
    location = located(text)
    assert is_remote(location)
    assert is_url(text)
    assert str(location) == written
    assert location.name == name
    assert located(str(location / "below")).parent == location


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "ftp://host/file",
            "ftp://host/file: there are no files by ftp://; give a path, or one of s3://, gs://, hdfs://, ",
        ),
        ("s3:/bucket/file", "s3:/bucket/file is neither a path nor a URL; write s3://bucket/file"),
        ("gs:bucket/file", "gs:bucket/file is neither a path nor a URL; write gs://bucket/file"),
        ("s3:///file", "s3:///file names no bucket; write it after ://"),
        ("webhdfs:///file", "webhdfs:///file names no host; write it after ://"),
        ("webhdfs://host:web/file", "webhdfs://host:web/file: host:web is no address; write host:port, as in"),
        (
            "s3://key:secret@bucket/file",
            "the password in a URL that begins with s3:// would be seen in files and messages",
        ),
        (
            "ftp://me:secret@host/file",
            "the password in a URL that begins with ftp:// would be seen in files and messages",
        ),
    ],
)
def test_what_is_no_url_of_ours(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        located(text)
    assert str(refused.value).startswith(sentence)
    assert "secret" not in str(refused.value)


def test_a_place_is_reached_from_another() -> None:
    for above in ("s3://bucket/work", "/work"):
        assert relative(located(f"{above}/a/b"), located(f"{above}/c")) == "../a/b"
        assert reached(located(f"{above}/c"), "../a/b") == located(f"{above}/a/b")
