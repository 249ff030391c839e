"""Raw and standard names of one corpus, and predictions in either."""

from __future__ import annotations

from assay.ner import Decision, Rule, apply, score
from assay.ner.naming import named, naming, translate
from tests.ner.made import corpus

RAW = corpus(
    "mini", "[Ada|PER] of [Rome|LOC]", "[Kent|LOC] in [Gaul|GPE]", "[Rex|PET] at [Rome|LOC] with [Bob|PER]"
)
DECISIONS = [
    Decision(id="d1", labels=("mini/PER",), action="rename", name="person"),
    Decision(id="d2", labels=("mini/LOC", "mini/GPE"), action="merge", name="location"),
    Decision(
        id="d3", labels=("mini/PET",), action="split",
        into={"animal": Rule(regex="^R"), "other pet": "rest"},
    ),
]  # fmt: skip
STANDARD = apply([RAW], DECISIONS)[0]
GOLD = [document.entities for document in STANDARD.documents]


def test_what_decisions_made_of_labels() -> None:
    found = naming(STANDARD)
    assert found is not None
    assert found.to_raw == {"person": ("PER",), "location": ("LOC", "GPE"), "animal": ("PET",)}
    assert found.to_standard == {
        "PER": ("person",),
        "LOC": ("location",),
        "GPE": ("location",),
        "PET": ("animal",),
    }
    assert naming(RAW) is None
    assert named(STANDARD, "raw") == RAW
    assert named(STANDARD, "standard") == STANDARD
    assert found.of(GOLD) == "standard"
    assert found.of([document.entities for document in RAW.documents]) == "raw"


def test_standard_predictions_under_raw_names_have_bounds() -> None:
    found = naming(STANDARD)
    assert found is not None
    raw = translate(GOLD, RAW, found.to_raw)
    assert raw.undecidable == {"location": 4}
    assert score(RAW.documents, raw.best, resamples=0).counts.strict.f1 == 1
    worst = score(RAW.documents, raw.worst, resamples=0)
    assert worst.counts.correct == 3
    assert worst.exact.f1 == 1
    assert "location: LOC or GPE" in worst.labels


def test_raw_predictions_under_standard_names_are_sure() -> None:
    found = naming(STANDARD)
    assert found is not None
    standard = translate([document.entities for document in RAW.documents], STANDARD, found.to_standard)
    assert standard.undecidable == {}
    assert standard.worst == standard.best
    assert score(STANDARD.documents, standard.best, resamples=0).counts.strict.f1 == 1
