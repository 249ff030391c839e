"""`assay ner prune`: what it writes and prints, the same bytes again, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from assay.ner import read_corpus
from tests.cli.conftest import Assay, files_in, in_process_of_its_own

PLACES = [
    f"{a}{b}"
    for a in ("An", "Bel", "Cor", "Dun", "Eri", "Fal")
    for b in ("ora", "ton", "wick", "dal", "mouth")
]
VERBS = ("sleeps", "wakes", "burns", "grows", "falls", "shines")


def columns(path: Path, *, shift: int = 0) -> Path:
    """Write a corpus with two labels, some sentences without any, one near copy and one leak."""
    path.mkdir(parents=True)
    lines = []
    for number, place in enumerate(PLACES):
        verb = VERBS[(number * 7 + shift) % len(VERBS)]
        label = ("O", "B-LOC", "B-LOC", "B-ORG")[number % 4]
        lines.append(f"the\tO\nold\tO\n{place}\t{label}\n{verb}\tO\nall\tO\nday\tO\n\n")
    (path / "train.conll").write_text("".join([*lines, lines[1]]), encoding="utf-8")
    (path / "test.conll").write_text(lines[2], encoding="utf-8")
    return path


def test_it_writes_documents_report_and_reasons(assay: Assay, tmp_path: Path):
    one, two = columns(tmp_path / "one"), columns(tmp_path / "two", shift=1)
    done = assay("ner", "prune", one, "--test", two, "-k", 3, "-o", "small", "--format", "json")
    assert done.code == 0, done.err
    assert files_in(Path("small")) == {
        "train.jsonl",
        "test.jsonl",
        "report.json",
        "dropped.tsv",
        "manifest.json",
    }
    report = json.loads(Path("small/report.json").read_text())
    assert json.loads(done.out) == report
    assert report["counts"]["train"] == 31
    assert report["dropped"]["test"] == 1
    assert all(row["kept"] >= row["target"] for row in report["types"])
    corpus = read_corpus("small")
    lines = Path("small/dropped.tsv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    train = [d for d in corpus.documents if d.split == "train"]
    assert len(train) + len(rows) == 31
    assert {d.corpus for d in corpus.documents} == {"one"}
    assert sum(d.split == "test" for d in corpus.documents) == 1
    assert "kept" in done.err
    assert assay("run", "small/manifest.json", "-o", "again").code == 0
    for name in ("train.jsonl", "test.jsonl", "report.json", "dropped.tsv"):
        assert Path("again", name).read_bytes() == Path("small", name).read_bytes()
    pruned_again = assay("ner", "prune", "small", "-k", 3, "--format", "csv")
    assert pruned_again.code == 0
    assert pruned_again.out.splitlines()[0].startswith("corpus,train,leaks,copies")
    assert pruned_again.out.splitlines()[1].startswith("one,")


def test_the_same_bytes_with_other_hashes_and_threads(tmp_path: Path):
    columns(tmp_path / "one")
    columns(tmp_path / "two", shift=2)
    for folder, corpora, variables in (
        ("a", ("one", "two"), {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
        ("b", ("two", "one"), {"PYTHONHASHSEED": "2"}),
    ):
        done = in_process_of_its_own(
            "ner", "prune", *corpora, "-k", 4, "-o", folder, cwd=tmp_path, **variables
        )
        assert done.code == 0, done.err
    for name in ("report.json", "dropped.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    one, other = ((tmp_path / x / "train.jsonl").read_text().splitlines()[1:] for x in "ab")
    assert sorted(one) == sorted(other)


def test_strategies_side_by_side(assay: Assay, tmp_path: Path):
    one = columns(tmp_path / "one")
    done = assay("ner", "prune", one, "-k", 3, "--compare", "quota,random,paper", "-o", "table")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["strategy", "quota", "random", "paper"]
    assert files_in(Path("table")) == {"strategies.json", "manifest.json"}
    assert assay("run", "table/manifest.json", "-o", "again").code == 0
    assert Path("again/strategies.json").read_bytes() == Path("table/strategies.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare", "quota,best"), "--compare must be one of quota, paper, random"),
        (("--strategy", "best"), "--strategy must be one of quota, paper, random"),
        (
            ("--max-per-corpus", "one=many"),
            "--max-per-corpus must be a number, or name=number,... with each name once; got 'one=many'",
        ),
        (("--max-per-corpus", "one=3,one=4"), "with each name once; got 'one=3,one=4'"),
        (
            ("--compare", "all", "--strategy", "paper"),
            "--strategy must be left out with compare; got 'paper'",
        ),
        (
            ("--max-per-corpus", "three=4"),
            "--max-per-corpus must name what the corpora have (one); got 'three'",
        ),
        (("-k", "0"), "--per-type must be >= 1; got 0"),
        (("--test", "nothing"), "nothing"),
    ],
)
def test_refusals_leave_nothing(assay: Assay, tmp_path: Path, options: tuple[str, ...], message: str):
    done = assay("ner", "prune", columns(tmp_path / "one"), *options, "-o", "out")
    assert done.code == 2
    assert message in done.err, done.err
    assert not files_in(Path("out"))
