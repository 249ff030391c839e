"""The planted conflicts: what was planted is there, in texts that can be made again."""

from __future__ import annotations

from collections import Counter

import pytest

from assay.errors import DataError
from assay.ner.planted import BOOKS, FORMS, planted, truth

TRUTH = {(row.first, row.second): row for row in truth()}


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ("amber/DIS", "birch/disease", "equal"),  # another name
        ("amber/CHEM", "cedar/chemical", "equal"),
        ("birch/team", "cedar/club", "equal"),
        ("birch/country", "cedar/location", "equal"),
        ("amber/FAC", "cedar/plant", "equal"),
        ("birch/disease", "cedar/disease", "equal"),  # agree
        ("birch/event", "cedar/event", "equal"),
        ("birch/plant", "cedar/plant", "disjoint"),  # one name, two meanings
        ("birch/product", "cedar/product", "overlap"),
        ("amber/WORK", "cedar/work", "superset"),
        ("birch/person", "cedar/person", "subset"),
        ("amber/WORK", "birch/book", "superset"),  # one label of one is two of the other
        ("amber/WORK", "birch/song", "superset"),
        ("amber/VEH", "birch/product", "subset"),
        ("amber/EVENT", "cedar/culture", "overlap"),
        ("amber/ORG", "birch/country", "disjoint"),
        ("amber/DIS", "birch/river", "disjoint"),  # nothing to do with each other
    ],
)
def test_what_the_rule_books_say(first, second, relation):
    assert TRUTH[first, second].relation == relation


def test_flags_of_the_rule_books():
    by_direction = {(row.first, row.second.split("/")[0]): row.flags[0] for row in TRUTH.values()}
    by_direction |= {(row.second, row.first.split("/")[0]): row.flags[1] for row in TRUTH.values()}
    assert {where for where, flags in by_direction.items() if "boundary" in flags} == {
        ("amber/PER", "birch"),
        ("amber/PER", "cedar"),
        ("amber/ORG", "birch"),
        ("amber/ORG", "cedar"),
        ("birch/person", "amber"),
        ("cedar/person", "amber"),
        ("birch/country", "amber"),
        ("cedar/location", "amber"),
    }
    assert {where for where, flags in by_direction.items() if "gap" in flags} == {
        ("amber/FAC", "birch"),
        ("amber/LOC", "cedar"),
        ("birch/product", "amber"),
        ("birch/animal", "amber"),
        ("birch/plant", "amber"),
        ("birch/product", "cedar"),
        ("birch/animal", "cedar"),
        ("birch/plant", "cedar"),
        ("birch/city", "cedar"),
        ("birch/river", "cedar"),
        ("cedar/product", "amber"),
        ("cedar/product", "birch"),
        ("cedar/plant", "birch"),
    }


def test_every_relation_has_several_pairs_and_no_share_is_near_a_threshold():
    counts = Counter(row.relation for row in TRUTH.values())
    assert len(TRUTH) == sum(
        len(BOOKS[a]) * len(BOOKS[b]) for a, b in (("amber", "birch"), ("amber", "cedar"), ("birch", "cedar"))
    )
    assert min(counts.values()) >= 3
    for row in TRUTH.values():
        r, s = row.shares
        assert all(abs(max(r, s) - threshold) > 0.09 for threshold in (0.1, 0.75))
        assert max(r, s) < 0.75 or abs(abs(r - s) - 0.15) > 0.09


@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_entities_follow_the_rule_books(language):
    corpora, _ = planted(language=language, names=12)
    assert [corpus.name for corpus in corpora] == list(BOOKS)
    for corpus in corpora:
        assert set(corpus.splits) == {"train", "dev", "test"}
        assert {d.language for d in corpus.documents} == ({"en", "zh"} if language == "mixed" else {language})
        assert any(not d.entities for d in corpus.documents)
        counts = Counter(e.label for d in corpus.documents for e in d.entities)
        uses = {
            label: sum(FORMS[form.split(":")[0]].weight for form in forms)
            for label, forms in BOOKS[corpus.name].items()
        }
        assert counts == {label: 12 * 6 * weight for label, weight in uses.items()}
        surfaces = Counter(d.surface(e).casefold() for d in corpus.documents for e in d.entities)
        assert min(surfaces.values()) >= 6  # also of "Doctor ..."; a name has two titles
        for document in corpus.documents:
            for entity in document.entities:
                surface = document.surface(entity)
                assert surface == surface.strip()
                assert not set(surface) & set("，。；《》.,;{}*~@")


def test_corpora_share_names_but_not_sentences():
    corpora, _ = planted(names=60)
    cities = [
        {d.surface(e) for d in c.documents for e in d.entities if e.label in ("LOC", "city")} for c in corpora
    ]
    assert 45 <= len(cities[0] & cities[1]) < 60
    texts = [{d.text for d in corpus.documents if len(d.entities) > 1} for corpus in corpora]
    assert not texts[1] & texts[2]


def test_case_traps():
    corpora, _ = planted(names=12)
    birch = corpora[1]
    assert {"Us", "It", "Now"} & {
        d.surface(e) for d in birch.documents for e in d.entities if e.label == "book"
    }
    assert any(" us " in d.text for d in birch.documents)


def test_same_seed_same_corpora():
    assert planted(names=12, noise=0.1, seed=3) == planted(names=12, noise=0.1, seed=3)
    assert planted(names=12, seed=3)[0] != planted(names=12, seed=4)[0]


def test_noise_changes_its_share_of_entities_and_nothing_else():
    clean, expected = planted(names=30)
    before: set = set()
    for noise in (0.05, 0.1, 0.2):
        noisy, same = planted(names=30, noise=noise)
        assert same == expected
        changed = set()
        kinds: Counter = Counter()
        total = 0
        for one, two in zip(clean, noisy, strict=True):
            for a, b in zip(one.documents, two.documents, strict=True):
                assert (a.id, a.text, a.split) == (b.id, b.text, b.split)
                total += len(a.entities)
                for entity in [entity for entity in a.entities if entity not in b.entities]:
                    changed.add((one.name, a.id, entity.start, entity.label))
                    places = {(e.start, e.end): e.label for e in b.entities}
                    kinds["relabelled" if (entity.start, entity.end) in places else "gone"] += 1
        assert len(changed) / total == pytest.approx(noise, abs=0.01)
        assert kinds["relabelled"] / kinds.total() == pytest.approx(1 / 3, abs=0.05)
        assert before <= changed
        before = changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 1.5}, "noise must be from 0 to 1; got 1.5."),
        ({"language": "de"}, "language must be one of en, zh, mixed; got 'de'."),
        ({"names": 3}, "names must be >= 12; got 3."),
        ({"uses": 1}, "uses must be >= 4; got 1."),
    ],
)
def test_refuses(options, message):
    with pytest.raises(DataError) as refused:
        planted(**options)
    assert str(refused.value) == message


def test_refuses_more_names_than_there_are():
    with pytest.raises(
        DataError, match=r"names must be at most the number that can be invented, about \d+ \w+ names"
    ):
        planted(language="zh", names=3000)
