"""What pruning returns: what was kept, why the rest was not, and what is said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from assay.ner.document import Corpus

REASONS: dict[str, str] = {
    "test": "its text is that of a test document",
    "near_test": "its text is near to that of a test document",
    "copy": "another document has its text and as many labels and entities or more",
    "near_copy": "another document has nearly its text and as many labels and entities or more",
    "quota": "each of its types has its target",
    "negative": "it has no entity, and such documents have their share",
    "limit": "its corpus, its language or the whole is full",
    "strategy": "the strategy chose others",
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """A training document that was not kept: `reason` of `REASONS`, and `partner`, ``corpus/id`` of the other one."""

    corpus: str
    split: str
    document: str
    reason: str
    partner: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two training documents of one text with other entities: `dropped` went, `kept` stayed, both as ``corpus/id``.

    `only_dropped` and `only_kept` are the entities, ``label: words``, that only one has.
    """

    dropped: str
    kept: str
    only_dropped: tuple[str, ...]
    only_kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A label of a corpus and the training documents that have it.

    `available` are left to choose from, `target` is the smaller of k and `available`, and `kept` were kept.
    """

    corpus: str
    label: str
    documents: int
    available: int
    target: int
    kept: int


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Mean cosine of a document to the nearest other one, among the kept ones and among as many random candidates.

    Over `asked` documents of each; None where there are fewer than two.
    """

    kept: float | None
    random: float | None
    asked: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` returns.

    `corpora` have the kept documents in their own order, and their dev and test splits whole. `dropped`, `types` and
    `disagreements` are sorted and do not depend on the order of documents or corpora. `counts` says how many documents
    there were after each step.
    """

    corpora: tuple[Corpus, ...]
    dropped: tuple[Dropped, ...]
    disagreements: tuple[Disagreement, ...]
    types: tuple[TypeRow, ...]
    counts: Mapping[str, int]
    redundancy: Redundancy
    strategy: str
    seed: int
    parameters: Mapping[str, Any]

    def report(self) -> dict[str, Any]:
        """Return all but the documents, as JSON holds it."""
        rows = {name: [asdict(row) for row in getattr(self, name)] for name in ("types", "disagreements")}
        reasons = Counter(row.reason for row in self.dropped)
        return {
            "strategy": self.strategy,
            "seed": self.seed,
            "parameters": dict(self.parameters),
            "counts": dict(self.counts),
            "dropped": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
            "redundancy": asdict(self.redundancy),
            **rows,
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """One strategy beside others on the same candidates.

    `reached` is the share of types with their target or more, `coverage` the mean over types of the share of the target
    that is kept, `similarity` and `random_similarity` as in `Redundancy`, `novelsum` the NovelSum of as many kept
    documents of each strategy, None where there are too few.
    """

    strategy: str
    kept: int
    negatives: int
    reached: float
    coverage: float
    similarity: float | None
    random_similarity: float | None
    novelsum: float | None
    seconds: float
