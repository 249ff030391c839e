"""Instructions: byte-equal prompts, answers of what is asked and no more, examples from training only."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from assay.errors import DataError
from assay.ner import Document, Entity
from assay.ner.answers import parse_answer
from assay.ner.instruct import descriptions_of, instruct
from assay.ner.prompts import PROMPTS
from assay.ner.taxonomy import universal
from tests.golden import prompts as golden
from tests.ner.made import document

EN = document(1, "[Ada|person] met [Bob|person] in [Paris|city].")
ZH = document(1, "[小明|人名]去了[北京|城市]")
POOL_EN = (document(2, "[Eve|person] left [Rome|city]"), document(3, "nobody left"))
POOL_ZH = (document(2, "没有人"),)
MANY = tuple(f"kind {letter}" for letter in "abcdefghijklmnopqrstuvwxyz")


def crowd(count: int, labels: int = 5) -> list[Document]:
    """Documents of some words, each of another label."""
    words = [f"w{number}" for number in range(labels)]
    starts = [sum(len(word) + 1 for word in words[:at]) for at in range(labels)]
    return [
        Document(
            str(number),
            " ".join(words),
            tuple(
                Entity(start, start + len(word), MANY[(number + at * 3) % len(MANY)])
                for at, (start, word) in enumerate(zip(starts, words, strict=True))
            ),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("variant", ["plain", "described", "few_shot"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_templates_are_those_of_the_released_program(language: str, variant: str):
    ours = getattr(PROMPTS[language], variant)
    assert ours == golden.template(language, variant)
    assert hashlib.sha256(ours.encode()).hexdigest()[:8] == golden.HASHES[language][variant]
    assert PROMPTS[language].marker == golden.MARKERS[language]


@pytest.mark.parametrize(
    ("language", "variant"),
    [(language, variant) for language in ("EN", "ZH") for variant in golden.HASHES["en"]],
)
def test_whole_texts_are_byte_equal(language: str, variant: str):
    one, pool = {"EN": (EN, POOL_EN), "ZH": (ZH, POOL_ZH)}[language]
    labels = {"EN": ("person", "city"), "ZH": ("人名", "城市")}[language]
    meanings = {"EN": ("somebody", "a large town"), "ZH": ("某人", "大镇")}[language]
    options = {
        "plain": {},
        "described": {"descriptions": dict(zip(labels, meanings, strict=True))},
        "few_shot": {"examples": 2, "example_pool": pool},
    }[variant]
    wanted = getattr(golden, f"{variant.upper()}_{language}")
    made = [
        next(instruct([one], labels, language=language.lower(), training=False, seed=seed, **options))
        for seed in range(8)  # the order of examples is drawn
    ]
    assert wanted in {each.text for each in made}
    if variant != "few_shot":
        assert {each.text for each in made} == {wanted}
    assert all(each.prompt.endswith(each.marker) for each in made)


def test_what_a_text_holds_is_text():
    text = "{labels_str} {text} @@examples@@ {0} {} }{ Answer: \n a"
    one = Document("1", text)
    [plain] = instruct([one], ["person"], language="en")
    assert plain.prompt.count(text) == 1
    assert plain.prompt == golden.template("en", "plain").replace("{labels_str}", "person").replace(
        "{text}", text
    ) + ("Answer:")
    [shot] = instruct(
        [one], ["person"], language="en", examples=1, example_pool=[Document("2", "{text} @@examples@@")]
    )
    assert shot.prompt.count("Text: {text} @@examples@@ \nAnswer: None \n\n") == 1
    assert shot.prompt.endswith(f"Text: {text} \nAnswer:")


@pytest.mark.parametrize("dropout", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("own", [0, 5, 22])
def test_answers_are_of_asked_labels_only(own: int, dropout: float):
    documents = crowd(60, own)
    made = list(instruct(documents, MANY, language="en", label_dropout=dropout))
    for one in made:
        assert len(set(one.labels)) == len(one.labels)
        assert set(one.labels) <= set(MANY)
        assert one.prompt.splitlines()[1] == f"Label Set: {', '.join(one.labels)} "
        kept = [e for e in one.document.entities if e.label in one.labels]
        assert parse_answer(one.target) == [(e.label, one.document.surface(e)) for e in kept]
        assert one.dropped == tuple(e for e in one.document.entities if e.label not in one.labels)
        has = {e.label for e in one.document.entities}
        if dropout == 0:
            assert len(one.labels) == 18
            assert has <= set(one.labels) if len(has) <= 18 else set(one.labels) <= has
        elif dropout == 1:
            assert len(one.labels) == 1
    if dropout == 0.1:
        assert sum(len(one.labels) for one in made) / len(made) / 18 == pytest.approx(0.9, abs=0.03)
    assert len({one.labels for one in made}) > 10
    assert [one.document for one in made] == documents


def test_small_label_sets_lose_labels_by_dropout_alone():
    documents = [replace(EN, id=str(number)) for number in range(400)]
    made = list(instruct(documents, ["person", "city", "x", "y"], language="en", label_dropout=0.1))
    assert sum(len(one.labels) for one in made) / 1600 == pytest.approx(0.9, abs=0.03)
    still = list(
        instruct(documents, ["person", "city", "x", "y"], language="en", label_dropout=0, shuffle=False)
    )
    assert {one.labels for one in still} == {("person", "city", "x", "y")}
    shuffled = list(instruct(documents, ["person", "city", "x", "y"], language="en", label_dropout=0))
    assert len({one.labels for one in shuffled}) == 24


def test_inference_asks_for_all_labels_in_their_order():
    made = list(instruct(crowd(3), MANY, language="en", training=False, label_dropout=1.0))
    assert {one.labels for one in made} == {MANY}
    assert not any(one.dropped for one in made)


def test_a_document_is_asked_alike_in_any_company():
    documents = crowd(30)
    options = {
        "language": "en",
        "examples": 2,
        "example_pool": [document(f"p{n}", f"said {n}") for n in range(40)],
    }
    made = {one.id: one for one in instruct(documents, MANY, **options)}
    again = {one.id: one for one in instruct(documents[::-2], MANY, **options)}
    assert all(made[name] == one for name, one in again.items())
    assert [one.text for one in instruct(documents, MANY, **options, seed=1)] != [
        o.text for o in made.values()
    ]
    elsewhere = [one.labels for one in instruct([replace(d, corpus="b") for d in documents], MANY, **options)]
    assert elsewhere != [one.labels for one in made.values()]


def test_examples_are_other_documents_of_training():
    pool = [replace(document(n, f"[Eve|person] left [Rome|city] {n}"), split="train") for n in range(6)]
    same = [replace(pool[0], id=f"copy{n}", text=pool[0].text.upper() + " ") for n in range(30)]
    for seed in range(10):
        [one] = instruct(
            [pool[0]], ["person", "city"], language="en", examples=9, example_pool=[*same, *pool], seed=seed,
            training=False,
        )  # fmt: skip
        assert one.exemplars == 5
        assert one.prompt.casefold().count("eve left rome 0") == 1
    [one] = instruct(
        [EN], ["person", "city"], language="en", examples=2, example_pool=pool, label_dropout=1.0
    )
    [label] = one.labels
    gone = "city" if label == "person" else "person"
    assert one.exemplars == 2
    assert f"{gone}: " not in one.text
    tested = [replace(pool[0], split="test")]
    with pytest.raises(
        DataError, match="example_pool must hold documents of the split train; 1 of 7 are not"
    ):
        instruct([EN], ["person", "city"], language="en", examples=1, example_pool=[*pool, *tested])
    [alone] = instruct(
        [pool[0]], ["person", "city"], language="en", training=False, examples=3, example_pool=same
    )
    assert (alone.exemplars, "examples" in alone.prompt) == (0, False)


def test_nothing_is_cut():
    pool = [document(n, f"[Eve|person] left town {n}") for n in range(6)]
    options = {"language": "en", "examples": 6, "example_pool": pool, "training": False}
    whole = next(instruct([EN], ["person", "city"], **options))
    shot = len("Text: Eve left town 0 \nAnswer: person: Eve \n\n")
    short = next(instruct([EN], ["person", "city"], max_chars=len(whole.prompt) - 2 * shot - 1, **options))
    assert (whole.exemplars, short.exemplars) == (6, 3)
    # in training the answer counts; in inference what is asked does not depend on it
    bare = len(golden.PLAIN_EN)
    next(instruct([EN], ["person", "city"], language="en", max_chars=bare, label_dropout=0))
    with pytest.raises(DataError, match=r"^1: prompt and answer must have at most .* Raise max_chars"):
        next(instruct([EN], ["person", "city"], language="en", max_chars=bare - 1, label_dropout=0))
    skipped: list[tuple[str, str]] = []
    made = instruct(
        [EN, POOL_EN[0]], ["person", "city"], language="en", max_chars=bare - 1, label_dropout=0, on_long="skip",
        skipped=skipped,
    )  # fmt: skip
    assert [one.id for one in made] == ["2"]
    assert skipped == [("1", f"prompt and answer must have at most {bare - 1} characters; got {bare}.")]
    next(
        instruct(
            [EN], ["person", "city"], language="en", training=False, max_chars=len(whole.prompt) - 6 * shot
        )
    )


@pytest.mark.parametrize(
    "label", ["a, b", "a;b", "a:b", "{a}", "a\nb", " a", "", "甲，乙", "甲；乙", "甲：乙"]
)
def test_labels_that_no_prompt_can_hold_are_named(label: str):
    with pytest.raises(DataError, match="labels must be phrases without") as error:
        instruct([EN], ["person", "city", label], language="en")
    assert repr(label) in str(error.value)


def test_refusals():
    with pytest.raises(
        DataError, match=r"^1: labels must have every label of the entities; got none of city\."
    ):
        next(instruct([EN], ["person"], language="en"))
    with pytest.raises(DataError, match="labels must be different; got 'person' twice"):
        instruct([EN], ["person", "person"], language="en")
    with pytest.raises(DataError, match="descriptions must be left out with examples"):
        instruct([EN], ["person"], language="en", descriptions={"person": "x"}, examples=1)
    for bad in ('a "b"', "a\nb", " "):
        with pytest.raises(DataError, match="descriptions must be texts of one line"):
            instruct([EN], ["person"], language="en", descriptions={"person": bad})
    with pytest.raises(DataError, match="seed must be >= 0; got -1"):
        instruct([EN], ["person"], language="en", seed=-1)
    with pytest.raises(DataError, match="language must be one of en, zh; got 'de'"):
        instruct([EN], ["person"], language="de")


def test_raw_labels_are_asked_for_and_those_that_end_in_a_digit_are_not_described():
    one = document(1, "[Ada|organisation] and [4|17]")
    [made] = instruct(
        [one], ["17", "organisation", "new"], language="en", training=False,
        descriptions={"17": "a number", "organisation": "a body"},
    )  # fmt: skip
    assert 'Label Description: organisation means "a body" \n' in made.prompt
    assert made.target == " organisation: Ada; 17: 4"


def test_a_record_with_labels_of_its_own_can_be_asked_for_these():
    own = replace(EN, meta={"labels": ["river", "city", "person"]})
    [made] = instruct([own], ["person", "city"], language="en", training=False, own_labels=True)
    assert made.labels == ("river", "city", "person")
    [made] = instruct([own], ["person", "city"], language="en", training=False)
    assert made.labels == ("person", "city")


def test_descriptions_come_from_the_universal_taxonomy():
    kind = next(kind for kind in universal().living if kind.definition.en)
    found = descriptions_of([kind.en, kind.zh, "no such type"], "en")
    assert list(found) == [kind.en, kind.zh]
    assert found[kind.en] == kind.definition.en.rstrip(".").replace('"', "'")
    every = descriptions_of([kind.zh for kind in universal().living], "zh")
    [made] = instruct([Document("1", "空")], list(every), language="zh", training=False, descriptions=every)
    assert f'{kind.zh} 是指 "' in made.prompt
