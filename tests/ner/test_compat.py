"""B2NER's own score: the page's vectors, its steps one by one, and the faults of its program that are not copied."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.ner import Document, Entity, score
from assay.ner.compat import average_f1, compat_counts, item_list, item_set, normalised
from tests.golden.b2ner import COUNTS


@pytest.mark.parametrize(("gold", "predicted", "counts"), COUNTS)
def test_the_vectors_of_the_released_program(gold: str, predicted: str, counts: tuple[int, int, int]) -> None:
    found = compat_counts([gold], [predicted])
    assert (found.correct, found.missed, found.spurious) == counts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t b\n , c ", "a b,c"),
        ("a : b ( c ) . d _ e ; f ' g - h", "a:b(c).d_e;f'g-h"),
        ("{A}", "a"),
        ("a,,b..c;;d::e", "a,b.c;d::e"),
        ("a；b，c", "a;b,c"),
        ("a；；b", "a;;b"),  # runs collapse before signs become ASCII
        ("“a” ‘b’", "\"a\" 'b'"),
        ("relocated", "relocation"),
        ("@a@", "@a@"),  # nothing follows a colon
        ("x:@#a#@", "x:a"),
        ("x:(a)《b》(c)", "x:b"),
        ("x:《(a)》", "x:a"),
        ("x:(a", "x:(a"),
        ("x:<(a)>", "x:a"),
        ("x:()", "x:()"),
        ("x:@y:@z", "x:@y:z"),
    ],
)
def test_the_steps(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_items_are_those_with_a_colon_and_repeats_are_kept_for_audits() -> None:
    assert item_list("a: B; ; c; A : b;d:") == ["a:b", "a:b", "d:"]
    assert item_set("None") == frozenset()


def test_answers_of_gpt_models_list_several_mentions_of_one_label() -> None:
    assert item_set("A: B, C; D: E、F", gpt=True) == {"a:b", "a:c", "d:e", "d:f"}
    assert item_set("location: Paris, Texas", gpt=True) == {"location:paris", "location:texas"}
    assert item_set("location: Paris, Texas") == {"location:paris,texas"}
    assert item_set("None; A: B", gpt=True) == {"a:b"}


def test_sets_are_summed_over_samples_of_which_every_one_counts() -> None:
    """The released `add` looks at the first answer of a list only."""
    counts = compat_counts(["a: x; a: x", "a: x", "None"], ["a: x", "a: y", "b: z; b: z"])
    assert (counts.correct, counts.missed, counts.spurious) == (1, 1, 2)
    assert counts.strict.precision == pytest.approx(1 / 3)
    assert counts.strict.recall == pytest.approx(1 / 2)
    assert counts.strict.f1 == pytest.approx(2 / 5)


def test_what_nothing_decides_is_zero_and_can_be_asked_for_twice() -> None:
    counts = compat_counts(["None"], ["None"])
    assert counts.strict == counts.strict
    assert (counts.strict.precision, counts.strict.recall, counts.strict.f1) == (0, 0, 0)


def test_ignored_labels_leave_both_sides() -> None:
    counts = compat_counts(["misc: x; a: y"], ["Misc: z; a: y"], ignore_labels=["misc"])
    assert (counts.correct, counts.missed, counts.spurious) == (1, 0, 0)


def test_an_average_counts_sets_not_entities_and_leaves_two_out() -> None:
    assert average_f1({"a": 0.2, "b": 0.4, "math-junior": 1, "CAIL2022": 1}) == pytest.approx(0.3)
    assert average_f1({"CAIL2022": 1.0}) is None


def test_only_compat_merges_what_differs() -> None:
    """One mention of two: by places half is right, as sets of strings all."""
    document = Document("1", "Bob and Bob", (Entity(0, 3, "person"), Entity(8, 11, "person")))
    one = [Entity(0, 3, "person")]
    assert score([document], [one], resamples=0).counts.strict.recall == 0.5
    assert compat_counts(["person: Bob; person: Bob"], ["person: Bob"]).strict.recall == 1


def test_refusals() -> None:
    with pytest.raises(DataError, match="predicted must hold an answer for each of 2 samples; got 1"):
        compat_counts(["None", "None"], ["None"])
