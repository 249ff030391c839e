"""`assay measures` and `assay selectors`."""

from __future__ import annotations

import csv
import io
import json

import pytest

from assay.diversity import MEASURES
from assay.select import SELECTORS
from tests.cli.conftest import Assay

TABLES = {"measures": ("measure", MEASURES), "selectors": ("selector", SELECTORS)}


@pytest.mark.parametrize("command", TABLES)
def test_every_row_is_listed(assay: Assay, command: str) -> None:
    kind, table = TABLES[command]
    listed = json.loads(assay(command, "--format", "json").out)
    assert [row[kind] for row in listed] == list(table)
    assert [row["source"] for row in listed] == [row.source for row in table.values()]
    lines = csv.DictReader(io.StringIO(assay(command, "--format", "csv").out))
    assert [line[kind] for line in lines] == list(table)
    for form in ("table", "md"):
        done = assay(command, "--format", form)
        assert (done.code, done.err) == (0, "")
        assert all(row.summary in done.out for row in table.values())


@pytest.mark.parametrize("command", TABLES)
@pytest.mark.parametrize("form", ["table", "json", "csv", "md"])
def test_one_row_is_shown_whole(assay: Assay, command: str, form: str) -> None:
    _, table = TABLES[command]
    for name, row in table.items():
        done = assay(command, name, "--format", form)
        assert row.cost in done.out
        assert row.summary in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["measures", "novelsumm"],
            "unknown measure 'novelsumm'. Did you mean 'novelsum'? See: assay measures",
        ),
        (
            ["selectors", "kcentre"],
            "unknown selector 'kcentre'. Did you mean 'kcenter'? See: assay selectors",
        ),
        (
            ["selectors", "--format", "jsn"],
            "--format must be one of table, json, csv, md; got 'jsn'. Did you mean 'json'?",
        ),
    ],
)
def test_unknown_names(assay: Assay, arguments: list[str], message: str) -> None:
    done = assay(*arguments)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_a_measure_is_shown_with_its_options(assay: Assay) -> None:
    [row] = json.loads(assay("measures", "knn_distance", "--format", "json").out)
    options = "neighbors=1, statistic=kth (mean), metric=cosine (l2, sqeuclidean), engine=local, workers=None"
    assert row["options"] == options
    [row] = json.loads(assay("measures", "ttr", "--format", "json").out)
    assert row["options"] == "n_tokens=30, tokenizer=tokens, lowercase=True, level=sample (corpus)"
