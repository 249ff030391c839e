"""NovelSelect and k-center through torch on one device, with the rows that the processor chooses.

As there, rows that cannot win are not looked at (`Candidates` tells why), and the same bounds decide it; the rounds
are fewer and larger. What 10,000 of 396,000 rows of 4,096 dimensions in float16 come to, on paper: 3.2 GB of rows, 0.4
of bins and 0.5 of chosen rows on the device. Distances: at most 3.2e13 operations in float32, a second at 50 Tflop/s;
each is scaled, binned and counted once, about 150 bytes, 0.6 TB or a fifth of a second at 3 TB/s beside the atomic
additions. Scores: 25 to 100 a step, each from all chosen rows again, up to 4e13 operations and as many sorted runs.
Final scores in float64 read 0.16 GB a step, half a second in all. Launches: 310 to 360 a step, counted at n=20,000
with 2 to 3 rounds a step; 3 to 5 million at 5 to 10 microseconds. Launches, then, take the time: 15 to 50 seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._parallel import Crew, memory_bytes
from assay.errors import DataError
from assay.neighbors import norms
from assay.neighbors.same import equal_rows
from assay.neighbors.through_torch import device_of, full_products, room
from assay.select import kernels
from assay.select.candidates import FARTHEST, FEWEST_BINS, MOST_BINS, Candidates

CLOSE = 1e-12  # scores nearer than this, as a share of the best, are settled on the processor
FIRST = 64  # rows that are evaluated in the first round of a step; each further one takes four times as many
COLUMNS = 4096  # chosen rows that are taken in at a time
ROW_BYTES = 96  # kept on the device for each row beside its bins
BLOCK_BYTES = 2**30
ENTRY_BYTES = 64  # of blocks at work, for each distance


def bins_on(name: str, rows: NDArray[np.floating[Any]], most: int, *, wanted: int = MOST_BINS) -> int:
    """Return how many bins a row gets on the device, or raise where pool, chosen rows and blocks do not fit."""
    device = device_of(name)
    n, d = rows.shape
    if device.type == "cuda":
        import torch

        torch.cuda.empty_cache()  # what the search for neighbours has left
        has = torch.cuda.mem_get_info(device)[0]
    else:
        has = memory_bytes()
    fixed = n * (d * rows.dtype.itemsize + ROW_BYTES) + most * (16 * d + 64) + BLOCK_BYTES
    bins = wanted
    while bins > FEWEST_BINS and fixed + 8 * n * bins > has:
        bins //= 2
    if fixed + 8 * n * bins > has:
        raise DataError(
            f"device must have {(fixed + 8 * n * bins) / 1e9:.2f} GB free for {most} of {n} rows of {d} dimensions; "
            f"got {name!r} with {has / 1e9:.2f} GB. Lower the budget, choose from a part of the pool, or use cpu."
        )
    return bins


class Rows:
    """The pool on a device, as it was given; `length` holds the norms."""

    def __init__(self, rows: NDArray[np.floating[Any]], length: NDArray[np.float64], name: str) -> None:
        import torch

        self.device = device_of(name)
        kind = torch.from_numpy(np.empty(0, dtype=rows.dtype)).dtype
        self.given = torch.empty(rows.shape, dtype=kind, device=self.device)
        step = max(1, 2**26 // rows.shape[1])
        for start in range(0, len(rows), step):  # copied, since a mapped file may not be written to
            self.given[start : start + step] = torch.from_numpy(np.array(rows[start : start + step]))
        self.length = self.put(length)
        self.room = min(room(self.device), 2**31)

    def put(self, array: Any) -> Any:
        """Return an array on the device."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def unit(self, rows: Any, kind: Any) -> Any:
        """Return directions of rows, rounded once from float64."""
        return (self.given[rows].double() / self.length[rows, None]).to(kind)

    def stale(self, rows: Any, since: Any, count: int) -> Iterator[tuple[Any, Any, list[tuple[int, int]]]]:
        """Yield rows that have not seen all `count` chosen ones, what each has seen, and spans of those to see."""
        seen = since[rows]
        late = seen < count
        seen, order = seen[late].sort()
        rows = rows[late][order]
        step = max(1, self.room // (16 * self.given.shape[1]))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            width = max(1, min(COLUMNS, self.room // (ENTRY_BYTES * len(some))))
            spans = range(int(seen[start]), count, width)
            yield some, seen[start : start + step], [(first, min(first + width, count)) for first in spans]


def highest(rows: Any, scores: Any, most: int) -> Any:
    """Return those of `rows` with the highest scores."""
    return rows if len(rows) <= most else rows[scores[rows].topk(most).indices]


class TorchCandidates(Candidates):
    """As `Candidates`, on a device. Its `step` gives the same rows, and scores that differ by rounding in float64.

    What float32 leaves open is settled in float64 on the device. Where the best two of different rows are then nearer
    than `CLOSE`, or than rounding, the processor settles it, and `close_calls` counts the step.
    """

    def __init__(
        self,
        rows: NDArray[np.floating[Any]],
        scale: NDArray[np.float64],
        quality: NDArray[np.float64],
        weights: NDArray[np.float64],
        density_side: str,
        by_distance: bool,
        lowest: float,
        highest: float,
        bins: int,
        device: str,
        crew: Crew,
    ) -> None:
        import torch

        super().__init__(rows, scale, quality, weights, density_side, by_distance, lowest, highest, 0, crew)
        (n, d), most = rows.shape, len(weights)
        self.on = on = Rows(rows, self.length, device)
        self.t_kind = torch.float64 if by_distance else torch.float32
        self.t_inverse = None  # what products are multiplied by, where rows are multiplied as they are
        short, long = float(self.length.min()), float(self.length.max())
        if not by_distance and rows.dtype != np.float64 and 1e-12 < short <= long < 1e12:
            self.t_inverse = (1.0 / on.length).float()
        self.own, self.their = float(self.use_own), float(self.use_theirs)
        self.t_scale, self.t_quality, self.t_weights = on.put(scale), on.put(quality), on.put(weights)
        self.t_weights_to = on.put(self.weights_to)
        self.t_grain = on.put(np.minimum(self.grain, 2.0**100))
        self.t_low, self.t_per = on.put(self.low), on.put(np.minimum(self.per, 1e30))
        self.number = 0 if by_distance else bins
        self.t_bins = torch.zeros(n * self.number, dtype=torch.int64, device=on.device)
        self.t_since = torch.zeros(n, dtype=torch.int64, device=on.device)
        self.t_later, self.t_base = (torch.zeros(n, dtype=torch.float64, device=on.device) for _ in range(2))
        self.t_open = torch.ones(n, dtype=torch.bool, device=on.device)
        self.t_picked = torch.empty((most, d), dtype=self.t_kind, device=on.device)
        self.t_exact = torch.empty((most, d), dtype=torch.float64, device=on.device)
        self.told = torch.empty((3, most), dtype=self.t_kind, device=on.device)
        self.close_calls = 0

    def counts(self) -> dict[str, int]:
        """As `Candidates.counts`, and in how many steps the best two were too close for the device."""
        return super().counts() | {"close_calls": self.close_calls}

    def step(
        self,
        vectors: NDArray[np.floating[Any]],
        scales: NDArray[np.float64],
        closed: NDArray[np.int64],
    ) -> tuple[float, float, int] | None:
        """As `Candidates.step`."""
        import torch

        self.allowed[closed] = False
        self.t_open[self.on.put(closed)] = False
        for vector, scale in zip(vectors, scales, strict=True):
            self._add(vector, float(scale))
        if not self.allowed[self.favourite]:
            self.favourite = int(self.allowed.argmax())
            if not self.allowed[self.favourite]:
                return None
        a, b = self._limits()
        current: list[tuple[Any, Any]] = []
        waiting = self.t_open.clone()  # not evaluated in this step
        size = FIRST
        with full_products():
            rows = torch.tensor([self.favourite], device=self.on.device)
            self._bring_up(rows)
            sure = self._score(rows, current)
            waiting[rows] = False
            while True:
                limits = torch.where(
                    waiting, self.t_quality * (self.t_base + self.t_scale * a + b), -torch.inf
                )
                rows = (limits >= sure).nonzero()[:, 0]
                if not len(rows):
                    break
                rows = highest(rows, limits, 4 * size)
                self._bring_up(rows)
                limits[rows] = self.t_quality[rows] * (self.t_base[rows] + self.t_scale[rows] * a + b)
                rows = highest(rows[limits[rows] >= sure], limits, size)
                if len(rows):
                    sure = max(sure, self._score(rows, current))
                    waiting[rows] = False
                size *= 4
            everyone, high = (torch.cat(parts).cpu().numpy() for parts in zip(*current, strict=True))
            return self._settle(sure, [(everyone, high)])

    def _add(self, vector: NDArray[np.floating[Any]], scale: float) -> None:
        m = self.count
        super()._add(vector, scale)
        self.t_exact[m] = self.on.put(vector.astype(np.float64) / self.chosen_length[m])
        self.t_picked[m] = self.t_exact[m]
        self.told[:, m] = self.on.put(np.array([self.d_own[m], self.d_theirs[m], scale]))

    def _products(self, rows: Any, block: Any, first: int, last: int) -> Any:
        """Return the distances of rows, gathered in `block`, to chosen ones."""
        products = block @ self.t_picked[first:last].T
        if self.t_inverse is not None:
            products *= self.t_inverse[rows, None]
        return (1.0 - products).clamp_(min=0.0)

    def _block(self, rows: Any) -> Any:
        """Return rows to multiply with `t_picked`."""
        return self.on.unit(rows, self.t_kind) if self.t_inverse is None else self.on.given[rows].float()

    def _factor(self, rows: Any) -> Any:
        return (self.own * self.t_scale[rows, None]).to(self.t_kind)

    def _bring_up(self, rows: Any) -> None:
        """As `_bring`."""
        import torch

        one = 1 << self.shift
        for some, seen, spans in self.on.stale(rows, self.t_since, self.count):
            self.compared += int((self.count - seen).sum())
            block, factor = self._block(some), self._factor(some)
            low, per, grain = (
                one_of[some, None].to(self.t_kind) for one_of in (self.t_low, self.t_per, self.t_grain)
            )
            for first, last in spans:
                by_own, by_theirs, theirs = self.told[:, first:last]
                gaps = self._products(some, block, first, last)
                new = torch.arange(first, last, device=self.on.device) >= seen[:, None]
                gaps *= new
                grown = self.t_scale[some] * (gaps @ by_own) + gaps @ by_theirs
                self.t_later[some] += grown * (1.0 + 2.0**-11)  # at most 4,096 distances, summed in float32
                if self.number:
                    gaps *= factor + self.their * theirs
                    place = self.number * ((gaps - low) * per).clamp_(min=0.0).sqrt_()
                    place = place.clamp_(max=self.number - 1).long() + some[:, None] * self.number
                    whole = ((gaps * grain).long() + one) * new
                    self.t_bins.scatter_add_(0, place.view(-1), whole.view(-1))
            if self.number:
                self.t_later[some] = torch.minimum(self.t_later[some], self._bound(some))
            self._start_from(some, self.t_later[some])

    def _bound(self, rows: Any) -> Any:
        """As `kernels.bound`."""
        entry = self.t_bins.view(-1, self.number)[rows]
        number = entry >> self.shift
        rank = number.cumsum(1)
        weight = self.t_weights_to[rank] - self.t_weights_to[rank - number]
        total = (entry & ((1 << self.shift) - 1)) + number
        return (weight * total / number.clamp(min=1)).sum(1) / self.t_grain[rows]

    def _start_from(self, rows: Any, scores: Any) -> None:
        """As `_rebase`."""
        self.t_since[rows] = self.count
        self.t_base[rows] = scores - FARTHEST * (self.t_scale[rows] * self.sum_own + self.sum_theirs)

    def _score(self, rows: Any, current: list[tuple[Any, Any]]) -> float:
        """As `_evaluate`."""
        import torch

        m = self.count
        self.evaluations += len(rows)
        theirs, sure = self.told[2, :m], []
        for some in rows.split(max(1, self.on.room // (ENTRY_BYTES * m + 16 * self.on.given.shape[1]))):
            gaps = self._products(some, self._block(some), 0, m)
            if self.by_distance:
                order = (gaps * 2.0**40).round_().sort(dim=1, stable=True).indices
                gaps = (self._factor(some) + self.their * theirs[order]) * gaps.gather(1, order)
            else:
                gaps = (gaps * (self._factor(some) + self.their * theirs)).sort(dim=1).values
            scores = gaps.double() @ self.t_weights[:m]
            self.t_later[some] = scores
            self._start_from(some, scores)
            rounding = self.error * (self.t_scale[some] * self.sum_own + self.heaviest)
            current.append((some, self.t_quality[some] * (scores + rounding)))
            sure.append((self.t_quality[some] * (scores - rounding)).max())
        return float(torch.stack(sure).max())

    def _exact(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        scores = super()._exact(rows) if self.by_distance else self._scores_in_float64(rows)
        values = self.quality[rows] * scores
        rounding = (self.rows.shape[1] + 24) * 2.0**-53 * (self.scale[rows] * self.sum_own + self.heaviest)
        best = float(values.max())
        apart = max(CLOSE * best, 4.0 * float((self.quality[rows] * rounding).max()))
        near = np.flatnonzero(values >= best - apart)
        if len(near) > 1:
            if _all_alike(self.rows[rows[near]], self.scale[rows[near]], self.quality[rows[near]]):
                scores[near] = scores[near[0]]
            else:
                self.close_calls += 1
                if not self.by_distance:
                    scores[near] = super()._exact(rows[near])
        return scores

    def _scores_in_float64(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        import torch

        m, (_, d) = self.count, self.rows.shape
        theirs = self.on.put(self.theirs[:m])
        out = []
        for some in self.on.put(rows).split(max(1, self.on.room // (ENTRY_BYTES * m + 16 * d))):
            gaps = (1.0 - self.on.unit(some, torch.float64) @ self.t_exact[:m].T).clamp_(min=0.0)
            gaps *= self.own * self.t_scale[some, None] + self.their * theirs
            out.append(gaps.sort(dim=1).values @ self.t_weights[:m])
        return np.asarray(torch.cat(out).cpu().numpy())


class TorchCenters:
    """The candidates of k-center on a device: the distance of every row to its nearest chosen one.

    Exact in float64 for rows up to date, for others a bound; float32 products tell which pairs can matter.
    """

    def __init__(
        self,
        rows: NDArray[np.floating[Any]],
        quality: NDArray[np.float64],
        most: int,
        device: str,
        crew: Crew,
    ) -> None:
        import torch

        del crew  # nothing here is worth several threads
        bins_on(device, rows, most, wanted=0)
        n, d = rows.shape
        self.rows, self.length, self.quality = rows, norms(rows), quality
        self.on = on = Rows(rows, self.length, device)
        self.slack = (d + 24) * 2.0**-24  # of a float32 distance, for any order of summation
        self.rounding = (d + 16) * 2.0**-53
        self.t_quality = on.put(quality)
        self.t_near = torch.full((n,), torch.inf, dtype=torch.float64, device=on.device)
        self.t_since = torch.zeros(n, dtype=torch.int64, device=on.device)
        self.t_open = torch.ones(n, dtype=torch.bool, device=on.device)
        self.t_picked = torch.empty((most, d), dtype=torch.float32, device=on.device)
        self.t_chosen = torch.empty((most, d), dtype=on.given.dtype, device=on.device)
        self.t_chosen_length = torch.empty(most, dtype=torch.float64, device=on.device)
        self.chosen = np.empty((most, d), dtype=np.promote_types(rows.dtype, np.float32))
        self.chosen_length = np.empty(most)
        self.count = self.computed = self.close_calls = 0

    def step(
        self, vectors: NDArray[np.floating[Any]], scales: NDArray[np.float64], closed: NDArray[np.int64]
    ) -> tuple[float, float, int] | None:
        """Take in rows that were chosen, close some candidates, and return the best of the others.

        Its distance times its quality, its distance, its row: the lowest of several. None where all are closed.
        `scales` has no part in it.
        """
        self.t_open[self.on.put(closed)] = False
        for vector, length in zip(vectors, norms(vectors), strict=True):
            m = self.count
            self.chosen[m], self.chosen_length[m] = vector, length
            self.t_chosen[m], self.t_chosen_length[m] = self.on.put(vector), float(length)
            self.t_picked[m] = self.on.put(vector.astype(np.float64) / length)
            self.count += 1
        return self._farthest(self.t_quality, self.quality, self.t_open)

    def radius(self) -> float:
        """Return the largest distance of a row, closed or not, to its nearest chosen one."""
        ones, calls = np.ones(len(self.rows)), self.close_calls
        found = self._farthest(self.on.put(ones), ones, self.t_open | True)
        self.close_calls = calls
        return found[1] if found else 0.0

    def counts(self) -> dict[str, int]:
        """Return how many distances were compared, and how many choices the processor settled."""
        return {"compared": self.computed, "close_calls": self.close_calls}

    def _farthest(
        self, weights: Any, quality: NDArray[np.float64], allowed: Any
    ) -> tuple[float, float, int] | None:
        import torch

        size = 4 * FIRST
        with full_products():
            while True:
                scores = torch.where(allowed, weights * self.t_near, -1.0)
                late = self.t_since < self.count
                sure = torch.where(late, -1.0, scores).max()
                rows = (late & allowed & (scores >= sure)).nonzero()[:, 0]
                if not len(rows):
                    break
                self._bring_up(highest(rows, scores, size))
                size *= 4
        # a small distance comes from differences and is exact to a share of itself
        rounding = torch.where(self.t_near >= 5e-10, 2.0 * self.rounding, 0.0)
        low = torch.where(allowed, weights * (self.t_near - rounding), -1.0).max()
        if low <= -1.0:
            return None
        close = allowed & ~late & (weights * (self.t_near + rounding) >= low * (1.0 - CLOSE))
        rows = close.nonzero()[:, 0].cpu().numpy()
        near = self.t_near[self.on.put(rows)].cpu().numpy()
        if len(rows) > 1 and near.max() > 0:
            if _all_alike(self.rows[rows], quality[rows], self.length[rows]):
                near[:] = near[0]
            else:
                self.close_calls += 1
                near = self._exact(rows)
        values = quality[rows] * near
        top = int(values.argmax())
        return float(values[top]), float(near[top]), int(rows[top])

    def _exact(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distances of rows to their nearest chosen ones as the processor computes them."""
        m = self.count
        close, gaps = self.rows[rows].astype(self.chosen.dtype), np.empty((len(rows), m))
        kernels.distances(0, m, close, self.length[rows], self.chosen, self.chosen_length, gaps)
        return np.asarray(gaps.min(axis=1))

    def _bring_up(self, rows: Any) -> None:
        """Bring rows up to date."""
        import torch

        for some, seen, spans in self.on.stale(rows, self.t_since, self.count):
            self.computed += int((self.count - seen).sum())
            block = self.on.unit(some, torch.float32)
            for first, last in spans:
                gaps = 1.0 - block @ self.t_picked[first:last].T
                gaps.masked_fill_(torch.arange(first, last, device=self.on.device) < seen[:, None], torch.inf)
                lowest = gaps.min(dim=1).values + 2.0 * self.slack
                bar = torch.minimum(lowest, (self.t_near[some] + self.slack).float() + 2.0**-22)
                i, j = (gaps <= bar[:, None]).nonzero().unbind(1)
                pairs = max(1, self.on.room // (64 * self.on.given.shape[1]))
                for row, mate in zip(some[i].split(pairs), (j + first).split(pairs), strict=True):
                    self.t_near.scatter_reduce_(0, row, self._gaps(row, mate), "amin")
            self.t_since[some] = self.count

    def _gaps(self, rows: Any, chosen: Any) -> Any:
        """Return cosine distances of pairs in float64, by differences where rounding would show."""
        import torch

        a, b = self.on.given[rows].double(), self.t_chosen[chosen].double()
        long_a, long_b = self.on.length[rows], self.t_chosen_length[chosen]
        gaps = 1.0 - (a * b).sum(1) / (long_a * long_b)
        steps = a / long_a[:, None] - b / long_b[:, None]
        return torch.where(gaps < 1e-9, 0.5 * (steps * steps).sum(1), gaps)


def _all_alike(rows: NDArray[np.floating[Any]], *numbers: NDArray[np.float64]) -> bool:
    """Return whether rows are copies of one, with the same numbers beside."""
    return not equal_rows(rows)[0].any() and all((number == number[0]).all() for number in numbers)
