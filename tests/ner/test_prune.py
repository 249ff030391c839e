"""Pruning: equal to its slow definition, every type reached, no leak, the same documents in whatever order."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.duplicates import normal
from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, Pruned, compare_strategies, prune, unify
from assay.ner.choose import STRATEGIES, Candidates, Plan, choose
from assay.ner.leakage import leaked
from assay.ner.near import near_texts
from assay.ner.pruned import REASONS
from assay.ner.quota import fill_quotas
from assay.ner.redundant import copies, differences, near_copies
from tests.ner.made import document
from tests.oracles import pruning

SMALL = settings(max_examples=60, deadline=None, derandomize=True)
WORDS = [
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"),
    *("islet", "jetty", "knoll", "lagoon", "marsh", "nook", "orchard"),
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join) | st.text("ab Ç国", max_size=9)


class Words:
    """An encoder that hashes words."""

    name, fingerprint = "words", {"encoder": "words"}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), 32), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in ["", *text.split()]:
                vectors[row, zlib.crc32(word.encode()) % 32] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ENCODER = Words()


def made(name: str, *, size: int = 120, seed: int = 0, labels: Sequence[str] = "ABCD") -> Corpus:
    """Return a corpus of sentences, some of them copies or near copies, with rare and common labels."""
    draw = np.random.default_rng([seed, len(name)])
    documents = []
    for number in range(size):
        words = draw.choice(WORDS, 12).tolist()
        if number % 10 == 9:
            words = documents[-3].text.split() if draw.random() < 0.5 else [*documents[-3].text.split(), "!"]
        text = " ".join(words)
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:8].tolist()
        entities = tuple(
            Entity(start, start + len(word), label)
            for start, word, label in zip(starts, words, labels, strict=False)
            if draw.random() < 0.5 ** (1 + labels.index(label))
        )
        split = ("train", "train", "train", "dev", "test")[number % 5]
        documents.append(Document(f"{number}", text, entities, split=split))
    return Corpus(name, tuple(documents), labels=tuple(labels), language="en" if name != "two" else "xx")


ONE, TWO = made("one"), made("two", seed=1, labels="AXY")
BOTH = [ONE, TWO]


def kept(found: Pruned) -> list[Document]:
    """Return the kept training documents."""
    return [d for corpus in found.corpora for d in corpus.documents if d.split == "train"]


def pruned(corpora: Sequence[Corpus] = BOTH, **options: object) -> Pruned:
    """Return what is kept with an encoder that costs nothing."""
    return prune(corpora, **{"k": 8, "encoder": ENCODER, **options})  # type: ignore[arg-type]


@SMALL
@given(st.lists(TEXTS, max_size=25), st.sampled_from([0.2, 0.5, 0.8, 1.0]), st.integers(0, 2**20))
def test_near_texts_are_those_of_the_definition(texts: list[str], near: float, bits: int):
    asks = np.array([bool(bits >> at & 1) for at in range(len(texts))], dtype=bool)
    stays = np.array([bool(bits >> at & 2) for at in range(len(texts))], dtype=bool)
    expected = pruning.near(texts, near, asks.tolist(), stays.tolist())
    assert near_texts(texts, near=near, asks=asks, stays=stays) == expected


@SMALL
@given(st.integers(0, 10**6))
def test_quotas_are_those_of_the_definition(seed: int):
    draw = np.random.default_rng(seed)
    n, types = int(draw.integers(1, 25)), int(draw.integers(1, 5))
    vectors = (
        draw.integers(-2, 3, size=(n, 4)).astype(np.float32) / 4
    )  # so that sums are exact and ties are many
    kinds = [np.flatnonzero(draw.random(types) < 0.4).tolist() for _ in range(n)]
    targets = draw.integers(1, 9, size=types).tolist()
    groups = draw.integers(0, 3, size=n).tolist()
    limits = [(groups, draw.integers(0, 6, size=3).tolist()), ([0] * n, [int(draw.integers(1, n + 1))])]
    for options in (
        {"epsilon": 0.0, "limits": [], "levels": False},
        {"epsilon": 0.25, "limits": [], "levels": False},
        {"epsilon": 0.25, "limits": limits, "levels": True},
    ):
        found = fill_quotas(vectors, kinds, targets=targets, **options)
        assert found.rows.tolist() == pruning.fill(vectors, kinds, targets, **options)
        counts = Counter(kind for row in found.rows for kind in kinds[row])
        assert found.counts.tolist() == [counts[kind] for kind in range(types)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_leak_no_near_copies_and_every_document_has_a_place(strategy: str):
    found = pruned(strategy=strategy, k=5)
    tests = [d.text for corpus in BOTH for d in corpus.documents if d.split == "test"]
    texts = [d.text for d in kept(found)]
    assert not any(pruning.share(text, other) >= 0.8 for text in texts for other in tests)
    assert not any(pruning.share(a, b) >= 0.8 for n, a in enumerate(texts) for b in texts[:n])
    train = Counter((c.name, d.split, d.id) for c in BOTH for d in c.documents if d.split == "train")
    stays = Counter((c.name, d.split, d.id) for c in found.corpora for d in c.documents if d.split == "train")
    assert stays + Counter((d.corpus, d.split, d.document) for d in found.dropped) == train
    assert {d.reason for d in found.dropped} <= set(REASONS)
    for corpus, before in zip(found.corpora, BOTH, strict=True):
        held = [d for d in before.documents if d.split != "train"]
        assert [d for d in corpus.documents if d.split != "train"] == held
        assert corpus == replace(before, documents=corpus.documents)
        places = [before.documents.index(d) for d in corpus.documents]
        assert places == sorted(places)


@pytest.mark.parametrize("k", [1, 3, 8, 1000])
@pytest.mark.parametrize("strategy", ["quota", "paper"])
def test_every_type_has_k_documents_or_all(k: int, strategy: str):
    found = pruned(k=k, strategy=strategy)
    train = [(c.name, d) for c in BOTH for d in c.documents if d.split == "train"]
    assert {(row.corpus, row.label) for row in found.types} == {
        (c, e.label) for c, d in train for e in d.entities
    }
    for row in found.types:
        assert row.kept >= row.target == min(k, row.available)
        assert row.documents >= row.available > 0
    counts = Counter(d.corpus for d in found.dropped)
    assert found.counts["train"] == len(train)
    assert found.counts["kept"] == len(kept(found)) == len(train) - counts.total()
    if k == 1000:
        assert not any(d.reason == "quota" for d in found.dropped)


def test_the_order_of_documents_and_corpora_decides_nothing():
    base = pruned(max_per_language={"en": 20})
    for seed in range(4):
        draw = np.random.default_rng(seed)
        mixed = [
            replace(corpus, documents=tuple(corpus.documents[at] for at in draw.permutation(120)))
            for corpus in (BOTH, BOTH[::-1])[seed % 2]
        ]
        found = pruned(mixed, max_per_language={"en": 20})
        assert found.report() == base.report()
        assert found.dropped == base.dropped
        for corpus in found.corpora:
            [same] = [other for other in base.corpora if other.name == corpus.name]
            assert sorted(corpus.documents, key=repr) == sorted(same.documents, key=repr)
    assert pruned(seed=1).dropped != pruned().dropped


def test_a_unified_corpus_is_its_parts():
    apart, one = pruned(), pruned([unify(BOTH)])
    assert one.types == apart.types
    assert one.dropped == apart.dropped
    assert [(d.corpus, d.id) for d in one.corpora[0].documents] == [
        (corpus.name, d.id) for corpus in apart.corpora for d in corpus.documents
    ]


def test_equal_documents_are_kept_once():
    same = Document("1", "amber birch cedar", (Entity(0, 5, "A"),), split="train")
    found = prune([Corpus("one", (same, same, same))], encoder=ENCODER)
    assert found.corpora[0].documents == (same,)
    assert [(d.reason, d.partner) for d in found.dropped] == [("copy", "one/1")] * 2
    assert found.disagreements == ()


def test_leaks_are_found_in_all_test_sets():
    train = [
        document(n, text) for n, text in enumerate(["a [river|A] runs wide here", "Birds sing", "A stone"])
    ]
    outside = Corpus("outside", (document("t", "A river  runs wide here."),))
    inside = replace(document("u", "A stone"), split="test")
    corpus = Corpus("one", (*train, inside))
    found = prune([corpus], test=[outside], encoder=ENCODER, negatives=0.9)
    assert [(d.document, d.reason, d.partner) for d in found.dropped if d.partner] == [
        ("0", "near_test", "outside/t"),
        ("2", "test", "one/u"),
    ]
    assert inside in found.corpora[0].documents
    assert leaked(train, [inside, outside.documents[0]], near=1.0) == {2: (0, 1.0)}


def test_the_richest_copy_stays_and_what_it_disagrees_about_is_told():
    poor, rich = document("poor", "in [Paris|city]  today"), document("rich", "in [Paris|LOC] [today|DATE]")
    near = document("near", "in Paris today!")
    assert copies([poor, rich]) == {0: 1}
    assert near_copies([near, rich], near=0.7) == {0: (1, pruning.share(near.text, rich.text))}
    assert differences(poor, rich) == (("city: Paris",), ("LOC: Paris", "DATE: today"))
    found = prune([Corpus("one", (poor, near, rich))], near=0.7, encoder=ENCODER)
    assert [d.id for d in kept(replace(found, corpora=found.corpora))] == []
    assert [d.id for d in found.corpora[0].documents] == ["rich"]
    [told] = found.disagreements
    assert (told.dropped, told.kept, told.only_dropped) == ("one/poor", "one/rich", ("city: Paris",))
    assert normal(poor.text) == normal(rich.text)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_negatives_have_their_share(share: float):
    found = pruned(negatives=share)
    for corpus in found.corpora:
        train = [d for d in corpus.documents if d.split == "train"]
        empty = sum(not d.entities for d in train)
        candidates = sum(not d.entities and d.split == "train" for d in corpus.documents) + sum(
            d.corpus == corpus.name and d.reason == "negative" for d in found.dropped
        )
        assert empty == min(round((len(train) - empty) * share / (1 - share)), candidates)


def test_limits_hold_and_bind_all_types_alike():
    found = pruned(k=30, max_per_corpus={"one": 12}, max_per_language={"xx": 7})
    sizes = Counter(corpus.name for corpus in found.corpora for d in corpus.documents if d.split == "train")
    assert sizes == {"one": 12, "two": 7}
    rows = [row for row in found.types if row.corpus == "one"]
    assert min(row.kept for row in rows) >= min(2, min(row.available for row in rows))
    assert {d.reason for d in found.dropped if not d.partner} == {"limit", "negative"}
    assert len(kept(pruned(budget=9))) == 9
    assert len(kept(pruned(budget=9, strategy="kcenter"))) == 9
    assert len(kept(pruned(budget=9, strategy="paper"))) == 9


def test_selectors_keep_as_many_as_quota():
    rows = compare_strategies(BOTH, k=5, encoder=ENCODER)
    by_name = {row.strategy: row for row in rows}
    assert list(by_name) == list(STRATEGIES)
    assert {row.kept for name, row in by_name.items() if name != "paper"} == {by_name["quota"].kept}
    assert by_name["quota"].reached == by_name["quota"].coverage == by_name["paper"].reached == 1.0
    assert by_name["kcenter"].coverage < 1.0
    for name, row in by_name.items():
        alone = pruned(k=5, strategy=name)
        assert (row.kept, row.similarity, row.random_similarity) == (
            alone.counts["kept"],
            alone.redundancy.kept,
            alone.redundancy.random,
        )


@SMALL
@given(st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=20), st.integers(1, 5))
def test_paper_is_its_definition(kinds: list[set[int]], k: int):
    rows = Candidates(
        np.ones((len(kinds), 1), dtype=np.float32),
        tuple(tuple(f"type {kind}" for kind in sorted(each)) for each in kinds),
        ("one",) * len(kinds),
        ("en",) * len(kinds),
    )
    chosen = choose(rows, Plan("paper", k, 0.0, None, None, 0, None))
    assert chosen == pruning.paper([sorted(each) for each in kinds], k)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_few_documents_are_enough_for_every_strategy(strategy: str):
    documents = [document(n, f"[{word}|A] is near {WORDS[-n - 1]}") for n, word in enumerate(WORDS[:6])]
    for size, k, most in ((1, 1, 1), (6, 2, 2), (6, 400, 6)):
        found = prune([Corpus("one", tuple(documents[:size]))], strategy=strategy, k=k, encoder=ENCODER)
        assert found.counts["kept"] == most


def test_limits_may_name_a_corpus_of_which_nothing_is_left():
    corpora = [
        Corpus("one", (document(1, "a [stone|A]"),)),
        Corpus("two", (document(1, "a [bird|A] sings"),)),
    ]
    seen = Corpus("seen", (document(1, "a stone"),))
    found = prune(corpora, test=[seen], max_per_corpus={"one": 1, "two": 1}, encoder=ENCODER)
    assert [len(corpus.documents) for corpus in found.corpora] == [0, 1]
    with pytest.raises(DataError, match=r"max_per_corpus must name what the corpora have \(one\); got 'two'"):
        prune(corpora[:1], test=[seen], max_per_corpus={"two": 1}, encoder=ENCODER)


def test_nothing_to_choose_from():
    nothing = prune([Corpus("one", ())], encoder=ENCODER)
    assert nothing.counts["kept"] == 0
    assert nothing.redundancy.kept is None
    only_test = Corpus("one", (Document("1", "amber", split="test"),))
    assert prune([only_test], encoder=ENCODER).corpora == (only_test,)
    blank = Corpus("one", (Document("1", ""), Document("2", "", split="train")))
    assert prune([blank], encoder=ENCODER).counts["candidates"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "quotas"}, "strategy must be one of .* Did you mean 'quota'"),
        ({"k": 0}, "k must be >= 1; got 0"),
        ({"negatives": 1.0}, "negatives must be from 0 to below 1; got 1.0"),
        ({"near": 1.2}, "near must be <= 1; got 1.2"),
        ({"near": 0}, "near must be > 0; got 0"),
        ({"budget": 0}, "budget must be >= 1; got 0"),
        (
            {"max_per_corpus": {"three": 1}},
            r"max_per_corpus must name what the corpora have \(one, two\); got 'three'",
        ),
        ({"max_per_language": -1}, "max_per_language must be >= 0; got -1"),
        (
            {"max_per_corpus": 5, "budget": 5, "strategy": "random"},
            "budget must be left out with max_per_corpus",
        ),
        ({"corpora": [ONE, ONE]}, "corpora must have different names; got 'one' twice"),
    ],
)
def test_refusals(options: dict[str, object], message: str):
    with pytest.raises(DataError, match=message):
        pruned(**options)  # type: ignore[arg-type]
