"""Selection against the description's vectors and a full sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.weights import RANKINGS, levels, select, tally
from tests.golden import weights as golden
from tests.oracles import weights as oracle

PERCENTS = [0, 0.7, 5, 33.3, 60, 99.9, 100]
SCORES = ["relative", "absolute", "scaled", "magnitude", "random"]


def chunked(tensors, size=None, shuffle=None):
    """Chunks of so many weights, in the order of names or in one that a seed decides."""
    parts = [
        (name, start, p[start : start + (size or len(p))], s[start : start + (size or len(p))])
        for name, (p, s) in sorted(tensors.items())
        for start in range(0, len(p), size or len(p))
    ]
    if shuffle is not None:
        parts = [parts[i] for i in np.random.default_rng(shuffle).permutation(len(parts))]
    return lambda: iter(parts)


def places(selection, chunks):
    """What each percent takes, as sets of (tensor, index)."""
    out = [set() for _ in selection.percents]
    for chunk in chunks():
        found = levels(selection, chunk)
        for j, into in enumerate(out):
            into.update((chunk[0], chunk[1] + int(i)) for i in np.flatnonzero(found <= j))
    return out


def bf16(x):
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def fp16(x):
    return x.astype(np.float16).astype(np.float32)


def made(kind):
    """Tensors of one kind of weights, named so that their order is not that of the dictionary."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, n in (("b", 41), ("a.10", 64), ("a.2", 13), ("c", 1)):
        p = rng.normal(0, 0.015, n).astype(np.float32)
        s = (p + rng.normal(0, 3e-5, n)).astype(np.float32)
        match kind:
            case "tied":
                p, s = np.round(p, 2), np.round(p, 2) + rng.integers(-1, 2, n).astype(np.float32) / 64
            case "constant":
                p, s = np.full(n, 0.5, np.float32), np.full(n, 0.75, np.float32)
            case "zero":
                p, s = np.zeros(n, np.float32), np.zeros(n, np.float32)
            case "denormal":
                p, s = (rng.integers(-3, 4, n).astype(np.float32) * np.float32(1e-45) for _ in range(2))
            case "bf16":
                p, s = bf16(p), bf16(s)
            case "fp16":
                p, s = fp16(p), fp16(s)
            case "signed zeros":
                p, s = (rng.choice(np.array([0.0, -0.0, 1, -1], np.float32), n) for _ in range(2))
        tensors[name] = p.astype(np.float32), s.astype(np.float32)
    return {"w": tensors["c"]} if kind == "one" else tensors


