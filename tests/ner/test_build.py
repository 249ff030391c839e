"""Building a training set: every document is accounted for, names follow the recipe, and twice is the same."""

from __future__ import annotations

from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, build, read_recipe, write_corpus
from assay.ner.build import REASONS, STEPS, write_built
from assay.ner.recipes import Recipe
from assay.ner.standard import mapping_decisions
from assay.ner.taxonomy import Source, Taxonomy, Type, sources, universal


@pytest.fixture
def mini():
    with as_file(files("assay.ner") / "builtin" / "mini") as folder:
        yield folder


def recipe(*corpora: dict | str, **said) -> Recipe:
    plain = {"name": "own", "mapping": "none", "prune": None}
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
    kept = [document for corpus in built.corpora for document in corpus.documents]
    assert len(kept) + len(built.dropped) == 726
    gone = {(one.corpus, one.document) for one in built.dropped}
    assert len(gone) == len(built.dropped)
    assert gone.isdisjoint((document.corpus, document.id) for document in kept)
    assert {one.reason for one in built.dropped} == {"split", "test", "quota", "negative"}
    assert {one.reason for one in built.dropped} <= REASONS.keys()
    assert {one.split for one in built.dropped if one.corpus == "chatter"} == {"train"}
    [leak] = [one for one in built.dropped if one.reason == "test"]
    assert (leak.corpus, leak.split, leak.partner) == ("dispatch", "train", "dispatch/test:38")


def test_counts_follow_from_what_is_dropped(mini):
    built = build(read_recipe("mini"), data=mini)
    train = {row["step"]: row for row in built.totals() if row["role"] in ("all", "train")}
    reasons = Counter(one.reason for one in built.dropped)
    assert list(train) == ["read", "roles", "apply", *STEPS]
    assert train["roles"]["documents"] - train["leakage"]["documents"] == reasons["test"]
    assert train["near copies"]["documents"] - train["prune"]["documents"] == (
        reasons["quota"] + reasons["negative"]
    )
    assert train["prune"]["documents"] == len(built.of("train"))
    assert train["prune"]["entities"] == sum(len(document.entities) for document in built.of("train"))
    assert train["prune"]["empty"] == sum(not document.entities for document in built.of("train"))
    for step in train:
        rows = [count for count in built.counts if count.step == step and count.role in ("all", "train")]
        whole = next(count for count in rows if not count.corpus)
        parts = [count for count in rows if count.corpus]
        assert whole.corpora == sum(count.documents > 0 for count in parts)
        for name in ("documents", "empty", "entities"):
            assert getattr(whole, name) == sum(getattr(count, name) for count in parts)


def test_labels_get_the_names_of_the_recipe_and_those_that_it_does_not_name_keep_theirs(mini):
    built = build(read_recipe("mini"), data=mini)
    names = {(row.corpus, row.label): (row.name, row.how) for row in built.labels}
    assert names["civics", "city"] == names["dispatch", "LOC"] == ("place", "decided")
    assert names["chatter", "person"] == ("person", "raw")
    kept = Counter((d.corpus, e.label) for d in built.of("train") for e in d.entities)
    by_name: Counter[tuple[str, str]] = Counter()
    for row in built.labels:
        by_name[row.corpus, row.name] += row.kept
        assert row.kept <= row.entities
    assert +by_name == kept


def test_without_pruning_leaks_and_copies_go_all_the_same(tmp_path):
    long = "the old mill stands by the river and turns its wheel all day"
    made(tmp_path, "a", train=[long, f"{long}!", "one of a kind", "a b"], dev=["a b"], test=["c d"])
    made(tmp_path, "b", train=[long, "c  d", "another thing altogether"])
    built = build(recipe({"name": "a", "role": "both"}, "b"), folder=tmp_path)
    assert [(d.corpus, d.id) for d in built.of("train")] == [
        ("a", "train-0"),
        ("a", "train-2"),
        ("b", "train-2"),
    ]
    assert [(one.corpus, one.document, one.reason, one.partner) for one in built.dropped] == [
        ("a", "train-1", "near_copy", "a/train-0"),
        ("a", "train-3", "test", "a/dev-0"),
        ("b", "train-0", "copy", "a/train-0"),
        ("b", "train-1", "test", "a/test-0"),
    ]
    strict = build(recipe({"name": "a", "role": "both"}, "b", near=1.0), folder=tmp_path)
    assert "near_copy" not in {one.reason for one in strict.dropped}
    pruned = build(
        recipe({"name": "a", "role": "both"}, "b", prune={"k": 9, "negatives": 0}), folder=tmp_path
    )
    assert {one.reason for one in pruned.dropped} == {"near_copy", "test", "copy"}


