"""`assay ner screen`: what it writes and prints, twice the same, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

from assay.ner import read_cards
from tests.cli.conftest import Assay

NAMES = [
    f"{first}{last}" for first in ("An", "Bel", "Cor", "Dun", "Eri") for last in ("ora", "ton", "wick", "dal")
]


def columns(path: Path, label: str, *, word: str = "in") -> Path:
    """Write a corpus that names every name three times under one label."""
    path.mkdir(parents=True)
    lines = [f"{word}\tO\n{name}\tB-{label}\n\n" for name in NAMES for _ in range(3)]
    (path / "train.conll").write_text("".join(lines), encoding="utf-8")
    return path


def test_it_writes_cards_table_page_and_manifest(assay: Assay, tmp_path: Path):
    one, two = columns(tmp_path / "one", "PER"), columns(tmp_path / "two", "person", word="by")
    done = assay("ner", "screen", one, two, "-o", "cards")
    assert done.code == 0
    assert "one/PER equal two/person" in done.out
    assert {path.name for path in Path("cards").iterdir()} == {
        "cards.json",
        "cards.tsv",
        "index.html",
        "manifest.json",
    }
    [card] = read_cards("cards").cards
    assert card.directions[0].mentions == 20
    header, row = Path("cards/cards.tsv").read_text(encoding="utf-8").splitlines()
    assert "one/PER" in row.split("\t")
    assert len(header.split("\t")) == len(row.split("\t"))
    manifest = json.loads(Path("cards/manifest.json").read_text())
    assert manifest["command"] == "screen"
    assert [Path(entry["path"]).name for entry in manifest["inputs"]] == ["train.conll", "train.conll"]
    assert assay("run", "cards/manifest.json", "-o", "again").code == 0
    assert Path("again/cards.json").read_bytes() == Path("cards/cards.json").read_bytes()
    assert Path("again/index.html").read_bytes() == Path("cards/index.html").read_bytes()


def test_names_and_reading_are_kept_for_later(assay: Assay, tmp_path: Path):
    one, two = columns(tmp_path / "a" / "data", "PER"), columns(tmp_path / "b" / "data", "person")
    done = assay("ner", "screen", one, two)
    assert done.code == 2
    assert "Name one: NAME=PATH." in done.err
    done = assay("ner", "screen", f"x={one}", f"y={two}", "--scheme", "IOB2", "--format", "json")
    assert done.code == 0
    found = json.loads(done.out)
    assert [corpus["name"] for corpus in found["corpora"]] == ["x", "y"]
    assert found["corpora"][0]["source"] == str(one)
    assert found["corpora"][0]["reading"] == {"scheme": "IOB2"}


def test_thresholds(assay: Assay, tmp_path: Path):
    one, two = columns(tmp_path / "one", "PER"), columns(tmp_path / "two", "person")
    done = assay("ner", "screen", one, two, "--thresholds", "mentions=21", "--format", "csv")
    assert done.code == 0
    assert done.out.splitlines()[1:] == []
    for text, message in {
        "mention=3": "thresholds must be one of mentions, disjoint, same, equal, gap, boundary, inside",
        "same=much": "thresholds must give numbers, as in mentions=30,equal=0.1; got 'same=much'.",
        "same=2": "same must be from 0 to 1; got 2",
        "mentions=1.5": "thresholds must give numbers",
    }.items():
        done = assay("ner", "screen", one, two, "--thresholds", text)
        assert done.code == 2
        assert message in done.err, done.err


def test_refusals_leave_nothing(assay: Assay, tmp_path: Path):
    one = columns(tmp_path / "one", "PER")
    done = assay("ner", "screen", one, "-o", "cards")
    assert done.code == 2
    assert "corpora must be two or more; got 1." in done.err
    assert assay("ner", "screen", one, "nowhere", "-o", "cards").code == 2
    assert not list(tmp_path.glob("cards/*"))
    assert assay("ner", "screen", one, one, "-o", one).code == 2
    two = columns(tmp_path / "two", "person")
    assert assay("ner", "screen", one, two, "-o", "cards").code == 0
    done = assay("ner", "screen", one, two, "-o", "cards")
    assert done.code == 2
    assert "--overwrite" in done.err


def test_nothing_to_find_is_said(assay: Assay, tmp_path: Path):
    one, two = columns(tmp_path / "one", "PER"), columns(tmp_path / "two", "PER")
    done = assay("ner", "screen", one, two)
    assert done.code == 0
    assert done.out == ""
    assert "no conflict found" in done.err
