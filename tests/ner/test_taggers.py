"""Taggers: tokens and tags there and back, and what every backend must do."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assay.errors import DataError
from assay.ner import Document, Entity
from assay.ner.document import joined
from assay.ner.taggers import TAGGERS, Tagger, resolve
from assay.ner.taggers.crf import CRF
from assay.ner.taggers.ready import Ready
from assay.ner.taggers.tokens import entities, tags, token_spans
from tests.ner import made_gliner
from tests.ner.made import document

NAMES = ("Ann", "Bob", "Cleo", "Dana")
TOWNS = ("Paris", "New York", "Oslo", "Rome")


def lessons(count: int = 40, *, seed: int = 0) -> list[Document]:
    """Return documents in which people go to towns."""
    rng = random.Random(seed)
    return [
        document(n, f"[{rng.choice(NAMES)}|PER] went to [{rng.choice(TOWNS)}|LOC] on day {n} .")
        for n in range(count)
    ]


def _surfaces(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


def test_tokens_are_the_documents_own_and_characters_where_nothing_is_spaced() -> None:
    text, spans = joined(["我们", "用", "Mac-OS", "."])
    own = Document("1", text, tokens=spans)
    assert _surfaces(text, token_spans(own)) == ["我", "们", "用", "Mac-OS", "."]
    assert _surfaces(text, token_spans(Document("1", text))) == ["我", "们", "用", "Mac", "-", "OS", "."]
    assert token_spans(Document("1", "  ")) == []


def test_tags_are_of_the_longest_entity_and_come_back() -> None:
    text = "the University of New York said so"
    found = Document(
        "1",
        text,
        (
            Entity(18, 26, "LOC"),
            Entity(4, 26, "ORG"),
            Entity(27, 34, "X", ((27, 31), (32, 34))),
        ),
    )
    spans = token_spans(found)
    tagged = tags(found, spans)
    assert tagged == ["O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "O"]
    assert entities(spans, tagged) == (Entity(4, 26, "ORG"),)
    assert tags(Document("1", "rerun", (Entity(0, 2, "X"),)), [(0, 5)]) == ["B-X"]


def test_an_inside_tag_without_a_beginning_begins() -> None:
    spans = [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert entities(spans, ["I-A", "I-B", "I-B", "B-B"]) == (
        Entity(0, 1, "A"),
        Entity(2, 5, "B"),
        Entity(6, 7, "B"),
    )


@pytest.fixture(scope="module")
def gliner_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GLiNER model of some hundred random numbers, saved, without a network."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = ["went", "to", "on", "day", ".", *NAMES, *TOWNS, "PER", "LOC"]
    return made_gliner.model(tmp_path_factory.mktemp("gliner"), words)


@pytest.fixture(params=["crf", "spacy", "gliner", "ready"])
def make(request: pytest.FixtureRequest) -> Callable[[], Tagger]:
    """How to make a tagger of each backend."""
    if request.param == "ready":
        return lambda: Ready(lessons(60))
    if request.param == "gliner":
        from assay.ner.taggers.gliner_model import Gliner

        folder = request.getfixturevalue("gliner_folder")
        return lambda: Gliner(str(folder), threshold=0.2)
    return lambda: resolve(request.param)


def test_every_tagger_keeps_the_protocol(make: Callable[[], Tagger]) -> None:
    before, before_numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    tagger = make()
    assert isinstance(tagger, Tagger)
    tagger.fit(lessons())
    asked = lessons(60)[-20:]
    found = tagger.predict(asked)
    assert tagger.predict([Document(d.id, d.text) for d in asked]) == found
    assert len(found) == 20
    assert any(found)
    assert {entity.label for row in found for entity in row} <= {"PER", "LOC"}
    for one, row in zip(asked, found, strict=True):
        Document(one.id, one.text, row)
        assert all(one.surface(entity).strip() == one.surface(entity) for entity in row)
    again = make()
    again.fit(lessons())
    assert again.predict(asked) == found
    assert again.fingerprint == tagger.fingerprint
    assert random.getstate() == before
    assert (np.random.get_state()[1] == before_numpy).all()  # noqa: NPY002


@pytest.mark.parametrize("name", ["crf", "spacy"])
def test_what_is_trained_learns(name: str) -> None:
    tagger = resolve(name)
    tagger.fit(lessons())
    new = [document("1", "[Eve|PER] went to [Paris|LOC] on day 4 ."), document("2", "nothing went on .")]
    assert tagger.predict(new) == [d.entities for d in new]
    assert tagger.predict([Document("3", " ")]) == [()]


def test_chinese_is_tagged_by_the_character() -> None:
    rng = random.Random(0)
    marked = [
        f"[{rng.choice('王李张')}{rng.choice('明红军')}|人名]去[{rng.choice(('北京', '上海'))}|地名]了"
        for _ in range(40)
    ]
    tagger = CRF()
    tagger.fit([document(n, text) for n, text in enumerate(marked)])
    new = document("1", "[张红|人名]去[上海|地名]了")
    assert tagger.predict([new]) == [new.entities]


def test_gliner_is_asked_with_our_tokens(gliner_folder: Path) -> None:
    from assay.ner.taggers.gliner_model import Gliner

    tagger = Gliner(str(gliner_folder), threshold=0.0)
    tagger.fit(lessons())
    text = "我爱北京 Ann"
    [found] = tagger.predict([Document("1", text)])
    assert found
    assert {bound for entity in found for bound in (entity.start, entity.end)} <= {0, 1, 2, 3, 4, 5, 8}
    assert tagger.predict([Document("1", ""), Document("2", "Ann"), Document("3", " ")])[::2] == [(), ()]


def test_ready_predictions_must_hold_every_document() -> None:
    with pytest.raises(DataError, match=r"1 of 2 are not there, first '2'"):
        Ready([Document("1", "a")]).predict([Document("x", "a"), Document("2", "b")])


def test_options_of_the_crf_change_what_it_finds() -> None:
    asked = lessons(60, seed=1)

    def found(**options: float) -> list[tuple[Entity, ...]]:
        tagger = CRF(**options)  # type: ignore[arg-type]
        tagger.fit(lessons(12))
        return tagger.predict(asked)

    plain = found()
    assert all(found(**option) != plain for option in ({"c1": 20.0}, {"c2": 50.0}, {"iterations": 1}))


@pytest.mark.filterwarnings("ignore:.*resume_download:UserWarning")  # GLiNER gives the hub an old argument
def test_refusals() -> None:
    with pytest.raises(
        DataError, match=r"unknown tagger 'crv'. Did you mean 'crf'\? See: assay ner crossval"
    ):
        resolve("crv")
    with pytest.raises(DataError, match=r"tagger must be of the form gliner:<path or id>; got 'gliner'"):
        resolve("gliner")
    with pytest.raises(DataError, match=r"tagger must be of the form crf; got 'crf:x'"):
        resolve("crf:x")
    with pytest.raises(DataError, match="c1 must be >= 0; got -1"):
        CRF(c1=-1)
    with pytest.raises(DataError, match="documents must hold words to learn from; got none"):
        CRF().fit([Document("1", " ")])
    for name in ("crf", "spacy"):
        with pytest.raises(DataError, match="tagger must be fitted before it predicts"):
            resolve(name).predict([])
    nowhere = resolve("gliner:/nowhere/at/all")
    nowhere.fit(lessons(1))
    with pytest.raises(DataError, match="tagger must name a GLiNER model; /nowhere/at/all is none: "):
        nowhere.predict(lessons(1))
    assert set(TAGGERS) == {"crf", "spacy", "gliner"}