def test_equal_grams_are_no_equal_text_and_copies_tell_what_they_disagree_about(tmp_path):
    made(
        tmp_path,
        "a",
        train=["MANY WORDS HERE", "aaaaaa", "in the house"],
        test=["many words here", "aaaaaaaa"],
    )
    made(tmp_path, "b", train=["house  of cards", "in  the house"])
    twice = Document("x", "in the house", (Entity(7, 12, "place"), Entity(0, 2, "thing")), "en", "c", "train")
    write_corpus(Corpus("c", (twice,)), tmp_path / "c", format="documents")
    corpora = [{"name": "a", "role": "both"}, "b", "c"]
    for prune in (None, {"negatives": 0}):
        built = build(recipe(*corpora, prune=prune), folder=tmp_path)
        assert [(one.document, one.reason) for one in built.dropped] == [
            ("train-0", "near_test"),
            ("train-1", "near_test"),
            ("train-2", "copy"),
            ("train-1", "copy"),
        ]
        told = {(one.dropped, one.kept, one.only_dropped, one.only_kept) for one in built.disagreements}
        assert told == {(f"{name}", "c/x", (), ("place: house",)) for name in ("a/train-2", "b/train-1")}


def test_nothing_left_to_train_on_is_an_error(tmp_path):
    made(tmp_path, "a", train=["same words"], test=["same words"])
    empty = tuple(
        Document(f"{n}", text, (), "en", "b", "train") for n, text in enumerate(("a bird", "a fish"))
    )
    write_corpus(Corpus("b", empty), tmp_path / "b", format="documents")
    corpora = [{"name": "a", "role": "both"}, "b"]
    with pytest.raises(DataError, match=r"must leave documents to train on; got none \(1 test, 2 negative\)"):
        build(recipe(*corpora, prune={}), folder=tmp_path)
    with pytest.raises(DataError, match=r"got none \(no split is trained on\)"):
        build(recipe({"name": "a", "role": "test"}), folder=tmp_path)
    assert len(build(recipe(*corpora), folder=tmp_path).of("train")) == 2


def test_limits_of_what_is_missing_do_not_stop(tmp_path):
    made(tmp_path, "a", train=["a b", "c d"])
    prune = {"max_per_corpus": {"a": 1, "b": 1}, "max_per_language": {"zh": 5}}
    assert len(build(recipe("a", "b", prune=prune), folder=tmp_path, skip_missing=True).of("train")) == 1
    with pytest.raises(DataError, match=r"max_per_language must name what the corpora have \(en\); got 'zh'"):
        build(recipe("a", prune={"max_per_language": {"zh": 5}}), folder=tmp_path)


def test_the_set_itself_can_be_a_corpus(tmp_path):
    made(tmp_path, "a", one=["a b", "c d"])
    (tmp_path / "set").mkdir()
    write_built(build(recipe({"name": "a", "splits": {"train": ["one"]}}), folder=tmp_path), tmp_path / "set")
    built = build(recipe("set", {"name": "again", "path": "set"}), folder=tmp_path)
    assert {(one.corpus, one.split, one.reason) for one in built.dropped} == {("again", "train", "copy")}


def test_known_corpora_get_the_names_of_the_universal_taxonomy(tmp_path):
    source = sources()["wnut17"]
    taxonomy = universal()
    for language in ("en", "zh"):
        decisions = mapping_decisions("posts", source, taxonomy, language=language)
        by_label = {label: d.name for d in decisions for label in d.labels}
        for label, raw in source.labels.items():
            kind = next((kind for kind in taxonomy.living if kind.id == raw.type), None)
            assert by_label.get(f"posts/{label}") == (kind and getattr(kind, language))
        assert len({d.name for d in decisions}) == len(decisions)


