"""What labels of a new corpus should come to: each signal alone, all together, and the decisions made of it."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, propose_mapping, proposed_decisions, validate
from assay.ner.mapping.names import Alike, phrase, readings, shortened
from assay.ner.mapping.settle import settled
from assay.ner.mapping.signals import Space
from assay.ner.taxonomy import Phrases, RawLabel, Source, Taxonomy, Type, Words


def kind(id, en, zh, **fields):
    return Type(id=id, en=en, zh=zh, **fields)


TYPES = Taxonomy(
    types=(
        kind("person", "person", "人名"),
        kind("politician", "politician", "人名->政治家", parent="person", aliases=Phrases(en=("statesman",))),
        kind("other-person", "other person", "人名->其它", parent="person", other=True),
        kind("place", "location", "地名", aliases=Phrases(en=("LOCX",), zh=("场所",))),
        kind("language", "programming language", "编程语言"),
        kind("symptom", "symptom or sign", "症状和体征", examples=Phrases(en=("dull ache",))),
        kind(
            "vehicle", "vehicle", "车辆",
            definition=Words(en="A thing that carries people or goods on roads.", zh="在路上载人或载货的工具。"),
        ),
        kind("old", "spot", "点", replaced_by="place"),
    )
)  # fmt: skip


def source(name, **labels):
    return Source(
        name=name,
        title=name,
        group="more",
        language="en",
        domain="news",
        home="here",
        obtain="Copy it.",
        labels={label: RawLabel(type=to, provenance="read") for label, to in labels.items()},
    )


CATALOGUE = {
    each.name: each
    for each in (
        source("news", PER="person", LOC="place"),
        source("blog", PER="person", LOC="place", POL="politician"),
        source("maps", LOCX="place", PER="place"),
    )
}


def bare(*labels, name="mine", language="en"):
    return Corpus(name, (), labels, language=language)


def mapped(*labels, **options):
    options = {"taxonomy": TYPES, "catalogue": CATALOGUE, "encoder": None} | options
    corpus = options.pop("corpus", bare(*labels))
    return propose_mapping([corpus], **options)


def texts(name, *pairs):
    return Corpus(
        name,
        tuple(
            Document(str(n), f"{words} it is", (Entity(0, len(words), label),))
            for n, (words, label) in enumerate(pairs)
        ),
        language="en",
    )


@pytest.mark.parametrize(
    ("one", "two", "at_least", "at_most"),
    [
        ("programlang", "programming language", 0.6, 0.85),
        ("creative_work", "Creative Works", 1.0, 1.0),
        ("title of movie", "movie title of", 0.95, 0.95),
        ("症状", "症状和体征", 0.3, 0.8),
        ("person", "人名", 0.0, 0.0),
        ("dog", "cat", 0.0, 0.0),
        ("political party", "party", 0.2, 0.85),
    ],
)
def test_names_are_alike_as_people_write_them(one, two, at_least, at_most):
    alike = Alike(["programming language", "creative work", "movie title", "political party", "party"])
    assert at_least <= alike(phrase(one), phrase(two)) <= at_most


def test_short_forms_are_beginnings_in_order():
    assert shortened("polparty", ("political", "party"))
    assert shortened("poi", ("point", "of", "interest"))
    assert not shortened("partypol", ("political", "party"))
    assert not shortened("polpartyx", ("political", "party"))
    assert shortened("aaaaaaaaaaaaaaaaaaaaaaaaa", ("a",) * 25)


def test_readings_find_the_part_that_tells_labels_apart():
    assert readings(["kind-bus", "kind-suv"])["kind-bus"][-1] == ("bus", 0.9)
    assert readings(["PER.NAM", "LOC.NAM"])["LOC.NAM"][-1] == ("loc", 0.9)
    assert ("loc deriv", 0.95) in readings(["LOCderiv"])["LOCderiv"]


def test_labels_without_a_letter_say_nothing():
    assert readings(["17", "->", "\N{GRINNING FACE}"]) == {"17": [], "->": [], "\N{GRINNING FACE}": []}
    numbered = {**CATALOGUE, "shop": source("shop", **{"17": "vehicle"})}
    for encoder in (None, "sentence"):
        found = mapped("17", "->", catalogue=numbered, encoder=encoder)
        assert all(not each.candidates[0].evidence["labels"] for each in found)
        assert all(not each.candidates[0].evidence["name"] for each in found)


def test_names_aliases_short_forms_and_other_corpora_speak_for_a_type():
    found = mapped("Statesman", "programlang", "PER", "LOC", "症状")
    assert [each.type for each in found] == ["politician", "language", "person", "place", "symptom"]
    assert found[0].candidates[0].why.startswith("alias 'statesman' 1.00")
    assert "labels blog/PER, news/PER" in found[2].candidates[0].why
    assert found[2].candidates[1].type in ("place", "other-person", "politician")  # maps/PER has its say
    assert all(0 <= each.confidence <= 1 for each in found)
    assert found[0].confidence > found[1].confidence


def test_corpora_that_share_more_labels_have_more_to_say():
    assert mapped("PER", "LOCX")[0].candidates[0].evidence["labels"] < 0.6
    assert mapped("PER", "LOC", "POL")[0].candidates[0].evidence["labels"] > 0.7


def test_what_is_hidden_has_no_say_and_no_alias():
    assert mapped("LOCX")[0].candidates[0].evidence == {"name": 1.0, "labels": pytest.approx(0.9, abs=0.1)}
    hidden = mapped("LOCX", hidden=("maps",))[0]
    assert hidden.candidates[0].evidence["labels"] == 0.0
    assert hidden.candidates[0].evidence["name"] < 1.0
    assert mapped(corpus=bare("LOCX", name="maps")) == tuple(
        type(each)(
            "maps", each.label, each.language, each.entities, each.confidence, each.candidates, each.note
        )
        for each in mapped("LOCX", hidden=("maps",))
    )
    kept = mapped("Statesman", hidden=("maps",))[0]  # an alias that no hidden corpus has as a label
    assert kept.type == "politician"


def test_mentions_of_references_and_examples_speak_for_a_type():
    names = [f"Ada {letter}burg" for letter in "bcdfghjk"]
    reference = texts("blog", *((name, "POL") for name in names), ("Oslo", "LOC"))
    corpus = texts("mine", *((name, "X1") for name in names[:6]), ("Zoe", "X1"), ("dull ache", "Y1"))
    found = mapped(corpus=corpus, references=[reference])
    assert found[0].type == "politician"
    assert found[0].candidates[0].why == "6 of 6 shared mentions .55"
    assert found[0].entities == 7
    broader = next(each for each in found[0].candidates if each.type == "person")
    assert 0 < broader.evidence["mentions"] < found[0].candidates[0].evidence["mentions"]
    assert found[1].type == "symptom"
    other = texts("news", ("Zoe", "PER"))
    assert mapped(corpus=corpus, references=[reference, other]) == mapped(
        corpus=corpus, references=[other, reference]
    )


def test_definitions_and_vectors_speak_for_a_type():
    labels = bare("q", "x")
    told = {
        "q": "location",
        "mine/x": "Cars, buses and lorries that carry people or goods on the road in traffic.",
    }
    found = mapped(corpus=labels, definitions=told, encoder="sentence")
    assert found[0].type == "place"
    assert found[1].type == "vehicle"
    assert found[1].candidates[0].evidence["meaning"] > 0.3


def test_a_type_is_seldom_given_twice_and_a_broader_label_is_offered_the_rest():
    found = mapped("person", "politician")
    assert [each.type for each in found] == ["person", "politician"]
    assert found[0].candidates[1].type == "other-person"
    assert found[0].note == "politician is a part of person: perhaps other person"
    space = Space(TYPES, {}, (), None)
    scores = np.zeros((2, len(space.types)))
    scores[0, :2], scores[1, :2] = (0.9, 0.1), (0.8, 0.7)
    assert settled(scores, space)[0] == [0, 1]
    scores[1, 1] = 0.2
    assert settled(scores, space)[0] == [0, 0]


def test_proposals_make_decisions_that_only_lack_a_person():
    found = mapped("PER", "person", "programlang")
    english = proposed_decisions(found)
    assert [(each.action, each.labels, each.name) for each in english] == [
        ("same", ("mine/PER", "mine/person"), "person"),
        ("rename", ("mine/programlang",), "programming language"),
    ]
    assert english[1].reason.startswith(f"confidence {found[2].confidence:.2f}".replace("0.", "."))
    assert "next: " in english[1].reason
    assert {problem.message.split("; got")[0].split(": ")[1] for problem in validate(english)} == {
        "author must be a person"
    }
    sure = proposed_decisions(found, min_confidence=found[2].confidence + 0.01)
    assert all("mine/programlang" not in each.labels for each in sure)
    chinese = proposed_decisions(mapped(corpus=bare("politician", language="zh")))
    assert chinese[0].name == "人名->政治家"


def test_what_cannot_be_is_refused():
    with pytest.raises(DataError, match="references must be corpora whose labels are mapped; got 'mine'"):
        mapped("PER", references=[bare("PER")])
    with pytest.raises(DataError, match="hidden must be names of the catalogue; got 'nws'"):
        mapped("PER", hidden=("nws",))
    with pytest.raises(DataError, match="taxonomy must have types; got none"):
        mapped("PER", taxonomy=Taxonomy())
    assert mapped() == ()
