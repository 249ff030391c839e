"""`assay ner check`, `assay ner convert` and `assay ner stats`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Assay, files_in, write_json, write_lines

NESTED = {
    "sentence": "the University of Rome",
    "entities": [
        {"name": "University of Rome", "type": "org", "pos": [4, 22]},
        {"name": "Rome", "type": "place", "pos": []},
    ],
}
PLAIN = {"sentence": "Ada met Bob", "entities": [{"name": "Ada", "type": "person", "pos": [0, 3]}]}


def conll(folder: Path) -> Path:
    """Write a corpus of two splits in IOB1 and without a final newline, one tag of which breaks the scheme."""
    folder.mkdir()
    (folder / "train.conll").write_text("Ada\tI-PER\nmet\tO\nBob\tI-PER\n\nIn\tO\nRome\tI-LOC\nParis\tB-LOC")
    (folder / "test.conll").write_text("Rome\tI-LOC\nis\tO\nfar\tO\n")
    return folder


def test_check_is_clean_or_lists_findings(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "good.json", [PLAIN])
    done = assay("ner", "check", "good.json")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[-1] == "found nothing"
    bad = {"sentence": "Ada met Bob", "entities": [{"name": "Cy", "type": "person", "pos": [0, 2]}]}
    write_lines(tmp_path / "bad.jsonl", [PLAIN, bad, {"sentence": 3, "entities": []}, PLAIN | {"id": "x"}])
    done = assay("ner", "check", "bad.jsonl", "--format", "json")
    assert done.code == 1
    found = json.loads(done.out)
    assert [(row["kind"], row["severity"], row["where"]) for row in found["findings"]] == [
        ("malformed", "error", "bad.jsonl:3"),
        ("surface", "error", "bad.jsonl:2"),
        ("annotated_differently", "warning", "bad: document bad:2"),
    ]
    assert found["findings"][1]["what"] == (
        "entity must have the words that it names, 'Cy'; got 'Ad' at [0, 2] person."
    )
    assert found["summary"] == {"malformed": 1, "surface": 1, "annotated_differently": 1}
    assert done.err.splitlines()[-1] == "found 1 malformed, 1 surface, 1 annotated_differently"
    assert done.err.count("\n") == len(done.err.splitlines())


def test_where_others_stop_check_goes_on(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [PLAIN, PLAIN | {"sentence": "Bob"}])
    for command in (("stats", "a.jsonl"), ("convert", "a.jsonl", "--to", "conll", "-o", "b.conll")):
        done = assay("ner", *command)
        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[-1] == (
            "error: a.jsonl:2: entity must have the words that it names, 'Ada'; got 'Bob' at [0, 3] person."
        )
    assert assay("ner", "check", "a.jsonl").code == 1
    assert files_in(tmp_path) == {"a.jsonl"}


def test_convert_says_what_it_inferred_and_what_is_lost(assay: Assay, tmp_path: Path) -> None:
    conll(tmp_path / "news")
    done = assay("ner", "convert", "news", "-o", "out", "--to", "b2nerd", "--format", "json")
    assert done.code == 0
    assert "news: IOB1 inferred" in done.err
    assert done.err.splitlines()[-1] == "wrote 3 documents as b2nerd to out; not held: 3 tokens"
    assert json.loads(done.out) == [
        {
            "kind": "tokens",
            "count": 3,
            "first": "news: document train:1",
            "what": "documents whose token bounds are not written",
        }
    ]
    assert files_in(tmp_path / "out") == {"train.json", "test.json", "labels.json"}
    train = json.loads((tmp_path / "out" / "train.json").read_bytes())
    assert train[1] == {
        "sentence": "In Rome Paris",
        "entities": [
            {"name": "Rome", "type": "LOC", "pos": [3, 7]},
            {"name": "Paris", "type": "LOC", "pos": [8, 13]},
        ],
    }
    done = assay("ner", "convert", "out", "-o", "again", "--to", "conll", "--to-scheme", "BIOES")
    assert (done.out, done.err.splitlines()[-1]) == (
        "",
        "wrote 3 documents as conll to again; nothing is lost",
    )
    assert (tmp_path / "again" / "test.conll").read_text() == "Rome\tS-LOC\nis\tO\nfar\tO\n\n"


def test_convert_flattens_only_when_told(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [NESTED])
    done = assay("ner", "convert", "a.json", "-o", "b.conll", "--to", "conll")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == (
        "error: a: document a:1: entities must be flat for the format conll; got place 'Rome' inside or across "
        "another. Use --flatten outer or inner, or another format."
    )
    assert files_in(tmp_path) == {"a.json"}
    done = assay("ner", "convert", "a.json", "-o", "b.conll", "--to", "conll", "--flatten", "inner")
    assert done.code == 0
    assert done.out.splitlines()[0] == "not in b.conll:"
    assert done.err.splitlines()[-1] == "wrote 1 documents as conll to b.conll; not held: 1 nested"
    assert "Rome\tB-place" in (tmp_path / "b.conll").read_text()


def test_convert_replaces_only_when_told(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [PLAIN])
    (tmp_path / "b.conll").write_text("mine")
    done = assay("ner", "convert", "a.json", "-o", "b.conll", "--to", "conll")
    assert (done.code, done.err) == (
        2,
        "error: --output must be a new file; b.conll exists. Use --overwrite to replace it.\n",
    )
    assert (tmp_path / "b.conll").read_text() == "mine"
    assert assay("ner", "convert", "a.json", "-o", "b.conll", "--to", "conll", "--overwrite").code == 0
    conll(tmp_path / "news")
    done = assay("ner", "convert", "news", "-o", "news/out", "--to", "b2nerd")
    assert done.err.startswith(
        "error: --output must be apart from the data; news/out is where news is read from"
    )


def test_stats_count_labels_both_ways(assay: Assay, tmp_path: Path) -> None:
    conll(tmp_path / "news")
    write_json(tmp_path / "b.json", [PLAIN, NESTED])
    done = assay("ner", "stats", "news", "more=b.json")
    assert done.code == 0
    assert [line.split()[:3] for line in done.out.splitlines()] == [
        ["corpus", "label", "entities"],
        ["news", "LOC", "3"],
        ["news", "PER", "2"],
        ["more", "person", "1"],
        ["more", "org", "1"],
        ["more", "place", "1"],
        [],
        ["5", "label", "names,"],
    ]
    assert done.out.splitlines()[-1] == "5 label names, 5 summed over 2 corpora"
    found = json.loads(assay("ner", "stats", "a=news", "b=news", "--format", "json").out)
    assert (found["unique_labels"], found["summed_labels"]) == (2, 4)
    assert found["splits"][0] == {
        "corpus": "a",
        "split": "train",
        "documents": 2,
        "empty": 0,
        "chars": 24,
        "entities": 4,
        "nested": 0.0,
        "discontinuous": 0,
    }
    lines = list(
        csv.reader(io.StringIO(assay("ner", "stats", "news", "--by", "mention", "--format", "csv").out))
    )
    assert lines[:2] == [["corpus", "label", "mention", "entities"], ["news", "LOC", "Rome", "2"]]
    assert (
        assay("ner", "stats", "b.json", "--by", "split", "--format", "md")
        .out.splitlines()[0]
        .startswith("| corpus |")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("stats", "b.json", "./b.json"),
            "corpora must have different names; got 'b' for b.json and ./b.json. Name",
        ),
        (("stats", "x="), "corpus must be PATH or NAME=PATH; got 'x='."),
        (
            ("stats", "a.json"),
            "path must be an existing file or folder; there is no a.json. Did you mean b.json?",
        ),
        (
            ("stats", "b.json", "--by", "labels"),
            "--by must be one of label, split, mention; got 'labels'. Did you",
        ),
        (("stats", "b.json", "--from", "b2nrd"), "unknown format 'b2nrd'. Did you mean 'b2nerd'?"),
        (("stats", "b.json", "--from", "conll"), "b.json"),
        (
            ("stats", "b.json", "--offsets", "utf8"),
            "--offsets must be one of code points, inclusive, utf-16, bytes;",
        ),
        (("stats", "b.json", "--scheme", "IOB"), "--scheme must be one of"),
        (("check", "b.json", "--rare", "7"), "--rare must be from 0 to 1; got 7.0."),
        (
            ("convert", "b.json", "--to", "brat", "-o", "c"),
            "brat must be a format that assay writes (conll, ",
        ),
        (("convert", "b.json", "--to", "conl", "-o", "c"), "unknown format 'conl'. Did you mean 'conll'?"),
        (
            ("convert", "b.json", "--to", "conll", "-o", "c.json"),
            "--output must be a folder, or a file that ends in .conll or .tsv or ",
        ),
        (
            ("convert", "b.json", "--to", "conll", "-o", "c", "--flatten", "in"),
            "--flatten must be one of error, outer, inner; got 'in'.",
        ),
        (
            ("convert", "b.json", "--to", "conll", "-o", "c", "--to-scheme", "IOB"),
            "--to-scheme must be one of",
        ),
    ],
)
def test_refusals(assay: Assay, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write_json(tmp_path / "b.json", [PLAIN])
    done = assay("ner", *arguments, "--quiet")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert files_in(tmp_path) == {"b.json"}
