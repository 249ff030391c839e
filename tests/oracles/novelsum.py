"""NovelSum and NovelSelect as slow loops, one line a symbol of the definition (docs/papers.md)."""

from __future__ import annotations

import numpy as np


def cosine_distance(x, y):
    u, v = x / np.sqrt(x @ x), y / np.sqrt(y @ y)
    gap = u - v
    return float(gap @ gap) / 2.0


def cosine_distances(rows):
    """All distances; equal rows get equal distances bit by bit, since each pair is worked on alone."""
    rows = np.asarray(rows, dtype=np.float64)
    unit = rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    out = np.empty((len(rows), len(rows)))
    for i, u in enumerate(unit):
        out[i] = ((unit - u) ** 2).sum(axis=1) / 2.0
        out[i, i] = 0.0
    return out


def density(rows, reference, neighbors, statistic):
    rows, reference = np.asarray(rows, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if statistic == "mean_sq_l2":
        reference = np.array(list(dict.fromkeys(map(tuple, reference.tolist()))))
    out = []
    for e in rows:
        others = list(reference)
        for place, y in enumerate(others):
            if np.linalg.norm(e - y) <= 1e-6 * np.linalg.norm(e):
                del others[place]
                break
        if statistic == "mean_sq_l2":
            near = sorted(float((e - y) @ (e - y)) for y in others)[:neighbors]
            out.append(1.0 / (sum(near) / neighbors + 1e-9))
        else:
            near = sorted(cosine_distance(e, y) for y in others)[:neighbors]
            out.append(1.0 / sum(near))
    return np.array(out)


def novelty(
    rows,
    *,
    reference=None,
    neighbors=10,
    density_power=0.0,
    proximity_power=1.0,
    density_side,
    density_statistic,
    include_self,
    reduction,
    rank_by,
):
    n = len(rows)
    d = cosine_distances(rows)
    if density_power:
        s = density(rows, reference, neighbors, density_statistic) ** density_power
    else:
        s = np.ones(n)
    out = []
    for i in range(n):
        terms = []
        for j in range(n):
            if j == i and not include_self:
                continue
            factor = {"self": s[i], "neighbor": s[j], "both": s[i] + s[j]}[density_side]
            value = factor * d[i, j]
            terms.append((value if rank_by == "weighted" else d[i, j], value))
        terms.sort(key=lambda t: t[0])
        weights = [(r + 1) ** -proximity_power for r in range(len(terms))]
        total = sum(w * value for w, (_, value) in zip(weights, terms, strict=True))
        out.append(total / sum(weights) if reduction == "mean" else total)
    return np.array(out)


def novelselect(
    pool,
    *,
    budget,
    scale,
    start=None,
    initial=(),
    proximity_power=1.0,
    density_side="both",
    rank_by="weighted",
    quality=None,
    quality_power=1.0,
    groups=None,
    maximum=None,
    distances=None,
):
    """Plain greedy: at each step the novelty of every row against all chosen ones, sorted anew."""
    n = len(pool)
    d = cosine_distances(pool) if distances is None else distances
    quality = np.ones(n) if quality is None else np.asarray(quality) ** quality_power
    inside = list(initial)
    chosen, scores = [], []
    if not inside:
        inside, chosen, scores = [start], [start], [np.nan]
    counts = {}
    for i in chosen:
        if groups is not None:
            counts[groups[i]] = counts.get(groups[i], 0) + 1
    while len(chosen) < budget:
        s = np.array(inside)
        weights = np.arange(1, len(s) + 1) ** -float(proximity_power)
        best, best_value, best_v = -1, -np.inf, 0.0
        factor = {
            "self": np.repeat(scale[:, None], len(s), 1),
            "neighbor": np.repeat(scale[None, s], n, 0),
            "both": scale[:, None] + scale[None, s],
        }[density_side]
        value = factor * d[:, s]
        if rank_by == "weighted":
            value = np.sort(value, axis=1)
        else:
            value = np.take_along_axis(value, np.argsort(d[:, s], axis=1, kind="stable"), 1)
        v = (value * weights).sum(axis=1)
        taken = set(inside)
        for i in range(n):
            if i in taken or (groups is not None and counts.get(groups[i], 0) >= maximum[groups[i]]):
                continue
            if quality[i] * v[i] > best_value:
                best, best_value, best_v = i, quality[i] * v[i], v[i]
        inside.append(best)
        chosen.append(best)
        scores.append(best_v)
        if groups is not None:
            counts[groups[best]] = counts.get(groups[best], 0) + 1
    return chosen, scores


def novelselect_vectorised(rows, *, budget, scale, start, density_side="both"):
    """The plain greedy for thousands of rows: every score at every step, sorted anew, weighted ranking, power 1."""
    rows = np.asarray(rows, dtype=np.float64)
    unit = rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    table = np.empty((len(rows), budget))
    allowed = np.ones(len(rows), dtype=bool)
    chosen = [start]
    while True:
        m, last = len(chosen), chosen[-1]
        factor = scale + (scale[last] if density_side == "both" else 0.0)
        table[:, m - 1] = factor * ((unit - unit[last]) ** 2).sum(axis=1) / 2.0
        allowed[last] = False
        if m == budget:
            return chosen
        v = (np.sort(table[:, :m], axis=1) / np.arange(1, m + 1)).sum(axis=1)
        chosen.append(int(np.argmax(np.where(allowed, v, -np.inf))))