KINDS = ["random", "tied", "constant", "zero", "denormal", "bf16", "fp16", "signed zeros", "one"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ranking", SCORES)
@pytest.mark.parametrize("bottom", [False, True])
def test_equals_a_full_sort(kind, ranking, bottom):
    tensors = made(kind)
    for among in ("all", "changed"):
        ranked = oracle.order(tensors, ranking, bottom=bottom, among=among)
        expected = [
            set(oracle.taken(tensors, percent, ranking, bottom=bottom, among=among)) for percent in PERCENTS
        ]
        for size, shuffle in ((1, None), (7, None), (None, None), (7, 1)):
            chunks = chunked(tensors, size, shuffle)
            found = select(chunks, PERCENTS, ranking=ranking, bottom=bottom, among=among)
            assert places(found, chunks) == expected
            assert found.counts == tuple(len(one) for one in expected)
        assert len(expected[-1]) == len(ranked)


@pytest.mark.parametrize("kind", ["random", "tied", "bf16"])
def test_percents_of_one_run_equal_runs_of_their_own_and_hold_what_a_loop_adds_up(kind):
    tensors = made(kind)
    chunks = chunked(tensors, 7)
    together = select(chunks, PERCENTS)
    assert select(chunked(tensors), PERCENTS).groups == together.groups  # to the last bit of every sum
    everything = [(name, i) for name, (p, _) in tensors.items() for i in range(len(p))]
    whole = oracle.sums(tensors, everything)
    before: set = set()
    for j, (percent, taken) in enumerate(zip(PERCENTS, places(together, chunks), strict=True)):
        alone = select(chunks, [percent])
        assert alone.groups[""].thresholds[0] == together.groups[""].thresholds[j]
        assert before <= taken
        before = taken
        held = [a / b for a, b in zip(oracle.sums(tensors, taken), whole, strict=True)]
        assert together.shares[j] == pytest.approx(held, rel=1e-12)
        table = tally(together, chunked(tensors, 5, 3), by=lambda name: name)
        assert table.shares[j, 2:] == pytest.approx(held, rel=1e-12)
        for g, name in enumerate(table.groups):
            mine = [one for one in taken if one[0] == name]
            assert table.taken[g, j, 0] == len(mine)
            assert table.taken[g, j, 1] == sum(tensors[name][0][i] != tensors[name][1][i] for _, i in mine)


def test_the_vectors_of_the_description():
    p, s = np.array(golden.P, np.float32), np.array(golden.S, np.float32)
    for size in (1, 3, 8):
        chunks = chunked({"w": (p, s)}, size)
        found = select(chunks, list(golden.TAKEN))
        assert [{i for _, i in one} for one in places(found, chunks)] == list(golden.TAKEN.values())
        for j, (absolute, energy) in enumerate(golden.SHARES.values()):
            assert found.shares[j, 1] == pytest.approx(absolute, abs=6e-7)
            assert found.shares[j, 2] == pytest.approx(energy, abs=6e-7)
        assert found.shares[0, 2] == pytest.approx(golden.SHARES[12.5][1], rel=1e-3)
        assert found.groups[""].changed == 5
        assert tally(found, chunks, by=str).effective_percents[-1] == 62.5


def test_groups_have_thresholds_of_their_own():
    tensors = {f"layers.{i}.{name}": pair for i in (0, 1, 10) for name, pair in made("tied").items()}
    for group_of in (str, lambda name: name.split(".")[1]):
        chunks = chunked(tensors, 7)
        found = select(chunks, PERCENTS, group_of=group_of)
        for j, (percent, taken) in enumerate(zip(PERCENTS, places(found, chunks), strict=True)):
            expected = set()
            for group in found.groups:
                mine = {name: pair for name, pair in tensors.items() if group_of(name) == group}
                expected |= set(oracle.taken(mine, percent, "relative"))
            assert taken == expected
            assert found.counts[j] == len(expected)
    parts = [(name, 0, *tensors["layers.0.b"]) for name in ("a", "b", "a")]
    with pytest.raises(DataError, match="chunks must come group by group; 'a' came twice"):
        select(lambda: parts, [1], group_of=str)
    with pytest.raises(DataError, match=r"must be of a group of the selection; got tensor layers\.7\.x"):
        levels(found, ("layers.7.x", 0, *tensors["layers.0.b"]))


def test_ties_taken_all_or_none():
    tensors = made("tied")
    chunks = chunked(tensors, 7)
    first, everyone, nobody = (
        places(select(chunks, PERCENTS, ties=t), chunks) for t in ("first", "all", "none")
    )
    score = {
        (name, i): oracle.score("relative", name, i, p[i], s[i])
        for name, (p, s) in tensors.items()
        for i in range(len(p))
    }
    for some, more, fewer in zip(first, everyone, nobody, strict=True):
        border = min((score[one] for one in some), default=np.inf)
        assert more == {one for one, value in score.items() if value >= border}
        strict = {one for one, value in score.items() if value > border}
        assert fewer == (more if len(more) == len(some) else strict)
    assert any(len(a) > len(b) > len(c) for a, b, c in zip(everyone, first, nobody, strict=True))


@pytest.mark.parametrize("ranking", ["relative", "absolute", "random"])
def test_energy_is_held_by_the_fewest_in_order(ranking):
    tensors = made("random")
    chunks = chunked(tensors, 7)
    found = select(chunks, PERCENTS, of="energy", ranking=ranking)
    ranked = oracle.order(tensors, ranking)
    whole = oracle.sums(tensors, ranked)[2]
    for percent, taken, share in zip(PERCENTS, places(found, chunks), found.shares[:, 2], strict=True):
        assert taken == set(ranked[: len(taken)])
        assert share >= percent / 100 - 1e-12
        assert not taken or oracle.sums(tensors, ranked[: len(taken) - 1])[2] < whole * percent / 100
    alike = made("constant")
    assert select(chunked(alike), [0, 10, 50, 100], of="energy").counts == (0, 12, 60, 119)
    assert select(chunked(made("zero")), [0, 50, 100], of="energy").counts == (0, 0, 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=st.lists(
        st.tuples(
            *[st.sampled_from([0.0, -0.0, 1e-45, 1e-8, 0.5, -0.5, 1.0, 3.0]) | st.floats(-4, 4, width=32)] * 2
        ),
        min_size=1,
        max_size=40,
    ),
    split=st.integers(1, 9),
    size=st.integers(1, 9),
    percent=st.floats(0, 100).map(lambda x: round(x, 2)),
    ranking=st.sampled_from(["relative", "absolute", "magnitude", "random"]),
    bottom=st.booleans(),
)
def test_any_weights_and_any_chunks(values, split, size, percent, ranking, bottom):
    p, s = (np.array(column, np.float32) for column in zip(*values, strict=True))
    tensors = {f"t{i}": (p[i::split], s[i::split]) for i in range(min(split, len(p)))}
    chunks = chunked(tensors, size, shuffle=size)
    found = select(chunks, [percent], ranking=ranking, bottom=bottom)
    assert places(found, chunks) == [set(oracle.taken(tensors, percent, ranking, bottom=bottom))]


def test_a_full_sort_of_many_weights():
    """65,536 bins, full and empty ones, at a size that a stable sort still does."""
    rng = np.random.default_rng(1)
    p = rng.normal(0, 0.015, 300_000).astype(np.float32)
    for turn in (lambda x: x, bf16):
        a, b = turn(p), turn(p + rng.normal(0, 3e-5, len(p)).astype(np.float32))
        chunks = chunked({"w": (a, b)}, 70_001)
        r = np.abs(b - a) / (np.abs(a) + np.float32(1e-8))
        ranked = np.argsort(-r, kind="stable")
        found = select(chunks, golden.PERCENTS)
        level = np.concatenate([levels(found, chunk) for chunk in chunks()])
        for j, percent in enumerate(golden.PERCENTS):
            assert (np.sort(ranked[: 3000 * percent]) == np.flatnonzero(level <= j)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ranking", ["relative", "random", "magnitude", "official_bf16"])
@pytest.mark.parametrize("side", ["original", "tuned"])
def test_what_is_not_finite_is_refused_by_name(bad, ranking, side):
    tensors = made("random")
    tensors["a.2"][side == "tuned"][9] = bad
    with pytest.raises(
        DataError, match=rf"1 of 6 of a.2 \({side}\) from 7 on are nan or infinite, first .* at 9"
    ):
        select(chunked(tensors, 7), [1], ranking=ranking)


def test_other_errors():
    tensors = made("random")
    chunks = chunked(tensors, 7)
    for percents in ([], [5, 1], [1, 1], list(np.linspace(0, 100, 255))):
        with pytest.raises(DataError, match="percents must be 1 to 254 numbers that rise"):
            select(chunks, percents)
    with pytest.raises(DataError, match="percents must be from 0 to 100; got 101"):
        select(chunks, [101])
    with pytest.raises(DataError, match="Did you mean 'relative'"):
        select(chunks, [1], ranking="relativ")
    with pytest.raises(DataError, match="at least one weight"):
        select(lambda: iter(()), [1])
    parts = list(chunks())
    once = iter([parts, parts[1:]])
    with pytest.raises(DataError, match="must be the same at every call"):
        select(lambda: next(once), PERCENTS)
    p, s = np.zeros(3, np.float32), np.array([0, 1e35, 1], np.float32)
    with pytest.raises(DataError, match=r"changes must be within float32; w goes from 0.0 to 1\S* at 1"):
        select(lambda: [("w", 0, p, s)], [1])
    with pytest.raises(DataError, match="as many as the original's"):
        select(lambda: [("w", 0, p, s[:2])], [1])


def test_every_ranking_has_a_row():
    for name, row in RANKINGS.items():
        chunks = chunked(made("random"))
        assert select(chunks, [10], ranking=name).counts == (11,), name
        assert row.summary
        assert row.source
