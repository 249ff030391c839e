"""Tag schemes: decoding against seqeval, encoding against decoding, and what becomes of tags that break a scheme."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from assay.errors import DataError
from assay.ner.formats.tags import SCHEMES, Tagged, decoded, documents, encoded, inferred, parsed

LABELS = ("PER", "creative-work", "vehicle_type-suv", "人名", "I")
PEERS: dict[str, Any] = {"IOB1": IOB1, "IOB2": IOB2, "BIOES": IOBES, "BILOU": BILOU}


@st.composite
def flat_spans(draw: st.DrawFn) -> tuple[list[tuple[int, int, str]], int]:
    lengths = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=6))
    spans, at = [], 0
    for gap, length in lengths:
        at += gap
        spans.append((at, at + length, draw(st.sampled_from(LABELS[:2]))))
        at += length
    return spans, at + draw(st.integers(0, 2))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ("O", "")),
        ("o", ("O", "")),
        ("0", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("B_Time", ("B", "Time")),
        ("I-creative-work", ("I", "creative-work")),
        ("B-vehicle_type-suv", ("B", "vehicle_type-suv")),
        ("I_vehicle-type", ("I", "vehicle-type")),
        ("S-PER.NAM", ("S", "PER.NAM")),
        ("U-1", ("U", "1")),
        ("L-a b", ("L", "a b")),
        ("M-人名", ("M", "人名")),
        ("B-", None),
        ("B", None),
        ("PER", None),
        ("b-PER", None),
        ("X-PER", None),
        ("", None),
    ],
)
def test_a_tag_is_a_letter_a_separator_and_the_rest(tag: str, expected: tuple[str, str] | None) -> None:
    assert parsed(tag) == expected


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        (["O O", "B-A I-A O"], "IOB2"),
        (["I-A I-A O", "I-A B-A"], "IOB1"),
        (["I-A I-A O"], "IOB1"),
        (["I-A B-B"], "IOB2"),  # a B after another label is IOB2's, the I before it a mistake
        (["I-A O B-A"], "IOB2"),
        (["O O"], "IOB2"),
        (["B-A B-A I-A"], "IOB2"),
        (["B-A E-A", "O"], "BIOES"),
        (["B-A I-A E-A S-B"], "BIOES"),
        (["B-A M-A E-A"], "BMES"),
        (["S-A", "B-B E-B", "B-B M-B E-B"], "BMES"),
        (["U-A O", "B-A I-A"], "BILOU"),
        (["B-A L-A"], "BILOU"),
    ],
)
def test_the_scheme_is_inferred_from_all_sequences(sequences: list[str], scheme: str) -> None:
    assert inferred(sequence.split() for sequence in sequences) == scheme
    assert inferred(sequence.split() for sequence in reversed(sequences)) == scheme


@pytest.mark.parametrize("repair", ["begin", "drop", "error"])
@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(made=flat_spans())
def test_spans_become_tags_and_the_same_spans(
    scheme: str, repair: str, made: tuple[list[tuple[int, int, str]], int]
) -> None:
    spans, length = made
    tags = encoded(spans, length, scheme)
    assert len(tags) == length
    assert decoded(tags, scheme, repair=repair) == (spans, [])


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(made=flat_spans())
def test_valid_tags_mean_what_seqeval_says(scheme: str, made: tuple[list[tuple[int, int, str]], int]) -> None:
    spans, length = made
    tags = encoded(spans, length, scheme)
    theirs = [tag.replace("M-", "I-", 1) if tag[0] == "M" else tag for tag in tags]  # seqeval knows no BMES
    if not tags:
        return
    [entities] = Entities([theirs], PEERS.get(scheme, IOBES)).entities
    assert [(entity.start, entity.end, entity.tag) for entity in entities] == spans


def sequences(letters: str, count: int = 400) -> list[list[str]]:
    chosen = random.Random(0)
    tags = ["O", *(f"{letter}-{label}" for letter in letters for label in ("A", "B"))]
    return [[chosen.choice(tags) for _ in range(chosen.randint(1, 7))] for _ in range(count)]


@pytest.mark.parametrize(("scheme", "letters"), [("IOB2", "BI"), ("BIOES", "BIES"), ("BILOU", "BILU")])
def test_dropping_what_breaks_the_scheme_is_seqevals_strict_reading(scheme: str, letters: str) -> None:
    for tags in sequences(letters):
        [entities] = Entities([tags], PEERS[scheme]).entities
        strict = [(entity.start, entity.end, entity.tag) for entity in entities]
        spans, broken = decoded(tags, scheme, repair="drop")
        assert spans == strict, tags
        assert bool(broken) == (spans != decoded(tags, scheme)[0]), tags


@pytest.mark.parametrize(("scheme", "letters"), [("IOB2", "BI"), ("IOB1", "I"), ("BIOES", "BIES")])
def test_beginning_at_what_breaks_the_scheme_is_seqevals_lenient_reading(scheme: str, letters: str) -> None:
    for tags in sequences(letters):
        theirs = [(start, end + 1, label) for label, start, end in get_entities(tags)]
        assert decoded(tags, scheme)[0] == theirs, tags


@pytest.mark.parametrize(
    ("scheme", "tags", "begun", "dropped", "broken"),
    [
        ("IOB2", "O I-A I-A O", [(1, 3, "A")], [], [1]),
        ("IOB2", "B-A I-B I-B", [(0, 1, "A"), (1, 3, "B")], [(0, 1, "A")], [1]),
        ("IOB2", "I-A B-A", [(0, 1, "A"), (1, 2, "A")], [(1, 2, "A")], [0]),
        ("IOB1", "I-A B-B I-B", [(0, 1, "A"), (1, 3, "B")], [(0, 1, "A"), (1, 3, "B")], []),
        ("BIOES", "B-A I-A O", [(0, 2, "A")], [], [0]),
        ("BIOES", "B-A B-A E-A", [(0, 1, "A"), (1, 3, "A")], [(1, 3, "A")], [0]),
        ("BIOES", "E-A S-A", [(0, 1, "A"), (1, 2, "A")], [(1, 2, "A")], [0]),
        ("BIOES", "I-A E-A", [(0, 2, "A")], [], [0]),
        ("BMES", "M-A M-A O", [(0, 2, "A")], [], [0]),
        ("BMES", "B-A E-B", [(0, 1, "A"), (1, 2, "B")], [], [0, 1]),
        ("BILOU", "U-A L-A", [(0, 1, "A"), (1, 2, "A")], [(0, 1, "A")], [1]),
    ],
)
def test_each_break_is_told_once_and_repaired(
    scheme: str, tags: str, begun: list[Any], dropped: list[Any], broken: list[int]
) -> None:
    assert decoded(tags.split(), scheme) == (begun, broken)
    assert decoded(tags.split(), scheme, repair="drop") == (dropped, broken)


def test_what_cannot_be_tags_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"tag must be O, or a letter of IOB2, - or _, and a label; got 'PER'"
    ):
        decoded(["PER"], "IOB2")
    with pytest.raises(
        DataError, match=r"entities must not overlap in tags; got \(0, 2, 'A'\) and \(1, 2, 'B'\)"
    ):
        encoded([(1, 2, "B"), (0, 2, "A")], 2, "IOB2")


def sentence(*columns: str) -> Tagged:
    tags = tuple(tuple(column.split()) for column in columns)
    size = len(tags[0])
    text = " ".join("abcdefgh"[:size])
    offsets = tuple((2 * at, 2 * at + 1) for at in range(size))
    return Tagged("train", "", text, offsets, tags, {}, "f.conll", 10)


def test_documents_of_several_columns_hold_each_entity_once() -> None:
    [document], notes = documents(
        [sentence("B-A I-A I-A O", "B-A O O O", "B-A I-A I-A O")], scheme=None, repair="begin"
    )
    assert [(entity.start, entity.end) for entity in document.entities] == [(0, 5), (0, 1)]
    assert notes == ("IOB2 inferred",)


def test_breaks_are_counted_or_stop() -> None:
    broken = [sentence("O O I-A"), sentence("I-A B-A O")]
    for repair, done in (("begin", "begun as entities"), ("drop", "left out")):
        _, notes = documents(broken, scheme="IOB2", repair=repair)
        assert notes == (f"tags that do not fit IOB2, {done}: 2; the first: f.conll:12",)
    with pytest.raises(
        DataError, match=r"^f.conll:12: tag must fit IOB2; got 'I-A' after 'O'\. Read with repair="
    ):
        documents(broken, scheme="IOB2", repair="error")
    with pytest.raises(
        DataError, match=r"^f.conll:10: scheme must fit the tags; got 'S-A' under IOB1\. Leave it out"
    ):
        documents([sentence("S-A B-A")], scheme="IOB1", repair="begin")
