"""Every message on decisions, and what must not be complained of."""

from __future__ import annotations

import re

import pytest

from assay.ner import Decision, Rule, Taxonomy, validate
from assay.ner.names import name_fault
from assay.ner.taxonomy import Type
from tests.ner.made_cards import card, cards

CORPORA = {"a": {"LOC": 50, "PER": 40}, "b": {"LOC": 30, "human": 20}, "c": {"country": 9, "place": 9}}
SPLIT = {"country": Rule(regex="^[A-M]"), "location": "rest"}


def decided(id, action, *labels, **fields):
    return Decision(id=id, action=action, labels=labels, author="jane", **fields)


def messages(problems):
    return [f"{problem.severity} {problem.message}" for problem in problems]


def test_decisions_that_are_right_have_no_problems(tmp_path):
    found = cards(
        CORPORA,
        card("a/PER", "b/human", "equal"),
        card("a/LOC", "c/place", "equal"),
        card("a/LOC", "b/LOC", "overlap", kind="same name"),
    )
    decisions = [
        decided("d1", "same", "a/PER", "b/human", name="person"),
        decided("d2", "rename", "a/LOC", name="location"),
        decided("d3", "rename", "c/place", name="location"),  # equal by its card
        decided("d4", "rename", "b/LOC", name="地名->其它"),
        decided("d5", "ignore", "a/LOC", "c/country"),
    ]
    types = [("person", "人名"), ("location", "地名"), ("other place", "地名->其它")]
    taxonomy = Taxonomy(types=tuple(Type(id=f"t{n}", en=en, zh=zh) for n, (en, zh) in enumerate(types)))
    assert validate(decisions, found, taxonomy=taxonomy, folder=tmp_path) == []


@pytest.mark.parametrize(
    ("decisions", "ids", "message"),
    [
        (
            [Decision(id="d1", action="rename", labels=("a/LOC",), name="location", author="proposal")],
            ("d1",),
            "error d1: author must be a person; got a proposal. Confirm it in the review, or with propose --confirm.",
        ),
        (
            [decided("d1", "rename", "a/LOC", name="place: any")],
            ("d1",),
            "error d1: name must have none of , ; : { } and no line break; got 'place: any'. Use a plain phrase.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"country": Rule(regex="x"), "city": Rule(regex="y")})],
            ("d1",),
            "error d1: into must have exactly one name for the rest; got none. Add one, such as location: rest.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"x y": "rest", "z": "rest"})],
            ("d1",),
            "error d1: into must have exactly one name for the rest; got x y, z. Add one, such as location: rest.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"location": "rest"})],
            ("d1",),
            "error d1: into must have two names or more; got one. Use rename instead.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"country": Rule(gazetteer="no.txt"), "location": "rest"})],
            ("d1",),
            "error d1: into.country must be an existing file; there is no 'no.txt' in FOLDER. Add it.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"country": Rule(manual="../x.tsv"), "location": "rest"})],
            ("d1",),
            "error d1: into.country must be a file in FOLDER or below; got '../x.tsv'. Copy it there.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"country": Rule(model="/etc/passwd"), "location": "rest"})],
            ("d1",),
            "error d1: into.country must be a file in FOLDER or below; got '/etc/passwd'. Copy it there.",
        ),
        (
            [decided("d1", "split", "a/LOC", into={"country": Rule(regex="^F", model="a\0b"), "location": "rest"})],
            ("d1",),
            "error d1: into.country must be the path of a file in FOLDER; got 'a\\x00b'.",
        ),
        (
            [decided("d1", "rename", "a/LOK", name="location")],
            ("d1",),
            "error d1: labels must be of the screened corpora; got 'a/LOK'. Did you mean 'a/LOC'?",
        ),
        (
            [decided("d1", "rename", "zzz/unheard", name="location")],
            ("d1",),
            "error d1: labels must be of the screened corpora; got 'zzz/unheard'. Screen again with its corpus.",
        ),
        (
            [decided("d1", "rename", "a/PER", name="person"), decided("d2", "same", "a/PER", "b/human", name="human")],
            ("d2", "d1"),
            "error d2 and d1: a/PER must come to one thing; got human here and person there. "
            "Change or remove one of the two.",
        ),
        (
            [decided("d1", "rename", "a/PER", name="person"), decided("d2", "split", "a/PER", into=SPLIT)],
            ("d2", "d1"),
            "error d2 and d1: a/PER must come to one thing; got country | location here and person there. "
            "Change or remove one of the two.",
        ),
        (
            [decided("d1", "rename", "a/PER", name="person"), decided("d2", "rename", "b/human", name="Person")],
            ("d2", "d1"),
            "error d2 and d1: name must be spelled in one way; got 'Person' and 'person'. Choose one.",
        ),
        (
            [decided("d1", "rename", "a/LOC", name="location"), decided("d2", "rename", "b/LOC", name="location")],
            ("d1", "d2"),
            "error d1 and d2: a/LOC and b/LOC must not share the name 'location'; their relation is overlap, "
            "card CARD. Join both in one decision (same or merge), or give one another name.",
        ),
        (
            [decided("d1", "rename", "c/country", name="LOC")],
            ("d1",),
            "error d1: a/LOC and c/country must not share the name 'LOC'; their relation is superset, card SUPER. "
            "Join both in one decision (same or merge), or give one another name.",
        ),
        (
            [decided("d1", "rename", "a/PER", name="human")],
            ("d1",),
            "warning d1: a/PER and b/human share the name 'human', and nothing says that they mean the same. "
            "Join both in one decision (same or merge), or give one another name.",
        ),
        (
            [decided("d1", "rename", "c/country", name="place")],
            ("d1",),
            "error d1: c/country and c/place must not share the name 'place'; their corpus tells them apart. "
            "Merge both in one decision, or give one another name.",
        ),
        (
            [decided("d1", "split", "a/LOC", into=SPLIT), decided("d2", "rename", "c/place", name="location")],
            ("d1", "d2"),
            "warning d1 and d2: c/place shares the name 'location' with a part of a/LOC, and means all of it. "
            "Split both, or give it another name.",
        ),
    ],
)  # fmt: skip
def test_each_message(tmp_path, decisions, ids, message):
    same_name, superset = card("a/LOC", "b/LOC", "overlap"), card("a/LOC", "c/country", "superset")
    found = cards(CORPORA, same_name, superset, card("a/LOC", "c/place", "equal"))
    problems = validate(decisions, found, folder=tmp_path)
    expected = (
        message.replace("FOLDER", str(tmp_path)).replace("CARD", same_name.id).replace("SUPER", superset.id)
    )
    assert expected in messages(problems)
    assert problems[messages(problems).index(expected)].ids == ids
    rank = [problem.severity for problem in problems]
    assert rank == sorted(rank)  # errors first


