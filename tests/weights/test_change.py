"""Sums of changes against one loop over all weights, by hand, and whatever the slices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import changes, grouped, open_pair
from tests.weights.made import llama_arrays, write_model


def by_definition(p, s):
    """Return the fields of a change, weight by weight, from section 6 of the page."""
    mean = sum(map(float, p)) / len(p)
    spread = max(math.sqrt(sum((float(x) - mean) ** 2 for x in p) / len(p)), 1e-8)
    found = dict.fromkeys(
        ("size", "unchanged", "relative", "absolute", "signed", "squared", "scaled", "original", "largest"),
        0.0,
    )
    for x, y in zip(p, s, strict=True):
        d = float(np.float32(y) - np.float32(x))
        found["size"] += 1
        found["unchanged"] += d == 0
        found["relative"] += float(np.float32(abs(d)) / (np.float32(abs(x)) + np.float32(1e-8)))
        found["absolute"] += abs(d)
        found["signed"] += d
        found["squared"] += d * d
        found["scaled"] += abs(d) / spread
        found["original"] += float(x) ** 2
        found["largest"] = max(found["largest"], abs(d))
    return found


def fields(change):
    return {name: getattr(change, name) for name in change.__dataclass_fields__}


@pytest.fixture
def sides():
    draw = np.random.default_rng(0)
    p = draw.standard_normal(300).astype(np.float32) / 50
    s = p + draw.standard_normal(300).astype(np.float32) / 1e4
    s[::7], p[5] = p[::7], 0
    return p, s


def test_sums_are_those_of_the_definition(sides):
    p, s = sides
    [found] = changes([("w", 0, p, s)]).values()
    assert fields(found) == pytest.approx(by_definition(p, s), rel=1e-9)
    assert found.mean_relative == pytest.approx(found.relative / 300)
    assert found.norm_ratio == pytest.approx(
        np.linalg.norm(s.astype(float) - p) / np.linalg.norm(p.astype(float)), rel=1e-5
    )


def test_slices_and_blocks_do_not_change_the_sums(sides, monkeypatch):
    p, s = sides
    [whole] = changes([("w", 0, p, s)]).values()
    for elements in (1, 7):
        cut = [("w", at, p[at : at + elements], s[at : at + elements]) for at in range(0, 300, elements)]
        [found] = changes(cut).values()
        assert fields(found) == pytest.approx(fields(whole), rel=1e-12)
    monkeypatch.setattr("assay.weights.change.BLOCK", 11)
    [found] = changes([("w", 0, p, s)]).values()
    assert fields(found) == pytest.approx(fields(whole), rel=1e-12)


def test_the_vector_of_the_page_by_hand():
    p = np.array([1, -2, 0.5, 0, 4, -0.25, 0, 8], np.float32)
    s = np.array([1.5, -2, 0.75, 0.001, 5, -0.125, 0, 8], np.float32)
    [found] = changes([("w", 0, p, s)]).values()
    # r = .5 0 .5 100000.0078125 .25 .5 0 0; d = .5 0 .25 .001 1 .125 0 0
    assert (found.size, found.unchanged, found.largest) == (8, 3, 1)
    assert found.unchanged_fraction == 0.375
    assert found.relative == pytest.approx(100001.7578125, rel=1e-12)
    assert found.absolute == found.signed == pytest.approx(1.876, rel=1e-7)
    assert found.squared == pytest.approx(1.328126, rel=1e-7)
    # the selection of 12.5 % holds .000533 of |d| and 7.53e-7 of d^2 (vector 6)
    assert 0.001 / found.absolute == pytest.approx(0.000533, abs=5e-7)
    assert 1e-6 / found.squared == pytest.approx(7.53e-7, abs=5e-10)


def test_layers_and_modules_of_a_pair_add_up_to_all_of_it(tmp_path):
    p = llama_arrays()
    s = {name: array + 0.5 * ("layers.1" in name) for name, array in p.items()}
    write_model(tmp_path / "p", p)
    write_model(tmp_path / "s", s)
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    found = changes(pair.chunks(9))
    assert list(found) == [match.name for match in pair.matches]
    places = {match.name: match.place for match in pair.matches}
    layers = grouped(found, lambda name: places[name].layer)
    assert {layer: (part.size, part.unchanged) for layer, part in layers.items()} == {
        0: (124, 124),
        1: (124, 0),
    }
    assert layers[1].absolute == pytest.approx(62, rel=1e-6)
    assert (layers[0].absolute, layers[0].norm_ratio) == (0, 0)
    modules = grouped(found, lambda name: places[name].module)
    assert {module: part.size for module, part in modules.items()} == {
        **{f"self_attn.{one}_proj": 32 for one in "qkvo"}, **{f"mlp.{one}_proj": 40 for one in ("gate", "up", "down")}
    }  # fmt: skip
    for groups in (layers, modules):
        [everything] = grouped(groups, lambda _: "all").values()
        assert fields(everything) == pytest.approx(
            {
                name: 0.5 if name == "largest" else sum(fields(one)[name] for one in found.values())
                for name in fields(everything)
            },
            rel=1e-6,
        )


def test_constant_and_zero_tensors_have_numbers_too():
    ones = np.ones(4, np.float32)
    assert changes([("w", 0, ones, ones * 2)])["w"].scaled == pytest.approx(
        4e8
    )  # as the ranking: spread at least 1e-8
    zeros = changes([("w", 0, ones * 0, ones)])["w"]
    assert (zeros.norm_ratio, zeros.relative) == (math.inf, pytest.approx(4e8))
    assert changes([("w", 0, ones[:0], ones[:0])])["w"].size == 0


def test_what_is_not_finite_is_named():
    p = np.arange(8, dtype=np.float32)
    for side, value in (("original", np.nan), ("tuned", -np.inf)):
        bad = p.copy()
        bad[5] = value
        both = (bad, p) if side == "original" else (p, bad)
        with pytest.raises(
            DataError, match=rf"{side} values must be finite; w has {value} at place 15\. Mend"
        ):
            changes([("w", 10, *both)])
    with pytest.raises(
        DataError, match=r"changes must fit into float32; w goes from -3e\+38 to 3e\+38 at place 1\."
    ):
        changes([("w", 0, np.array([0, -3e38], np.float32), np.array([0, 3e38], np.float32))])
    with pytest.raises(
        DataError, match=r"tuned values of w must be as many as the original's \(8,\); got \(7,\)"
    ):
        changes([("w", 0, p, p[:7])])
