"""What goes into a format comes out of it, or stands in the loss report."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.ner import NER_FORMATS, Corpus, Document, Entity, read_corpus, write_corpus
from assay.ner.write import LOSSES, Loss, fitting_tokens
from tests.ner.made import corpus, document

WRITABLE = [name for name, row in NER_FORMATS.items() if row.write is not None]
# what cannot be inferred from a handful of tokens that are made to confuse
SAID = {"conll": {"scheme": "IOB2", "tag_column": -1}}
PIECES = (
    "Ada", "Bob", "New York", "U.S.", "don't", "O", "B-x", "#", "# a", "-DOCSTART-", "0", "口0", "😀",
    "👩‍👩‍👧", "\ud83d",
    "e\u0301", "\u0301", "नमस्ते",
    "北京", "我", "ﬁ", "½", "㎞", "が", "ｶﾞ", "\ufeff", "\u200b", ",", ";", ":", "; ", ": ", ", ",
    '"', "\\", "{{x:y}}", "|", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\x85",
)  # fmt: skip
NAMES = ("person", "a, b", "x; y: z", "人名", "creative-work", "B-I", "date or period", "O", "_", "Person")


@st.composite
def documents(draw: st.DrawFn, number: int) -> Document:
    text = "".join(draw(st.lists(st.sampled_from(PIECES), max_size=12)))
    entities = []
    for _ in range(draw(st.integers(0, 4)) if text else 0):
        bounds = sorted(draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=4)))
        spans = tuple(zip(bounds[::2], bounds[1::2], strict=False))
        entities.append(
            Entity(
                spans[0][0],
                spans[-1][1],
                draw(st.sampled_from(NAMES)),
                spans if len(spans) > 1 else None,
                draw(st.sampled_from(({}, {}, {"sure": 1}))),
            )
        )
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    tokens = tuple(zip(cuts[::2], cuts[1::2], strict=False))
    split = draw(st.sampled_from(("train", "test")))
    return Document(
        draw(st.sampled_from((f"own-{number}", f"{split}:{number + 1}"))),
        text,
        tuple(entities),
        "en",
        "mini",
        split,
        tokens if draw(st.booleans()) else None,
        draw(
            st.sampled_from(
                ({}, {}, {"source": "web"}, {"n": [1, None]}, {"a": " b", "c = d": "e"}, {"f": "g\nh"})
            )
        ),
    )


corpora = (
    st.integers(1, 4)
    .flatmap(lambda count: st.tuples(*(documents(number) for number in range(count))))
    .map(lambda made: Corpus("mini", made, ("declared", *NAMES), "en"))
)


def bare(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


def held(document: Document) -> Counter[tuple[str, str]]:
    """Return labels and words, from the first piece to the last and without white space."""
    return Counter(
        (entity.label, bare(document.text[entity.start : entity.end])) for entity in document.entities
    )


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_written_is_read_again_or_reported(name: str, one_file: bool) -> None:
    row = NER_FORMATS[name]

    @settings(max_examples=10 if name == "docbin" else 60, deadline=None, derandomize=True)
    @given(corpora)
    def check(before: Corpus) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("mini" + row.suffixes[0] * one_file)
            losses = {
                loss.kind: loss.count for loss in write_corpus(before, path, format=name, flatten="outer")
            }
            if losses.get("empty") == len(before.documents):
                return
            after = read_corpus(path, format=name, language="en", name="mini", **SAID.get(name, {}))
        compare(before, after, losses, one_file)

    check()


def compare(before: Corpus, after: Corpus, losses: dict[str, int], one_file: bool) -> None:
    """Assert that all that differs is in the losses, and that entities and documents are lost as often as they say."""
    if "surrogates" in losses:
        mended = (replace(one, text=one.text.replace("\ud83d", "\ufffd")) for one in before.documents)
        before = replace(before, documents=tuple(mended))
    assert len(before.documents) - len(after.documents) == losses.get("empty", 0)
    splits = ("train", "test") if not one_file else ("",)
    order = [
        one for split in splits for one in before.documents if bare(one.text) and one.split.startswith(split)
    ]
    gone = sum((held(one) for one in before.documents), Counter()) - sum(
        map(held, after.documents), Counter()
    )
    assert gone.total() == sum(losses.get(kind, 0) for kind in ("nested", "duplicate", "blank"))
    pieces = sum(entity.spans is not None for one in before.documents for entity in one.entities)
    assert losses.get("discontinuous", 0) in (0, pieces)
    for old, new in zip(order, [one for one in after.documents if bare(one.text)], strict=True):
        assert bare(new.text) == bare(old.text)
        assert held(new) <= held(old)
        if "spacing" not in losses:
            assert new.text == old.text
            if not losses.keys() & {"discontinuous", "nested", "duplicate", "blank", "edge_space"}:
                places = Counter((entity.parts, entity.label) for entity in old.entities)
                assert Counter((entity.parts, entity.label) for entity in new.entities) == places
        if not losses.keys() & {"tokens", "tokens_cut", "spacing"} and old.tokens is not None:
            assert new.tokens == old.tokens
        if "id" not in losses and old.id.startswith("own-"):
            assert new.id == old.id
        if "meta" not in losses:
            assert new.meta == old.meta
        if not losses.keys() & {"entity_meta", "nested", "duplicate", "blank"}:
            assert [entity.meta for entity in new.entities] == [entity.meta for entity in old.entities]
        if "split" not in losses and not (one_file and len(before.splits) == 1):
            assert new.split == old.split
    if "labels" not in losses:
        assert set(after.labels) >= set(before.labels)


def test_assays_own_format_loses_nothing() -> None:
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(corpora)
    def check(before: Corpus) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mini.jsonl"
            assert write_corpus(before, path, format="documents") == ()
            after = read_corpus(path)
        assert after == replace(before, source=after.source, notes=after.notes)

    check()


PLAIN = corpus(
    "plain",
    "[Ada Lovelace|person] wrote to [Charles Babbage|person] in [London|place] .",
    "[Paris|place] and [Rome|place] are far from [Grace Hopper|person] .",
    "Nobody is named here .",
    "[北京|place]和[上海|place]都是城市",
)


@pytest.mark.parametrize("name", WRITABLE)
def test_every_format_is_told_from_what_is_written(tmp_path: Path, name: str) -> None:
    made = replace(
        PLAIN,
        documents=tuple(
            replace(one, id=f"train:{n}", split="train") for n, one in enumerate(PLAIN.documents, 1)
        ),
    )
    assert write_corpus(made, tmp_path / "plain", format=name) == ()
    again = read_corpus(tmp_path / "plain")
    assert [one.text for one in again.documents] == [one.text for one in made.documents]
    assert [one.entities for one in again.documents] == [one.entities for one in made.documents]
    assert [(one.id, one.split) for one in again.documents] == [(one.id, one.split) for one in made.documents]
    assert set(again.labels) == {"person", "place"}


def entities_of(*entities: Entity, text: str = "the University of Rome", **more: Any) -> Corpus:
    return Corpus("mini", (Document("a", text, entities, **more),))


UNIVERSITY, ROME, OF_ROME = Entity(4, 22, "org"), Entity(18, 22, "place"), Entity(15, 22, "x")


def test_nested_entities_are_flattened_only_when_told(tmp_path: Path) -> None:
    nested = entities_of(UNIVERSITY, ROME, OF_ROME, ROME)
    with pytest.raises(DataError) as caught:
        write_corpus(nested, tmp_path / "a.conll", format="conll")
    assert str(caught.value) == (
        "mini: document a: entities must be flat for the format conll; got place 'Rome' inside or across another. "
        "Use --flatten outer or inner, or another format."
    )
    assert list(tmp_path.iterdir()) == []
    for flatten, kept, lost in (
        ("outer", "org", "place 'Rome'"),
        ("inner", "place", "org 'University of Rome'"),
    ):
        losses = write_corpus(nested, tmp_path / f"{flatten}.conll", format="conll", flatten=flatten)
        assert [(loss.kind, loss.count, loss.first) for loss in losses] == [
            ("duplicate", 1, "place 'Rome' in mini: document a"),
            ("nested", 2, f"{lost} in mini: document a"),
            ("id", 1, "mini: document a"),
        ]
        again = read_corpus(tmp_path / f"{flatten}.conll").documents[0]
        assert [entity.label for entity in again.entities] == [kept]


def test_losses_are_counted_with_their_first_case(tmp_path: Path) -> None:
    text = "Ada,  the\u3000first "
    made = entities_of(
        Entity(0, 3, "p"),
        Entity(4, 6, "blank"),
        Entity(6, 10, "edge"),
        text=text,
        tokens=((0, 3), (6, 9)),
        meta={"n": 1},
    )
    made = replace(
        made, documents=(*made.documents, Document("b", " \t", (Entity(0, 1, "p"),))), labels=("p", "never")
    )
    found = write_corpus(made, tmp_path / "a.conll", format="conll")
    assert found == (
        Loss("blank", 2, "blank '  ' in mini: document a"),
        Loss("edge_space", 1, "edge 'the\\u3000' in mini: document a"),
        Loss("empty", 1, "mini: document b"),
        Loss("spacing", 1, "mini: document a"),
        Loss("tokens_cut", 1, "mini: document a"),
        Loss("id", 2, "mini: document a"),
        Loss("meta", 1, "mini: document a"),
        Loss("labels", 1, "never"),
    )
    assert found[0].summary == LOSSES["blank"]


def test_tokens_follow_words_and_entities() -> None:
    text = "Paris. 我爱北京, don't ½"
    pieces = fitting_tokens(text, None, (Entity(1, 3, "x"),))
    assert [text[start:end] for start, end in pieces] == [
        "P", "ar", "is", ".", "我", "爱", "北", "京", ",", "don", "'", "t", "½",
    ]  # fmt: skip
    pieces = fitting_tokens(text, ((0, 6), (7, 9)), ())
    assert [text[start:end] for start, end in pieces][:4] == ["Paris.", "我爱", "北", "京"]


def test_one_file_a_split_or_one_for_all(tmp_path: Path) -> None:
    made = Corpus(
        "mini", (replace(document(1, "[Ada|p]"), split="test"), replace(document(2, "Bob"), split="train"))
    )
    write_corpus(made, tmp_path / "out", format="b2nerd")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"test.json", "train.json", "labels.json"}
    assert (tmp_path / "out" / "test.json").read_text() == (
        '[\n{"id":"1","sentence":"Ada","entities":[{"name":"Ada","type":"p","pos":[0,3]}]}\n]\n'
    )
    [loss] = write_corpus(made, tmp_path / "one.jsonl", format="b2nerd")
    assert loss == Loss("split", 2, "test, train")
    assert (tmp_path / "one.jsonl").read_text().splitlines()[1] == '{"id":"2","sentence":"Bob","entities":[]}'


def test_nothing_is_replaced_unasked_or_half_written(tmp_path: Path) -> None:
    made = corpus("mini", "[Ada|p]")
    (tmp_path / "a.json").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for path, kind in ((tmp_path / "a.json", "file"), (tmp_path / "out", "or empty folder")):
        with pytest.raises(DataError) as caught:
            write_corpus(made, path, format="b2nerd")
        assert str(caught.value) == (
            f"output must be a new {kind}; {path} exists. Use --overwrite to replace it."
        )
        write_corpus(made, path, format="b2nerd", overwrite=True)
    assert (tmp_path / "a.json").read_text() != "mine"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mine.txt", "mini.json", "labels.json"}
    unholdable = entities_of(Entity(0, 3, "p", meta={"x": {1, 2}}))
    with pytest.raises(DataError, match="must hold only what JSON can hold"):
        write_corpus(unholdable, tmp_path / "new", format="b2nerd")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "out"}


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        (
            {"format": "conl"},
            "a",
            "unknown format 'conl'. Did you mean 'conll'? See: assay ner convert --help",
        ),
        ({"format": "brat"}, "a", "brat must be a format that assay writes ("),
        (
            {"format": "b2nerd", "flatten": "iner"},
            "a",
            "flatten must be one of error, outer, inner; got 'iner'.",
        ),
        (
            {"format": "b2nerd"},
            "a.json.gz",
            "output must be a folder, or a file that ends in .json or .jsonl for",
        ),
        (
            {"format": "b2nerd"},
            "a.conll",
            "output must be a folder, or a file that ends in .json or .jsonl for the format b2nerd; got ",
        ),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, str], path: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        write_corpus(corpus("mini", "[Ada|p]"), tmp_path / path, **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("name", WRITABLE)
def test_halves_of_pairs_anywhere_are_kept_or_reported(tmp_path: Path, name: str, one_file: bool) -> None:
    row = NER_FORMATS[name]
    half, meta = "\ud83d", {"k\ud83d": "v\ud83d", "deep": [{"x": "\ud83d"}]}
    entity = Entity(3, 8, f"L{half}", meta=meta)
    before = Corpus("mini", (Document(f"own{half}", "in Paris now", (entity,), split="train", meta=meta),))
    path = tmp_path / ("mini" + row.suffixes[0] * one_file)
    losses = {loss.kind for loss in write_corpus(before, path, format=name)}
    assert ("surrogates" in losses) == ("surrogates" not in row.holds)
    after = read_corpus(path, format=name, name="mini").documents[0]
    mended = half if "surrogates" in row.holds else "\ufffd"
    assert [(e.start, e.end, e.label) for e in after.entities] == [(3, 8, f"L{mended}")]
    if "id" in row.holds:
        assert after.id == f"own{mended}"
    if "meta" in row.holds:
        assert after.meta[f"k{mended}"] == f"v{mended}"


@pytest.mark.parametrize("split", ["../evil", "..", ".hidden", "a\nb", "a\ud83d", "a\\b"])
def test_a_split_that_is_no_file_name_is_refused(tmp_path: Path, split: str) -> None:
    corpus = Corpus("mini", (Document("1", "in Paris", split=split),))
    with pytest.raises(DataError, match=r"split must be what a file can be called; got .*\. Write one file"):
        write_corpus(corpus, tmp_path / "out", format="documents")
    assert not list(tmp_path.iterdir())
    write_corpus(corpus, tmp_path / "one.jsonl", format="documents")
    assert read_corpus(tmp_path / "one.jsonl").splits == (split,)