@pytest.mark.parametrize(
    "decisions",
    [
        [decided("d1", "same", "a/LOC", "b/LOC", name="location")],
        [decided("d1", "merge", "a/LOC", "c/country", name="location")],
        # a label may be in several decisions that say the same, and those join all of them
        [decided("d1", "same", "a/LOC", "c/place", name="x y"), decided("d2", "same", "c/place", "b/LOC", name="x y")],
        [decided("d1", "split", "a/LOC", "b/LOC", into=SPLIT)],
        [decided("d1", "rename", "a/LOC", name="x y"), decided("d2", "rename", "b/LOC", name="x y"),
         decided("d3", "ignore", "b/LOC", "a/LOC")],
    ],
)  # fmt: skip
def test_joined_labels_share_a_name(decisions):
    found = cards(CORPORA, card("a/LOC", "b/LOC", "overlap"), card("a/LOC", "c/country", "superset"))
    assert validate(decisions, found) == []


def test_without_cards_only_decisions_are_compared():
    assert validate([decided("d1", "rename", "a/PER", name="human")]) == []
    two = [decided("d1", "rename", "a/PER", name="human"), decided("d2", "rename", "b/human", name="human")]
    assert [problem.severity for problem in validate(two)] == ["warning"]


def test_a_test_set_that_changes_is_warned_of():
    found = cards(CORPORA, splits=("train", "test_b"))
    decisions = [
        decided("d1", "rename", "a/PER", name="person"),
        decided("d2", "rename", "a/LOC", name="location"),
        decided("d3", "ignore", "b/LOC", "a/LOC"),
    ]
    assert messages(validate(decisions, found)) == [
        "warning d1, d2: the test set of a (test_b) is touched. "
        "Report scores under raw names beside those under the new ones."
    ]


def test_labels_that_would_mix_are_warned_of_until_somebody_looked():
    pair = card("a/LOC", "b/LOC", "overlap", kind="same name")
    found = cards(CORPORA, pair)
    message = (
        f"warning {pair.id}: labels of one name and another meaning would mix. Decide them, or ignore them."
    )
    assert messages(validate([], found)) == [message]
    for decision in (
        decided("d1", "ignore", "b/LOC", "a/LOC"),
        decided("d1", "ignore", "a/LOC", card=pair.id),
        decided("d1", "rename", "a/LOC", name="location"),
    ):
        assert messages(validate([decision], found)) == []


def test_names_must_be_of_the_taxonomy_which_must_keep_its_laws():
    taxonomy = Taxonomy(types=(Type(id="t1", en="person"),))
    decisions = [
        decided("d1", "rename", "a/PER", name="persona"),
        decided("d2", "rename", "b/LOC", name="地名"),
    ]
    assert messages(validate(decisions, taxonomy=taxonomy)) == [
        "error d1: name must be that of a type; got 'persona'. Did you mean 'person'?",
        "error d2: name must be that of a type; got '地名'. Add the type, or name another.",
        "error t1: zh must be given. Name it in both languages.",
    ]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "must be a phrase without space around it"),
        (" person", "must be a phrase without space around it"),
        *((f"a{sign}b", "must have none of , ; : { } and no line break") for sign in ",;:{}\n\t，；："),
        ("type 1", "must not end in a digit"),
        ("类型３", "must not end in a digit"),
        ("Organisation", "must not contain organisation, which is read as organization"),
        ("co-located place", "must not contain located, which is read as location"),
    ],
)
def test_what_no_name_may_have(name, rule):
    fault = name_fault(name)
    assert fault is not None
    assert rule in fault
    assert re.search(r"; got .*\. [A-Z].*\.$", fault)


@pytest.mark.parametrize(
    "name", ["person", "date or period", "movie title/genre", "作品名->文字作品", "B2B", "3D model"]
)
def test_plain_names_are_lawful(name):
    assert name_fault(name) is None