def test_labels_that_come_to_one_type_are_the_same_and_unknown_ones_stay():
    city = Type(id="city", en="city", zh="城市", replaced_by="town")
    town = Type(id="town", en="town", zh="城镇")
    source = Source.model_validate(
        {
            "name": "x",
            "title": "X",
            "group": "more",
            "language": "en",
            "domain": "news",
            "home": "here",
            "obtain": "ask",
            "labels": {
                "CITY": {"type": "city", "provenance": "read"},
                "TOWN": {"type": "town", "provenance": "read"},
                "WHAT": {"type": None, "provenance": "unverified"},
            },
        }
    )
    [decision] = mapping_decisions("mine", source, Taxonomy(types=(city, town)), language="zh")
    assert (decision.action, decision.labels, decision.name) == ("same", ("mine/CITY", "mine/TOWN"), "城镇")
    with pytest.raises(DataError, match="type of x/CITY must be the id of a living type; got 'city'"):
        mapping_decisions("mine", source, Taxonomy(types=(town,)))


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
        return built.of("train")[0].entities[0].label

    assert name() == "shared"
    assert name(decisions="own.yaml") == "own"
    assert name(decisions="own.yaml", labels={"thing": "nearest"}) == "nearest"
    made(tmp_path, "b", train=["z z"])
    built = build(recipe("a", {"name": "b", "labels": {"thing": "b's"}}, mapping="all.yaml"), folder=tmp_path)
    assert [d.action for d in built.decisions] == ["rename", "rename"]
    built = build(recipe("a", "b", mapping="all.yaml"), folder=tmp_path)
    assert [(d.action, d.labels) for d in built.decisions] == [("same", ("a/thing", "b/thing"))]
    (tmp_path / "all.yaml").write_text("- {id: d1, labels: [a/thing], action: ignore}\n", encoding="utf-8")
    built = build(recipe("a", "b", mapping="all.yaml"), folder=tmp_path)
    assert [(row.corpus, row.how) for row in built.labels] == [("a", "ignored"), ("b", "unknown")]
    with pytest.raises(DataError, match="mapping must be universal, none or an existing decision file"):
        build(recipe("a", mapping="no.yaml"), folder=tmp_path)


def test_roles_splits_and_limits(tmp_path):
    made(tmp_path, "a", train=["a b", "c d", "e f"], dev=["g h"], test=["i j"], more=["k l"])
    made(tmp_path, "b", train=["m n"], test=["o p"])

    def roles(*corpora: dict) -> dict[str, list[str]]:
        built = build(recipe(*corpora, {"name": "b"}), folder=tmp_path)
        return {role: [d.id for d in built.of(role) if d.corpus == "a"] for role in ("train", "dev", "test")}

    train = ["train-0", "train-1", "train-2", "more-0"]
    assert roles({"name": "a"}) == {"train": train, "dev": ["dev-0"], "test": []}
    assert roles({"name": "a", "role": "both"}) == {"train": train, "dev": ["dev-0"], "test": ["test-0"]}
    assert roles({"name": "a", "role": "test"}) == {"train": [], "dev": [], "test": ["test-0"]}
    chosen = roles({"name": "a", "splits": {"train": ["dev", "none"], "test": ["more"]}})
    assert chosen == {"train": ["dev-0"], "dev": [], "test": ["more-0"]}
    assert len(roles({"name": "a", "limit": 2})["train"]) == 2
    assert len(roles({"name": "a", "limit": 2, "splits": {"test": ["train"]}})["test"]) == 2
    assert roles({"name": "a", "limit": 2}) == roles({"name": "a", "limit": 2})
    with pytest.raises(DataError, match=r"splits.train of a must be of those that it has \(train, dev, test"):
        roles({"name": "a", "splits": {"train": ["trian"]}})


def test_the_data_that_b2nerd_gives_out_is_read_where_it_lies_under_its_own_names(tmp_path):
    made(tmp_path, "a", train=["a b", "c d"], test=["e f"])
    [one] = build(recipe({"name": "a", "role": "both"}), folder=tmp_path).corpora
    write_corpus(one, tmp_path / "NER_en/CoNLL 2003", format="b2nerd")
    write_corpus(one, tmp_path / "NER_zh/CLUENER", format="b2nerd")
    said = read_recipe("bilingual_b2nerd_only").model_copy(
        update={"layout": "b2nerd", "mapping": "none", "prune": None}
    )
    built = build(said, data=tmp_path, skip_missing=True)
    assert len(built.missing) == 52
    assert {d.corpus for d in built.of("train")} == {"conll2003"}
    assert {d.corpus for d in built.of("test")} == {"cluener"}
    assert {row.how for row in built.labels} == {"raw"}


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
    with pytest.raises(DataError, match=r"1 errors were found, first: a \(train\): document 1: thing"):
        build(recipe("a", check="error"), folder=tmp_path)


def test_twice_is_the_same_to_the_byte(mini, tmp_path):
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_built(build(read_recipe("mini"), data=mini), folder)
        contents.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]
