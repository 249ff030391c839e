"""What a data argument becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.cli.inputs import Embedding, Given, Reading, check, load, numbers
from assay.errors import DataError
from tests.cli.conftest import rows, write_lines, write_vectors


def test_only_what_is_needed_is_kept(tmp_path: Path) -> None:
    path = str(write_lines(tmp_path / "a.jsonl", rows(5)))
    records = load(Given("pool", path, columns=("score", "source")), Reading(text="instruction"))
    assert records.texts == [row["instruction"] for row in rows(5)]
    assert records.columns == {
        "score": [row["score"] for row in rows(5)],
        "source": ["web", "book", "talk", "web", "book"],
    }
    assert records.shape == "alpaca"
    assert len(load(Given("pool", path, limit=2), Reading())) == 2
    write_vectors(tmp_path / "v.npy", 5)
    with_vectors = load(Given("pool", path, str(tmp_path / "v.npy")), Reading())
    assert (with_vectors.texts, with_vectors.matrix.shape) == ([], (5, 8))


def test_a_change_of_a_file_is_noticed(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", rows(5))
    records = load(Given("pool", str(path)), Reading())
    records.check_unchanged()
    write_lines(path, rows(4))
    with pytest.raises(DataError, match=r"a\.jsonl must not change during a run; it did\. Run again\.$"):
        records.check_unchanged()


def test_scores_that_need_not_be_positive(tmp_path: Path) -> None:
    records = rows(3)
    records[1]["score"], records[2]["score"] = -2, 0
    path = write_lines(tmp_path / "a.jsonl", records)
    loaded = load(Given("pool", str(path), columns=("score",)), Reading())
    assert numbers(loaded, "score", positive=False).tolist() == [records[0]["score"], -2, 0]
    records[1]["score"] = "high"
    loaded = load(Given("pool", str(write_lines(path, records)), columns=("score",)), Reading())
    with pytest.raises(DataError) as raised:
        numbers(loaded, "score", positive=False)
    assert str(raised.value) == f"{path}:2: score must be a number; got 'high'."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-1.5, "-1.5"),
        ("high", "'high'"),
        (None, "null"),
        (True, "true"),
        ("nan", "'nan'"),
        ([1], "[1]"),
    ],
)
def test_scores_must_be_positive_numbers(tmp_path: Path, value: object, shown: str) -> None:
    records = rows(3)
    records[1]["score"] = "2.5"  # as in a CSV
    path = write_lines(tmp_path / "a.jsonl", records)
    loaded = load(Given("pool", str(path), columns=("score",)), Reading())
    assert numbers(loaded, "score", positive=True).tolist() == [records[0]["score"], 2.5, records[2]["score"]]
    records[2]["score"] = value
    loaded = load(Given("pool", str(write_lines(path, records)), columns=("score",)), Reading())
    with pytest.raises(DataError) as raised:
        numbers(loaded, "score", positive=True)
    assert str(raised.value) == (
        f"{path}:3: score must be a positive number; got {shown}. Shift or scale the scores."
    )


def test_vectors_of_other_kinds_of_file(tmp_path: Path) -> None:
    lines = [{"id": f"row {n}", "embedding": [n + 1.0, 0.5], "other": [0.0, 1.0]} for n in range(4)]
    path = str(write_lines(tmp_path / "v.jsonl", lines))
    source = str(write_lines(tmp_path / "a.jsonl", rows(4)))
    given = Given("pool", source, path)
    assert load(given, Reading()).matrix[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert load(given, Reading(vectors_column="other")).matrix[:, 0].tolist() == [0.0] * 4
    assert check([given], Reading(vectors_column="other"), Embedding(device="cpu")) is None
    for embedding, option in (
        (Embedding(encoder="tfidf"), "encoder"),
        (Embedding(dtype="float16"), "dtype"),
        (Embedding(cache="x"), "cache"),
    ):
        with pytest.raises(DataError, match=f"^{option} must be left out with ready vectors"):
            check([given], Reading(), embedding)


def test_an_encoder_is_made_where_texts_wait(tmp_path: Path) -> None:
    source = str(write_lines(tmp_path / "a.jsonl", rows(4)))
    encoder = check([Given("pool", source)], Reading(), Embedding(encoder="tfidf", device="cuda:7"))
    assert encoder is not None  # the device is that of the search alone
    assert encoder.name == "tfidf"
    assert Embedding().search_device == "cpu"
    assert Embedding(device="cuda:7").search_device == "cuda:7"


def test_a_folder_and_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in "ab":
        write_lines(folder / f"{name}.jsonl", rows(2))
    records = load(Given("pool", str(folder)), Reading())
    assert [Path(path).name for path, _ in records.files] == ["a.jsonl", "b.jsonl"]
    assert len(records) == 4
    assert json.loads((folder / "a.jsonl").read_text(encoding="utf-8").splitlines()[0]) == rows(1)[0]
