"""Building a training set: every document is accounted for, names follow the recipe, and twice is the same."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, build, read_recipe, write_corpus
from assay.ner.build import write_built
from assay.ner.recipes import Recipe


@pytest.fixture
def mini():
    with as_file(files("assay.ner") / "builtin" / "mini") as folder:
        yield folder


def recipe(*corpora: dict | str, **said) -> Recipe:
    plain = {"name": "own", "mapping": "none", "prune": None, "near": None, "leakage": None}
    return Recipe.model_validate(plain | said | {"corpora": list(corpora)})


def made(folder: Path, name: str, **splits: list[str]) -> None:
    """Write a corpus whose documents are words, the first of which is a ``thing``."""
    documents = tuple(
        Document(f"{split}-{number}", text, (Entity(0, len(text.split()[0]), "thing"),), "en", name, split)
        for split, texts in splits.items()
        for number, text in enumerate(texts)
    )
    write_corpus(Corpus(name, documents), folder / name, format="documents")


def test_every_document_is_kept_or_dropped_with_a_reason(mini):
    built = build(read_recipe("mini"), data=mini)
    read = sum(count.documents for count in built.counts if count.step == "read")
    kept = sum(len(c.documents) for role in (built.train, built.dev, built.test) for c in role)
    assert read == kept + len(built.dropped) == 726
    assert len({(d.corpus, d.document) for d in built.dropped}) == len(built.dropped)
    assert {d.reason for d in built.dropped} >= {"split"}
    assert all(d.split == "train" for d in built.dropped if d.corpus == "chatter")
    assert {corpus.name for corpus in built.train} == {"dispatch", "civics", "ribao", "wenku"}
    assert "chatter" in {corpus.name for corpus in built.test}


def test_labels_get_the_names_of_the_recipe_and_those_that_it_does_not_name_keep_theirs(mini):
    built = build(read_recipe("mini"), data=mini)
    names = {(row.corpus, row.label): (row.name, row.how) for row in built.labels}
    assert names["civics", "city"] == names["dispatch", "LOC"] == ("place", "decided")
    assert names["chatter", "person"] == ("person", "raw")
    labels = {e.label for c in built.train for d in c.documents for e in d.entities}
    assert labels <= {name for name, _ in names.values()}
    for row in built.labels:
        assert row.kept <= row.entities


def test_decision_files_come_before_the_mapping_and_after_the_labels_of_the_recipe(tmp_path):
    made(tmp_path, "a", train=["x y"])
    decisions = "- {id: d1, labels: [a/thing, b/thing], action: same, name: shared}\n"
    (tmp_path / "all.yaml").write_text(decisions, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(
        "- {id: d1, labels: [a/thing], action: rename, name: own}\n", encoding="utf-8"
    )

    def name(**entry) -> str:
        built = build(recipe({"name": "a"} | entry, mapping="all.yaml"), folder=tmp_path)
        assert [decision.labels for decision in built.decisions] == [("a/thing",)]
        return built.train[0].documents[0].entities[0].label

    assert name() == "shared"
    assert name(decisions="own.yaml") == "own"
    assert name(decisions="own.yaml", labels={"thing": "nearest"}) == "nearest"
    with pytest.raises(DataError, match="mapping must be universal, none or an existing decision file"):
        build(recipe("a", mapping="no.yaml"), folder=tmp_path)


def test_roles_splits_and_limits(tmp_path):
    made(tmp_path, "a", train=["a b", "c d", "e f"], dev=["g h"], test=["i j"], more=["k l"])
    made(tmp_path, "b", train=["m n"], test=["o p"])

    def roles(*corpora: dict) -> dict[str, list[str]]:
        built = build(recipe(*corpora, {"name": "b"}), folder=tmp_path)
        return {
            role: [d.id for c in getattr(built, role) for d in c.documents if c.name == "a"]
            for role in ("train", "dev", "test")
        }

    train = ["train-0", "train-1", "train-2", "more-0"]
    assert roles({"name": "a"}) == {"train": train, "dev": ["dev-0"], "test": []}
    assert roles({"name": "a", "role": "both"}) == {"train": train, "dev": ["dev-0"], "test": ["test-0"]}
    assert roles({"name": "a", "role": "test"}) == {"train": [], "dev": [], "test": ["test-0"]}
    chosen = roles({"name": "a", "splits": {"train": ["dev", "none"], "test": ["more"]}})
    assert chosen == {"train": ["dev-0"], "dev": [], "test": ["more-0"]}
    assert len(roles({"name": "a", "limit": 2})["train"]) == 2
    with pytest.raises(DataError, match=r"splits.train of a must be of those that it has \(train, dev, test"):
        roles({"name": "a", "splits": {"train": ["trian"]}})


def test_missing_corpora_are_named_with_the_way_to_get_them(tmp_path):
    made(tmp_path, "a", train=["a b"])
    said = recipe("a", {"name": "ours", "obtain": "Ask the archive."}, "wnut17")
    with pytest.raises(
        DataError, match=r"2 of 3 are not there: ours .*: Ask the archive.; wnut17 .*CC BY 4.0"
    ):
        build(said, folder=tmp_path)
    built = build(said, folder=tmp_path, skip_missing=True)
    assert [place.entry.name for place in built.missing] == ["ours", "wnut17"]
    with pytest.raises(DataError, match="at least one; none of 1 is"):
        build(recipe("ours"), folder=tmp_path, skip_missing=True)


def test_errors_that_check_finds_can_stop(tmp_path):
    twice = (Entity(0, 1, "thing"), Entity(0, 1, "thing"))
    write_corpus(
        Corpus("a", (Document("1", "a b", twice, "en", "a", "train"),)), tmp_path / "a", format="documents"
    )
    assert [finding.kind for finding in build(recipe("a"), folder=tmp_path).findings] == ["duplicate"]
    with pytest.raises(DataError, match=r"1 errors were found, first: a .train.: document 1: thing"):
        build(recipe("a", check="error"), folder=tmp_path)


def test_twice_is_the_same_to_the_byte(mini, tmp_path):
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_built(build(read_recipe("mini"), data=mini), folder)
        contents.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]
