"""All that is told of two models: by hand, against independent changes, for adapters, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import diff, drawn_spread, null_shares, open_pair, redrawn
from assay.weights.official import to_bf16, to_fp16
from tests.weights.made import write_floats, write_model, write_safetensors

ATTENTION, MLP = (
    f"model.layers.{n}.{name}.weight" for n, name in ((0, "self_attn.q_proj"), (1, "mlp.up_proj"))
)
EMBEDDING = "model.embed_tokens.weight"


def by_hand(place):
    """Write the vector of the page, in two matrices: r is .5 0 .5 100000 and .25 .5 0 0."""
    one = np.ones((2, 2), np.float32)
    p = {ATTENTION: np.array([[1, -2], [0.5, 0]]), MLP: np.array([[4, -0.25], [0, 8]]), EMBEDDING: one}
    s = {
        ATTENTION: np.array([[1.5, -2], [0.75, 0.001]]),
        MLP: np.array([[5, -0.125], [0, 8]]),
        EMBEDDING: one * 9,
    }
    return write_model(place / "p", p), write_model(place / "s", s)


@pytest.fixture
def page(tmp_path):
    return diff(open_pair(*by_hand(tmp_path)), [12.5, 25, 50], draws=0)


def test_shares_by_hand(page):
    rows = {(row["of"], row["percent"]): row for row in page.share_rows()}
    # taken: the third of q; then, of the three .5, the first in order of names and places: q's two
    assert rows["sum r", 12.5]["share"] == pytest.approx(100 * 100000.0078125 / 100001.7578125, abs=1e-5)
    for percent, absolute, squared in ((12.5, 0.001, 1e-6), (25, 0.501, 0.250001), (50, 0.876, 0.328126)):
        assert rows["sum |d|", percent]["share"] == pytest.approx(100 * absolute / 1.876, rel=1e-6)
        assert rows["sum d^2", percent]["share"] == pytest.approx(100 * squared / 1.328126, rel=1e-6)
    assert page.sigma == pytest.approx((85.3125 / 8) ** 0.5)
    formula = 100 * null_shares([25], counts=page.sizes)[0]
    assert [rows[of, 25]["gaussian"] for of in ("sum r", "sum |d|", "sum d^2")] == pytest.approx(
        formula.tolist()
    )
    assert rows["sum d^2", 25]["constant"] == pytest.approx(25)
    assert rows["sum r", 25]["shuffled"] is rows["sum r", 25]["drawn_sd"] is None


def test_groups_by_hand(page):
    [attention, mlp] = sorted(page.rows("region"), key=lambda row: row["region"])
    assert (attention["weights"], attention["unchanged"], mlp["unchanged"]) == (4, 25, 50)
    assert attention["share_weights"] == 50
    assert attention["share_absolute"] == pytest.approx(100 * 0.751 / 1.876)
    assert mlp["share_squared"] == pytest.approx(100 * 1.015625 / 1.328126)
    assert (mlp["relative"], mlp["absolute"], mlp["signed"], mlp["largest"]) == pytest.approx(
        (0.1875, 1.125 / 4, 1.125 / 4, 1)
    )
    assert mlp["scaled"] == pytest.approx(1.125 / 4 / np.std([4, -0.25, 0, 8]))
    assert mlp["norm_ratio"] == pytest.approx((1.015625 / 80.0625) ** 0.5)
    found = {(row["region"], row["percent"]): row for row in page.enrichment_rows("region")}
    assert [found["attention", k]["taken"] for k in (12.5, 25, 50)] == [1, 2, 3]
    assert [found["attention", k]["enrichment"] for k in (12.5, 25, 50)] == [2, 2, 1.5]
    assert [found["mlp", k]["enrichment"] for k in (12.5, 25, 50)] == [0, 0, 0.5]
    assert found["mlp", 50]["drawn"] is None
    assert [(row["layer"], row["module"], row["taken"]) for row in page.enrichment_rows("cell")[-3:]] == [
        (1, "mlp.up_proj", 0), (1, "mlp.up_proj", 0), (1, "mlp.up_proj", 1)
    ]  # fmt: skip
    assert [row["layer"] for row in page.rows("layer")] == [0, 1]
    assert [row["tensor"] for row in page.rows("tensor")] == [ATTENTION, MLP]
    [row] = page.rows("all")
    assert (row["weights"], row["unchanged"], row["share_squared"]) == (8, 37.5, 100)
    with pytest.raises(DataError, match="by must be one of"):
        page.rows("head")


def test_magnitudes_by_hand(page):
    assert {row["from"]: (row["original"], row["change"]) for row in page.magnitude_rows()} == {
        0: (2, 3), 2.0**-10: (0, 1), 0.125: (0, 1), 0.25: (1, 1), 0.5: (1, 1), 1: (1, 1), 2: (1, 0), 4: (1, 0),
        8: (1, 0),
    }  # fmt: skip


def test_two_equal_models(tmp_path):
    folder, _ = by_hand(tmp_path)
    found = diff(open_pair(folder, folder), [50])
    assert {row["share"] for row in found.share_rows()} == {None}
    assert {row["shuffled"] for row in found.share_rows()} == {None}
    [row] = found.rows("all")
    assert (row["unchanged"], row["share_relative"], row["norm_ratio"]) == (100, None, 0)


def test_numbers_out_of_range(tmp_path):
    pair = open_pair(*by_hand(tmp_path))
    with pytest.raises(DataError, match=r"draws must be >= 0; got -1\."):
        diff(pair, draws=-1)
    with pytest.raises(DataError, match=r"percents must be 1 to 254 numbers that rise; got \[5\.0, 1\.0\]"):
        diff(pair, [5, 1])


def test_progress_ends_at_its_total(tmp_path):
    seen = []
    diff(open_pair(*by_hand(tmp_path)), draws=2, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, 12))
    assert {total for _, total in seen} == {11}


def test_a_shuffled_model_has_the_same_changes():
    p = np.zeros(1000, np.float32)
    s = np.arange(1000, dtype=np.float32)
    chunks = [("a", 0, p, s), ("a", 1000, p, s), ("b", 0, p, s)]
    again = redrawn(lambda: chunks, seed=3)
    first, second = list(again()), list(again())
    assert [chunk[:2] for chunk in first] == [chunk[:2] for chunk in chunks]
    for one, other in zip(first, second, strict=True):
        assert (one[3] == other[3]).all()
        assert (np.sort(one[3]) == s).all()
    orders = {chunk[3].tobytes() for chunk in first} | {
        chunk[3].tobytes() for chunk in redrawn(lambda: chunks)()
    }
    assert len(orders) == 6


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize("sigma", [2e-5, 2e-3])
def test_drawn_changes_are_as_large_once_stored(dtype, on_grid, sigma):
    turn = {"F32": np.asarray, "BF16": to_bf16, "F16": to_fp16}[dtype]
    random = np.random.default_rng(0)
    p = (random.standard_normal(200_000) * 0.02).astype(np.float32)
    p = turn(p) if on_grid else p
    s = turn(p + (random.standard_normal(p.size) * sigma).astype(np.float32))
    mean = float(np.abs(s - p).mean(dtype=np.float64))
    exponents = np.bincount(p.view(np.uint32) >> 23 & 255, minlength=256)
    spread = drawn_spread(mean, exponents, dtype=dtype, on_grid=on_grid)
    [(_, _, _, drawn)] = redrawn(
        lambda: [("w", 0, p, s)], how="drawn", spreads={"w": spread}, dtypes={"w": dtype}, seed=1
    )()
    assert float(np.abs(drawn - p).mean(dtype=np.float64)) == pytest.approx(mean, rel=0.06)
    if on_grid or sigma == 2e-3:
        assert spread == pytest.approx(sigma, rel=0.03)


def test_a_null_needs_its_spreads():
    one = np.ones(1, np.float32)
    with pytest.raises(DataError, match=r"spreads must have every tensor for 'drawn'; w is missing\."):
        list(redrawn(lambda: [("w", 0, one, one)], how="drawn", spreads={})())
    with pytest.raises(DataError, match="how must be one of"):
        redrawn(list, how="guessed")


def independent(place, *, stored):
    """Write a model, and one of changes that do not look at it: twice as large in one of its matrices."""
    random = np.random.default_rng(5)
    sides = ({}, {})
    for layer in range(2):
        for name in ("q_proj", "v_proj"):
            size = 3e-5 * (1 + (name == "v_proj"))
            p = to_bf16((random.standard_normal((400, 300)) * 0.015).astype(np.float32))
            s = p + (random.standard_normal(p.shape) * size).astype(np.float32)
            for side, values in zip(sides, (p, to_bf16(s) if stored == "BF16" else s), strict=True):
                side[f"model.layers.{layer}.self_attn.{name}.weight"] = values
    folders = []
    for name, side in zip(("p", "s"), sides, strict=True):
        folder = write_model(place / name, side)
        if stored == "BF16" and name == "s":
            write_safetensors(
                folder / "model.safetensors",
                {
                    key: ("BF16", list(v.shape), (v.view(np.uint32) >> 16).astype("<u2").tobytes())
                    for key, v in side.items()
                },
            )
        folders.append(folder)
    return open_pair(*folders)


@pytest.mark.parametrize("stored", ["F32", "BF16"])
def test_chance_is_what_independent_changes_give(tmp_path, stored):
    found = diff(independent(tmp_path, stored=stored), [5, 20, 60], draws=3)
    rows = {(row["of"], row["percent"]): row for row in found.share_rows()}
    for (of, _), row in rows.items():
        near = 6 if of == "sum r" else 0.6
        assert row["drawn"] == pytest.approx(row["share"], abs=near)
        if stored == "F32":
            assert row["shuffled"] == pytest.approx(row["share"], abs=near)
    if stored == "BF16":  # steps of large weights on small ones: why the other null is there
        assert rows["sum d^2", 20]["shuffled"] > rows["sum d^2", 20]["share"] + 10
    moved = {(row["module"], row["percent"]): row for row in found.enrichment_rows("module")}
    more = moved["self_attn.v_proj", 20]
    assert more["enrichment"] > 1.2
    for percent in (20, 60):  # in bf16 no 60 % changed: what fills the quota by its name is not counted
        more = moved["self_attn.v_proj", percent]
        assert more["drawn"] == pytest.approx(more["enrichment"], abs=0.02)
        filled = sum(row["taken"] - row["changed"] for (_, at), row in moved.items() if at == percent)
        assert (filled > 0) == ((stored, percent) == ("BF16", 60))


def test_an_adapter_is_told_as_its_merge(tmp_path):
    random = np.random.default_rng(0)
    p = {name: random.standard_normal((6, 6)).astype(np.float32) for name in (ATTENTION, MLP, EMBEDDING)}
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((2, 6), (6, 2)))
    base = write_model(tmp_path / "base", p)
    module = ATTENTION.removesuffix(".weight")
    write_floats(
        tmp_path / "lora" / "adapter_model.safetensors",
        {f"base_model.model.{module}.lora_{part}.weight": values for part, values in (("A", a), ("B", b))},
    )
    (tmp_path / "lora" / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    merged = write_model(tmp_path / "merged", p | {ATTENTION: p[ATTENTION] + 2 * (b @ a)})
    found, wanted = (diff(open_pair(base, tuned), [10, 50]) for tuned in (tmp_path / "lora", merged))
    assert [row["unchanged"] for row in found.rows("region")] == [0, 100]
    for one, other in zip(found.share_rows(), wanted.share_rows(), strict=True):
        for name in ("share", "shuffled", "drawn", "gaussian"):
            assert one[name] == pytest.approx(other[name], rel=1e-4)
    by_module = {
        (row["module"], row["percent"]): row["enrichment"] for row in found.enrichment_rows("module")
    }
    assert by_module["self_attn.q_proj", 10] == by_module["self_attn.q_proj", 50] == 2


def test_memory_does_not_grow_with_the_models(tmp_path):
    def peak(count):
        p = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
        names = [f"model.layers.{n}.mlp.up_proj.weight" for n in range(count)]
        folders = [
            write_model(tmp_path / f"{name} {count}", dict.fromkeys(names, values))
            for name, values in (("p", p), ("s", p * np.float32(1.001)))
        ]
        pair = open_pair(*folders)
        tracemalloc.start()
        diff(pair, [10])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(3), peak(6)
    assert large < small + 2**20
    assert large < 40 * 2**20 + 2 * 2 * 2**20 + 2**22
