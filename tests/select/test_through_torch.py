"""NovelSelect and k-center through torch, here on the processor: the rows that the other code chooses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.errors import DataError
from assay.neighbors import local_density, through_torch
from assay.select import kcenter, novelselect
from assay.select.through_torch import bins_on
from tests.golden.vectors import T3_R
from tests.select.test_novelselect import problem

DEVICE = "torch:cpu"


def both(select, *arguments, **options):
    """Return what is chosen through torch, after a look at whether it is what is chosen without."""
    expected = select(*arguments, **options)
    found = select(*arguments, device=DEVICE, **options)
    assert found.indices.tolist() == expected.indices.tolist()
    assert_allclose(found.gains, expected.gains, rtol=1e-12, atol=1e-14)
    if select is kcenter:
        assert_allclose(found.facts["radius"], expected.facts["radius"], rtol=1e-12)
    return found


@pytest.fixture
def small_blocks(monkeypatch):
    """Let blocks hold a few rows and chosen rows only."""
    monkeypatch.setattr(through_torch, "ON_PROCESSOR", 2**11)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("seed", range(100))
def test_novelselect(seed, request):
    if seed % 5 == 0:
        request.getfixturevalue("small_blocks")
    pool, options, _ = problem(seed)
    statistic = options.get("density_statistic") or (
        "mean_sq_l2" if options["variant"] == "official" else "sum_cosine"
    )
    density = local_density(pool, neighbors=options["neighbors"], statistic=statistic)
    both(novelselect, pool, density=density, **options)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("seed", range(60))
def test_kcenter(seed, request):
    if seed % 5 == 0:
        request.getfixturevalue("small_blocks")
    pool, options, _ = problem(seed)
    rules = ("budget", "quality", "quality_power", "start", "initial_selected", "groups", "max_per_group")
    options = {name: options[name] for name in rules if name in options}
    if "groups" not in options:  # to the end, where only copies are left
        options["budget"] = len(pool) - len(options.get("initial_selected", ()))
    both(kcenter, pool, **options)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_many_rows(dtype, tmp_path):
    """So many that most are left out of most steps; from a file that may not be written to, float16 as it is."""
    rng = np.random.default_rng(0)
    rows = 0.7 * rng.normal(size=(40, 24))[rng.integers(40, size=3000)] + rng.normal(size=(3000, 24))
    np.save(tmp_path / "pool.npy", rows.astype(dtype))
    pool = np.load(tmp_path / "pool.npy", mmap_mode="r")
    density = rng.uniform(0.5, 2, size=3000)
    for side in ("both", "self"):
        found = both(novelselect, pool, budget=300, density=density, density_side=side)
        assert found.facts["evaluations_share"] < 0.02
        assert found.facts["close_calls"] == 0
    found = both(kcenter, pool, budget=300)
    assert found.facts["distances_share"] < 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_close_calls_are_settled_and_counted(dtype):
    angle = np.arange(1, 8) * 0.4
    angle = np.concatenate([[0.0], angle, -angle])  # mirrored rows are equally far from the first
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(dtype)
    density = 1 + angle**2
    for options in ({"density": density}, {"density": density, "variant": "paper"}):
        assert both(novelselect, rows, budget=12, start=0, **options).facts["close_calls"] > 0
    assert both(kcenter, rows, budget=12, start=0).facts["close_calls"] > 0


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
def test_copies_are_no_close_calls():
    rows = np.concatenate([T3_R] * 3)
    density = np.tile(local_density(T3_R, neighbors=3), 3)
    for options in ({}, {"density_side": "self"}):
        assert both(novelselect, rows, budget=40, density=density, **options).facts["close_calls"] == 0
    assert both(kcenter, rows, budget=40, start=0).facts["close_calls"] == 0


def test_goes_on_from_a_checkpoint(tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    options = {"density": np.random.default_rng(1).uniform(1, 2, size=400), "device": DEVICE}
    novelselect(rows, budget=30, checkpoint=tmp_path / "part.npz", **options)
    found = novelselect(rows, budget=90, checkpoint=tmp_path / "part.npz", **options)
    assert found.indices.tolist() == novelselect(rows, budget=90, **options).indices.tolist()


def test_errors():
    for select in (novelselect, kcenter):
        with pytest.raises(DataError, match=r"device must be cpu, cuda or cuda:N; got 'gpu'\."):
            select(T3_R, budget=3, device="gpu")
        with pytest.raises(DataError, match=r"device must be one that this machine has; got 'cuda:99' and"):
            select(T3_R, budget=3, device="cuda:99")
    huge = np.broadcast_to(np.float16(1), (10**9, 4096))
    with pytest.raises(
        DataError, match=r"device must have 8\d{3}\.\d\d GB free for 10 of 1000000000 rows of 4096 .* with \d"
    ):
        bins_on(DEVICE, huge, 10)
