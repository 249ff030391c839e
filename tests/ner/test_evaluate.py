"""Saved predictions in every shape, scored strictly and as B2NER does, under raw and standard names, averaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Decision, Document, Entity, apply, write_corpus
from assay.ner.evaluate import averages, evaluate, evaluate_answers
from assay.ner.predictions import Answer, Predictions, from_answers, matched, read_answers, read_predictions
from tests.golden.b2ner import COUNTS
from tests.ner.made import corpus

GOLD = corpus("mini", "[Ada|person] of [Rome|city]", "nobody", "[Bob|person] and [Bob|person]")
RIGHT = ["person: Ada; city: Rome", "None", "person: Bob; person: Bob"]
QUICK = {"resamples": 0}


def _answers(*answers: str) -> list[Answer]:
    return [Answer(str(at), answer) for at, answer in enumerate(answers)]


def _lines(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _written(path: Path, answers: Sequence[str]) -> Path:
    return _lines(path, [{"id": str(at), "answer": answer} for at, answer in enumerate(answers)])


def test_answers_are_placed_left_to_right_and_what_has_no_place_is_wrong(tmp_path: Path) -> None:
    said = [RIGHT[0], "person: Zoe", "person: Bob; person: Bob; person: Bob; pet: Bob"]
    [saved] = read_predictions(_written(tmp_path / "a.jsonl", said))
    [found] = evaluate(GOLD, saved.of(GOLD), **QUICK)
    assert (found.counts.correct, found.counts.gold, found.counts.predicted) == (4, 4, 7)
    assert found.full is not None
    assert found.full.unlocated == 3
    assert found.audit.counts == {"label": 1, "mention": 1, "repeat": 1, "empty": 0, "format": 0}
    [as_strings] = evaluate(GOLD, saved.of(GOLD), compat="b2ner", **QUICK)
    assert (as_strings.counts.correct, as_strings.counts.gold, as_strings.counts.predicted) == (3, 3, 5)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (right, said)
        for right, said, counts in COUNTS
        if counts == (1, 0, 0) and ";" not in right and "；" not in right
    ],
)
def test_what_differs_is_right_only_under_compat(right: str, said: str) -> None:
    label, _, words = right.partition(": ")
    gold = Corpus("one", (Document("0", words, (Entity(0, len(words), label),)),))
    predictions = from_answers(gold.documents, _answers(said), "here", labels=[label])
    [strict], [strings] = (
        evaluate(gold, predictions, **QUICK),
        evaluate(gold, predictions, compat="b2ner", **QUICK),
    )
    assert strings.f1 == 1
    assert strict.f1 == (said.replace("：", ": ") == right)


def test_documents_and_their_answers_score_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "mini"
    documents = [document.entities for document in GOLD.documents]
    predicted = Corpus(
        "mini",
        tuple(
            replace(document, meta={"unlocated": [{"label": "person", "mention": "Zoe"}]} if at == 1 else {})
            for at, document in enumerate(GOLD.documents)
        ),
    )
    folder.mkdir(parents=True)
    write_corpus(predicted, folder / "test.jsonl", format="documents")
    [saved] = read_predictions(tmp_path / "out")
    assert saved.name == "mini"
    given = saved.of(GOLD)
    assert list(given.entities) == documents
    [found] = evaluate(GOLD, given, **QUICK)
    assert (found.counts.correct, found.counts.predicted) == (4, 5)
    [strings] = evaluate(GOLD, given, compat="b2ner", **QUICK)
    assert (strings.counts.correct, strings.counts.predicted) == (3, 4)
    assert strings.audit.counts["mention"] == 1
    _written(folder / "answers.jsonl", [RIGHT[0], "None", "person: Bob"])
    [saved] = read_predictions(tmp_path / "out")
    assert saved.of(GOLD).answers == (RIGHT[0], "None", "person: Bob")
    [strings] = evaluate(GOLD, saved.of(GOLD), compat="b2ner", **QUICK)
    assert strings.f1 == 1


def test_folders_of_answers_are_sets_by_their_names(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _written(tmp_path / name / "answers.jsonl", RIGHT)
    assert [saved.name for saved in read_predictions(tmp_path)] == ["one", "two"]


def test_documents_match_by_id_and_else_by_text() -> None:
    gold = [Document("1", "a"), Document("2", "b"), Document("3", "b")]
    other = [Document("x", "b"), Document("y", "b"), Document("1", "c"), Document("z", "a")]
    assert matched(gold, other, "here") == ([3, 0, 1], 1)
    assert matched(gold, list(reversed(gold)), "here") == ([2, 1, 0], 0)
    with pytest.raises(DataError, match="1 of 3 are not in here, first '3'"):
        matched(gold, other[1:], "here")


def test_a_file_of_the_released_program_scores_alone(tmp_path: Path) -> None:
    rows = [
        {
            "Task": "NER", "Dataset": name, "Language": "en", "Prediction": said,
            "Instance": {
                "id": "0", "sentence": "Bob saw Al", "ground_truth": "person: Bob; person: Al",
                "instruction": "...\nLabel Set: person, pet \n\nText: Bob saw Al \n",
            },
        }
        for name, said in (("a", "person: Bob; person: Al"), ("b", "person: Zoe; animal: Bob"), ("CAIL2022", ""))
    ]  # fmt: skip
    scores = evaluate_answers(read_answers(_lines(tmp_path / "p.jsonl", rows)), resamples=100)
    assert [(one.name, one.f1) for one in scores] == [("a", 1.0), ("b", 0.0), ("CAIL2022", 0.0)]
    assert scores[1].audit.counts == {"label": 1, "mention": 1, "repeat": 0, "empty": 0, "format": 0}
    [mean] = averages(scores)
    assert (mean.f1, mean.sets, mean.language) == (0.5, ("a", "b"), "en")
    assert scores[0].interval == (1, 1)


def test_a_set_in_two_languages_is_two_and_unknown_labels_are_no_faults() -> None:
    said = [
        replace(Answer("0", "person: Bob", "conll", "Bob", "person: Bob"), language=language)
        for language in ("en", "de")
    ]
    scores = evaluate_answers(said, resamples=0)
    assert [(one.name, one.language, one.counts.gold) for one in scores] == [
        ("conll", "en", 1), ("conll", "de", 1),
    ]  # fmt: skip
    assert scores[0].audit.faulty == 0


@pytest.mark.parametrize("compat", [None, "b2ner"])
def test_what_was_ignored_is_told(compat: str | None) -> None:
    said = Predictions((*(d.entities for d in GOLD.documents[:2]), ()), ((), (), ("city",)))
    [found] = evaluate(GOLD, said, compat=compat, ignore_labels=["City" if compat else "city"], **QUICK)
    assert list(found.ignored.values()) == [(1, 2)]


def test_raw_and_standard_names_side_by_side() -> None:
    raw = corpus("mini", "[Ada|PER] of [Rome|LOC]", "[Gaul|GPE]")
    standard = apply(
        [raw],
        [
            Decision(id="d1", labels=("mini/PER",), action="rename", name="person"),
            Decision(id="d2", labels=("mini/LOC", "mini/GPE"), action="merge", name="location"),
        ],
    )[0]
    perfect = Predictions(tuple(d.entities for d in standard.documents), ((), ()))
    for compat in (None, "b2ner"):
        one, two = evaluate(standard, perfect, compat=compat, trained=None if compat else [standard], **QUICK)
        assert (one.names, two.names, one.predicted_in, two.predicted_in) == (
            "raw", "standard", "standard", "standard",
        )  # fmt: skip
        assert (one.f1, one.best_f1, one.undecidable) == (pytest.approx(1 / 3), 1, {"location": 2})
        assert (two.f1, two.best_f1, two.undecidable) == (1, 1, {})
        assert one.audit.faulty == 0
    in_raw = Predictions(tuple(d.entities for d in raw.documents), ((), ()))
    assert [score.f1 for score in evaluate(standard, in_raw, **QUICK)] == [1, 1]
    assert [score.f1 for score in evaluate(standard, in_raw, names="raw", **QUICK)] == [1]
    with pytest.raises(DataError, match="names must be left out of mini, whose entities keep no raw labels"):
        evaluate(raw, in_raw, names="raw", **QUICK)


def test_an_item_without_words_is_wrong_under_both_names() -> None:
    raw = corpus("mini", "[Ada|PER]")
    standard = apply([raw], [Decision(id="d1", labels=("mini/PER",), action="rename", name="person")])[0]
    said = Predictions((raw.documents[0].entities,), ((),), ("PER: Ada; PER: ",))
    one, two = evaluate(standard, said, compat="b2ner", **QUICK)
    assert one.counts == two.counts
    assert (two.counts.correct, two.counts.spurious) == (1, 1)


def test_a_set_with_one_name_counts_in_both_averages() -> None:
    raw = corpus("mini", "[Ada|PER]")
    standard = apply([raw], [Decision(id="d1", labels=("mini/PER",), action="rename", name="person")])[0]
    plain = replace(raw, name="plain")
    perfect, nothing = Predictions((standard.documents[0].entities,), ((),)), Predictions(((),), ((),))
    means = averages([*evaluate(standard, perfect, **QUICK), *evaluate(plain, nothing, **QUICK)])
    assert [(mean.names, mean.f1, mean.sets) for mean in means] == [
        ("raw", 0.5, ("mini", "plain")),
        ("standard", 0.5, ("mini", "plain")),
    ]


def test_seen_labels_are_those_of_training() -> None:
    given = Predictions(tuple(document.entities for document in GOLD.documents), ((), (), ()))
    [found] = evaluate(GOLD, given, trained=[corpus("other", "[Al|person]")], **QUICK)
    assert found.full is not None
    assert found.full.seen is not None
    assert found.full.unseen is not None
    assert (found.full.seen.gold, found.full.unseen.gold) == (3, 1)


def test_languages_are_averaged_apart_each_set_once() -> None:
    sets = []
    for name, language, right in (("a", "en", 3), ("b", "en", 0), ("c", "zh", 3)):
        gold = replace(GOLD, name=name, language=language)
        entities = tuple(d.entities if at < right else () for at, d in enumerate(gold.documents))
        sets += evaluate(gold, Predictions(entities, ((),) * 3), **QUICK)
    assert [(mean.language, mean.f1, mean.sets) for mean in averages(sets)] == [
        ("en", 0.5, ("a", "b")),
        ("zh", 1, ("c",)),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "None"}, "a.jsonl:1: row must have an id or a text beside its answer"),
        ({"id": "1", "answer": 3}, "a.jsonl:1: answer must be a string; got 3"),
    ],
)
def test_refusals(row: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_answers(_lines(tmp_path / "a.jsonl", [row]))


def test_answers_without_gold_need_it() -> None:
    with pytest.raises(
        DataError, match=r"answers must hold the right ones \(gold\) to be scored alone; 3 of 3"
    ):
        evaluate_answers(_answers(*RIGHT))


def test_entities_beyond_a_text_are_refused() -> None:
    with pytest.raises(DataError, match="predicted must lie inside the texts"):
        evaluate(GOLD, Predictions(((Entity(0, 99, "x"),), (), ()), ((), (), ())), **QUICK)
