"""`assay ner taxonomy`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from assay.ner import Taxonomy, read_taxonomy, write_taxonomy
from assay.ner.taxonomy import Phrases, Type, Words
from tests.cli.conftest import Assay

TYPES = (
    Type(
        id="t1", en="location", zh="地名", sources=("news/LOC", "blog/place"), aliases=Phrases(en=("spot",))
    ),
    Type(
        id="t2",
        en="country",
        zh="地名->国家",
        parent="t1",
        definition=Words(en="A state.", zh="主权国家。"),
        examples=Phrases(en=("Freedonia",), zh=("自由国",)),
    ),
    Type(id="t3", en="other location", zh="地名->其它", parent="t1", other=True, sources=("news/MISC_LOC",)),
    Type(id="t4", en="old place", zh="旧地", replaced_by="t1"),
)


@pytest.fixture
def file(assay: Assay, tmp_path: Path) -> Path:
    path = tmp_path / "taxonomy.yaml"
    write_taxonomy(path, Taxonomy(types=TYPES))
    return path


def test_a_file_is_a_tree_json_and_a_verdict(assay: Assay, file: Path) -> None:
    done = assay("ner", "taxonomy", ".")
    assert done.code == 0
    assert done.out.splitlines()[2].startswith("t2    country")
    assert done.err == "3 types, 1 replaced, 0 problems\n"
    done = assay("ner", "taxonomy", "taxonomy.yaml", "--format", "json")
    assert Taxonomy.model_validate(json.loads(done.out)).types == TYPES
    done = assay("ner", "taxonomy", "taxonomy.yaml", "--strict")
    assert done.code == 1
    assert "error: t1: includes must be given in en. Write it." in done.err
    write_taxonomy(file, Taxonomy(types=TYPES[:2]))
    done = assay("ner", "taxonomy", "taxonomy.yaml", "--format", "csv")
    assert done.code == 1
    assert "error: t1: children must have exactly one that is marked other; got 0." in done.err
    assert assay("ner", "taxonomy", "none").code == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("location", [("t1", "name: location", 1.0), ("t3", "name: other location", 0.75)]),
        ("SPOT", [("t1", "alias: spot", 0.95)]),
        ("misc loc", [("t3", "label: MISC_LOC", 0.9)]),
        ("国家", [("t2", "name: 国家", 1.0)]),
        ("state", [("t2", "definition: A state.", 0.3)]),
        ("freedonia", [("t2", "example: Freedonia", 0.3)]),
    ],
)
def test_search_ranks_by_where_the_words_stand(assay: Assay, file: Path, words: str, found: object) -> None:
    done = assay("ner", "taxonomy", file, "--search", words, "--format", "json")
    assert done.code == 0
    assert [(row["id"], row["found"], row["score"]) for row in json.loads(done.out)] == found


def test_what_is_not_there_is_told_with_what_is(assay: Assay, file: Path) -> None:
    done = assay("ner", "taxonomy", file, "--search", "contry")
    assert done.code == 2
    assert "search must be words that a type has; none has 'contry'. Did you mean 'country'?" in done.err
    done = assay("ner", "taxonomy", file, "--subtree", "locatoin")
    assert done.code == 2
    assert "subtree must be the id or name of a type; got 'locatoin'. Did you mean 'location'" in done.err
    done = assay("ner", "taxonomy", file, "--corpus", "new")
    assert done.code == 2
    assert "Did you mean 'news'?" in done.err
    done = assay("ner", "taxonomy", file, "--search", "x", "--stats")
    assert done.code == 2
    assert "stats must be left out with search" in done.err


def test_subtree_by_id_or_name_and_labels_of_a_corpus(assay: Assay, file: Path) -> None:
    for name in ("t2", "Country", "地名->国家"):
        rows = list(
            csv.DictReader(
                io.StringIO(assay("ner", "taxonomy", file, "--subtree", name, "--format", "csv").out)
            )
        )
        assert [row["id"] for row in rows] == ["t2"]
    done = assay("ner", "taxonomy", file, "--corpus", "news", "--format", "json")
    assert [(row["label"], row["type"], row["en"]) for row in json.loads(done.out)] == [
        ("LOC", "t1", "location"),
        ("MISC_LOC", "t3", "other location"),
    ]


def test_stats_of_a_file_count_by_its_trees_and_its_corpora(assay: Assay, file: Path) -> None:
    done = assay("ner", "taxonomy", file, "--stats", "--format", "json")
    told = json.loads(done.out)
    assert (told["types"], told["replaced"], told["leaves"], told["sourced_leaves"]) == (3, 1, 2, 1)
    assert [(row["name"], row["types"], row["mapped"]) for row in told["branches"]] == [("t1", 3, 3)]
    assert [(row["name"], row["types"], row["mapped"]) for row in told["corpora"]] == [
        ("news", 2, 2),
        ("blog", 1, 1),
    ]


def test_stats_and_labels_of_the_universal_taxonomy(assay: Assay) -> None:
    told = json.loads(assay("ner", "taxonomy", "--stats", "--format", "json").out)
    assert told["types"] >= 400
    assert sum(row["types"] for row in told["branches"]) == told["types"]
    assert {row["name"] for row in told["languages"]} >= {"en", "zh"}
    assert len(told["corpora"]) >= 54
    for row in told["corpora"]:
        assert row["labels"] == row["mapped"] + row["unknown"]
        assert row["unverified"] <= row["mapped"]
    assert sum(row["mapped"] for row in told["corpora"]) == told["mapped"]
    rows = json.loads(assay("ner", "taxonomy", "--corpus", "crossner_ai", "--format", "json").out)
    assert len(rows) == 14
    assert {row["provenance"] for row in rows} <= {"read", "unverified"}


def test_exports_by_suffix(assay: Assay, file: Path, tmp_path: Path) -> None:
    for name in ("one.json", "one.yaml", "one.md", "one.jsonld"):
        done = assay("ner", "taxonomy", file, "-o", name)
        assert done.code == 0, done.err
        assert done.out == ""
    assert Taxonomy.model_validate(json.loads((tmp_path / "one.json").read_bytes())).types == TYPES
    assert read_taxonomy(tmp_path / "one.yaml").types == TYPES
    text = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert "  - **country** 地名->国家 (`t2`): A state. 主权国家。" in text
    assert "Labels: `news/LOC`, `blog/place`." in text
    skos = json.loads((tmp_path / "one.jsonld").read_bytes())
    scheme, *concepts = skos["@graph"]
    assert scheme["hasTopConcept"] == ["urn:assay:type:t1"]
    assert concepts[1]["broader"] == concepts[0]["@id"]
    assert concepts[1]["prefLabel"] == {"en": "country", "zh": "地名->国家"}
    assert concepts[0]["hiddenLabel"] == ["LOC", "place"]
    assert concepts[3]["replacedBy"] == "urn:assay:type:t1"
    assert concepts[3]["deprecated"] is True
    assert skos["@context"]["broader"] == {"@id": "skos:broader", "@type": "@id"}
    done = assay("ner", "taxonomy", file, "-o", "one.json")
    assert done.code == 2
    assert "Use --overwrite" in done.err
    done = assay("ner", "taxonomy", file, "--subtree", "t2", "-o", "one.json", "--overwrite")
    assert done.code == 0
    assert len(json.loads((tmp_path / "one.json").read_bytes())["types"]) == 1
    for name in ("t2", "t3"):
        assert assay("ner", "taxonomy", file, "--subtree", name, "-o", "sub.yaml", "--overwrite").code == 0
        assert assay("ner", "taxonomy", "sub.yaml").code == 0
    assert assay("ner", "taxonomy", file, "-o", "one.txt").code == 2
