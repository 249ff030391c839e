"""Fewer documents: no leak, no copy, so many of every type, little redundancy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.data.json_text import dumps
from assay.errors import DataError
from assay.ner.candidates import HELD_OUT, Pool, labels_of, named, prepare
from assay.ner.choose import STRATEGIES, Candidates, Plan, choose
from assay.ner.document import Corpus, Document
from assay.ner.formats.documents import row_of
from assay.ner.pruned import Compared, Dropped, Pruned, Redundancy, TypeRow

if TYPE_CHECKING:
    from assay.embed import Encoder

Progress = Callable[[int, int], None]
ASKED = 2000  # documents whose nearest neighbours measure redundancy


def prune(
    corpora: Sequence[Corpus],
    *,
    test: Sequence[Corpus] = (),
    k: int = 400,
    strategy: str = "quota",
    negatives: float = 0.1,
    max_per_corpus: int | Mapping[str, int] | None = None,
    max_per_language: int | Mapping[str, int] | None = None,
    near: float = 0.8,
    encoder: str | Encoder = "tfidf",
    seed: int = 0,
    budget: int | None = None,
    progress: Progress | None = None,
) -> Pruned:
    """Keep few training documents that have all types and repeat each other little.

    Only training documents are pruned: those of splits other than dev and test, which stay as they are. In turn go

    1. documents whose text a test document has, or nearly has (`assay.ner.leakage`): those of `test`, whatever their
       split, and of the test splits of `corpora`;
    2. copies of a text, but for the richest; entities that the copies disagree about are listed;
    3. near copies, but for the richest (`assay.ner.redundant`);
    4. what the strategy does not choose of the rest, the candidates.

    A type is a label of a corpus. With ``"quota"`` types are filled rarest first until each has `k` documents, a chosen
    document counting for all its types; of the candidates of a type the one with the lowest maximum cosine to those
    chosen of it is next, and of those within .01 of it the one that most other types still need. Then documents without
    entities are added, each the least similar to those before.

    Parameters
    ----------
    corpora
        With different names. A document belongs to the corpus that it names, else to the one that it is in.
    test
        Corpora that training must not have seen.
    k
        Documents for each type, at least 1. B2NERD's value is not known; 400 is an option of ours (see Notes).
    strategy
        A row of `STRATEGIES`.
    negatives
        Share of documents without entities in what is kept of each corpus, 0 to below 1, as far as there are any.
    max_per_corpus, max_per_language
        Most kept training documents, for all or by name. Where they bind, types get fewer than `k`, all about as many.
    near
        Jaccard index of the sets of character 5-grams from which two texts are near, above 0 and at most 1.
    encoder
        A spec (`assay.embed.resolve`) or an encoder. ``"tfidf"`` is fitted on the candidates.
    seed
        Of ties, of the order of ``"paper"``, and of the selectors that draw.
    budget
        Most kept training documents in all; for strategies of `assay.select`, exactly so many. By default those keep as
        many of each corpus and language, with and without entities, as ``"quota"`` does.
    progress
        Called with a number of steps done and of all steps.

    Returns
    -------
    Pruned
        Every training document is in its corpus or in `dropped`.

    Raises
    ------
    DataError
        Two corpora of one name, an unknown strategy or corpus, numbers out of reach.

    Notes
    -----
    Documents are first put in the order of a hash of seed and text, then corpus, split and id. All that follows depends
    on that alone, so the same documents are kept for any order of documents and corpora, any ``PYTHONHASHSEED`` and
    number of threads; ties go by that order. (Encoders whose vectors depend on the batch, such as ``hf``, see the same
    batches.) Memory beside the documents: 25 bytes a character, then 4 d a candidate and what fitting takes, about half
    a GB for 50,000 sentences. At most 2 k d operations a candidate and type for the choice.

    Source: the outline of B2NERD (Yang et al., COLING 2025, arXiv 2406.11192): categories and low text similarity.
    Its encoder, its k (300 to 400 is plausible: kept a type 213.5 English, 119.4 Chinese) and its use of similarity are
    not known; the leakage guard, near copies, shares and limits are ours.

    Examples
    --------
    >>> from assay.ner import planted
    >>> corpora, _ = planted(names=12)
    >>> found = prune(corpora, k=5)
    >>> found.counts["candidates"] > found.counts["kept"]
    True
    >>> all(row.kept >= row.target for row in found.types)
    True
    """
    plan = Plan(strategy, k, negatives, max_per_corpus, max_per_language, seed, budget)
    steps = _Steps(progress)
    pool = prepare(corpora, test, near, encoder, [plan], [steps.part(n) for n in range(3)])
    rows = choose(pool.candidates, plan, progress=steps.part(3))
    steps.part(3)(1, 1)
    return _pruned(corpora, pool, plan, near, encoder, rows)


def compare_strategies(
    corpora: Sequence[Corpus],
    strategies: Sequence[str] = tuple(STRATEGIES),
    *,
    test: Sequence[Corpus] = (),
    k: int = 400,
    negatives: float = 0.1,
    max_per_corpus: int | Mapping[str, int] | None = None,
    max_per_language: int | Mapping[str, int] | None = None,
    near: float = 0.8,
    encoder: str | Encoder = "tfidf",
    seed: int = 0,
    budget: int | None = None,
    progress: Progress | None = None,
) -> list[Compared]:
    """Return what strategies of `prune` make of the same candidates: what is kept, which types it has, how redundant.

    Options are those of `prune`. ``"paper"`` may keep another number of documents than the rest, and a mean similarity
    to the nearest neighbour rises with the number: `random_similarity` is of as many random candidates.

    Notes
    -----
    NovelSum is of the first 2,000 kept documents in the seeded order, fewer where a strategy kept fewer, against no
    reference: higher is more diverse.

    Examples
    --------
    >>> from assay.ner import planted
    >>> corpora, _ = planted(names=12)
    >>> [row.strategy for row in compare_strategies(corpora, ["quota", "random"], k=5)]
    ['quota', 'random']
    """
    from assay.diversity import novelsum

    plans = [Plan(name, k, negatives, max_per_corpus, max_per_language, seed, budget) for name in strategies]
    if not plans:
        raise DataError(f"strategies must name at least one of {', '.join(STRATEGIES)}; got none.")
    steps = _Steps(progress, len(plans))
    pool = prepare(corpora, test, near, encoder, plans, [steps.part(n) for n in range(3)])
    found = []
    for number, plan in enumerate(plans):
        start = perf_counter()
        rows = choose(pool.candidates, plan, progress=steps.part(3 + number))
        found.append((plan, rows, perf_counter() - start))
        steps.part(3 + number)(1, 1)
    size = min(min(len(rows) for _, rows, _ in found), ASKED)
    out = []
    for plan, rows, seconds in found:
        types = _types(pool, plan, rows)
        redundancy = _redundancy(pool.candidates, rows, seed)
        out.append(
            Compared(
                plan.strategy,
                len(rows),
                sum(not pool.documents[row].entities for row in rows),
                sum(row.kept >= row.target for row in types) / max(len(types), 1),
                sum(min(row.kept / row.target, 1.0) if row.target else 1.0 for row in types)
                / max(len(types), 1),
                redundancy.kept,
                redundancy.random,
                float(novelsum(pool.candidates.vectors[np.sort(rows)[:size]])) if size > 1 else None,
                seconds,
            )
        )
    return out


class _Steps:
    """Progress over the parts of a run, each a thousand steps."""

    def __init__(self, progress: Progress | None, strategies: int = 1) -> None:
        self._call, self._total = progress, 1000 * (3 + strategies)

    def part(self, number: int) -> Progress:
        """Return what one part of the run calls."""

        def within(done: int, total: int) -> None:
            if self._call is not None:
                self._call(1000 * number + 1000 * done // max(total, 1), self._total)

        return within


def _types(pool: Pool, plan: Plan, rows: Sequence[int]) -> tuple[TypeRow, ...]:
    labels, corpora = pool.candidates.labels, pool.candidates.corpora
    available = Counter((corpora[row], label) for row in range(len(labels)) for label in labels[row])
    kept = Counter((corpora[row], label) for row in rows for label in labels[row])
    return tuple(
        TypeRow(*kind, pool.having[kind], available[kind], min(plan.k, available[kind]), kept[kind])
        for kind in sorted(pool.having)
    )


def _redundancy(candidates: Candidates, rows: Sequence[int], seed: int) -> Redundancy:
    if len(rows) < 2:
        return Redundancy(None, None, len(rows))
    size = len(rows)
    drawn = np.random.default_rng(seed).permutation(len(candidates.labels))[:size]
    similar = [_similarity(candidates.vectors[np.sort(some)]) for some in (np.asarray(rows), drawn)]
    return Redundancy(similar[0], similar[1], min(size, ASKED))


def _similarity(vectors: NDArray[np.float32]) -> float:
    """Return the mean cosine of the first rows, whose order is seeded, to the nearest other row."""
    from assay.neighbors import knn

    found = knn(vectors[:ASKED], 2, reference=vectors, metric="cosine")
    own = found.indices[:, 0] == np.arange(len(found.indices))
    nearest = np.where(own, found.distances[:, 1], found.distances[:, 0])
    return float(round(1.0 - nearest.mean(), 6))


def _pruned(
    corpora: Sequence[Corpus],
    pool: Pool,
    plan: Plan,
    near: float,
    encoder: str | Encoder,
    rows: Sequence[int],
) -> Pruned:
    dropped = list(pool.dropped)
    keeps = set(rows)
    types = _types(pool, plan, rows)
    full = {(row.corpus, row.label) for row in types if row.kept >= row.target}
    for row, document in enumerate(pool.documents):
        if row not in keeps:
            kinds = {(document.corpus, label) for label in labels_of(document)}
            if plan.strategy not in ("quota", "paper"):
                reason = "strategy"
            elif not kinds:
                reason = "negative"
            else:
                reason = "quota" if kinds <= full else "limit"
            dropped.append(Dropped(document.corpus, document.split, document.id, reason))
    kept = Counter(_key(pool.documents[row]) for row in rows)
    reasons = Counter(one.reason for one in dropped)
    negative = sum(not pool.documents[row].entities for row in rows)
    counts = {
        "documents": pool.train + pool.held_out,
        "held_out": pool.held_out,
        "test": pool.test,
        "train": pool.train,
        "without_leaks": pool.train - reasons["test"] - reasons["near_test"],
    }
    counts["without_copies"] = counts["without_leaks"] - reasons["copy"]
    counts |= {"candidates": len(pool.documents), "kept": len(rows), "negatives": negative}
    return Pruned(
        tuple(_kept(corpus, kept) for corpus in corpora),
        tuple(
            sorted(dropped, key=lambda one: (one.corpus, one.split, one.document, one.reason, one.partner))
        ),
        tuple(sorted(pool.disagreements, key=lambda one: (one.dropped, one.kept, one.only_dropped))),
        types,
        counts,
        _redundancy(pool.candidates, rows, plan.seed),
        plan.strategy,
        plan.seed,
        {
            **{name: value for name, value in asdict(plan).items() if name not in ("strategy", "seed")},
            "near": near,
            "encoder": encoder if isinstance(encoder, str) else encoder.name,
        },
    )


def _key(document: Document) -> tuple[str, str, str, str, bytes]:
    return (document.corpus, document.split, document.id, document.text, dumps(row_of(document)))


def _kept(corpus: Corpus, kept: Counter[Any]) -> Corpus:
    """Return a corpus with its documents that are kept, each as often as it is kept."""
    documents = []
    likely = {key[:3] for key in kept}
    for document, full in zip(corpus.documents, named([corpus]), strict=True):
        if full.split in HELD_OUT:
            documents.append(document)
        elif (full.corpus, full.split, full.id) in likely and kept[key := _key(full)]:
            kept[key] -= 1
            documents.append(document)
    return replace(corpus, documents=tuple(documents))
