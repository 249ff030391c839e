"""`assay ner map`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.ner import Taxonomy, read_decisions, write_taxonomy
from assay.ner.taxonomy import Type
from tests.cli.conftest import Assay

TYPES = (
    Type(id="t1", en="person", zh="人名"),
    Type(id="t2", en="drink", zh="饮料"),
    Type(id="t3", en="fizzy drink", zh="汽水"),
)
ROWS = [{"sentence": "Ada has tonic", "entities": [{"name": "Ada", "type": "person", "pos": [0, 3]},
         {"name": "tonic", "type": "q7", "pos": [8, 13]}]}]  # fmt: skip


@pytest.fixture
def given(assay: Assay, tmp_path: Path) -> Path:
    write_taxonomy(tmp_path / "taxonomy.yaml", Taxonomy(types=TYPES))
    (tmp_path / "bar.json").write_text(json.dumps(ROWS), encoding="utf-8")
    (tmp_path / "guide.yaml").write_text("q7: fizzy drink\n", encoding="utf-8")
    return tmp_path


def test_proposals_become_a_decision_file_that_apply_takes_once_it_is_signed(
    assay: Assay, given: Path
) -> None:
    options = ("--taxonomy", "taxonomy.yaml", "--encoder", "none", "--definitions", "guide.yaml")
    done = assay("ner", "map", "bar.json", *options, "-o", "decisions.yaml", "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [(row["label"], row["type"]) for row in rows] == [("bar/person", "t1"), ("bar/q7", "t3")]
    assert rows[1]["candidates"][0]["evidence"]["name"] == pytest.approx(0.95)
    assert "wrote 2 proposed decisions to decisions.yaml" in done.err
    written = read_decisions(given / "decisions.yaml").entries
    assert {entry.author for entry in written} == {"proposal"}
    apply = ("ner", "apply", "bar.json", "--decisions", "decisions.yaml", "-o", "one")
    refused = assay(*apply)
    assert refused.code == 2
    assert "author must be a person; got a proposal" in refused.err
    text = (given / "decisions.yaml").read_text(encoding="utf-8").replace("author: proposal", "author: jane")
    (given / "decisions.yaml").write_text(text, encoding="utf-8")
    assert assay(*apply).code == 0
    assert "fizzy drink" in (given / "one" / "bar.jsonl").read_text(encoding="utf-8")

    again = assay("ner", "map", "bar.json", *options, "-o", "decisions.yaml")
    assert again.code == 2
    assert "Use --overwrite" in again.err


def test_the_universal_taxonomy_and_a_table(assay: Assay, given: Path) -> None:
    done = assay("ner", "map", "NEW=bar.json", "--encoder", "none")
    assert done.code == 0, done.err
    head, first, *_ = done.out.splitlines()
    assert head.split() == ["label", "type", "name", "confidence", "why", "next"]
    assert first.split()[:2] == ["NEW/person", "person"]
    done = assay(
        "ner", "map", "NEW=bar.json", "--encoder", "none", "--min-confidence", "1", "-o", "none.yaml"
    )
    assert "wrote 0 proposed decisions" in done.err


def test_what_cannot_be_is_refused(assay: Assay, given: Path) -> None:
    (given / "wrong.yaml").write_text("q7: [a]\n", encoding="utf-8")
    for arguments, message in (
        (("--definitions", "wrong.yaml"), "q7 must be a text"),
        (("--reference", "bar.json", "--encoder", "none"), "references must be corpora whose labels are mapped"),
        (("-o", "x.json"), "output must be a file that ends in .yaml"),
        (("--min-confidence", "2"), "from 0 to 1; got 2"),
    ):  # fmt: skip
        done = assay("ner", "map", "NEW=bar.json", *arguments)
        assert done.code == 2
        assert message in done.err
