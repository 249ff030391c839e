"""What a sweep comes to: choices and intervals worked out by hand, planted effects found, planted nulls left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.cli.output import write_csv
from assay.errors import DataError
from assay.knowledge.intervals import Floats
from assay.study.effects import Rights, half_of_facts, half_without
from assay.study.restoration.compare import compare
from assay.study.restoration.metrics import half_of_texts, loss_of
from assay.study.restoration.runs import Run, read_runs
from assay.study.restoration.tables import tables
from assay.study.restoration.verdicts import sentences
from tests.study.restoration.made import PERCENTS, rows, runs, write

T1, T2 = 12.706204736, 4.302652730  # Student's t at 97.5 %, 1 and 2 degrees of freedom (any table)
Z = 1.959964


def _none(row: Mapping[str, Any]) -> float:
    return 0.0


def _hump(row: Mapping[str, Any]) -> float:
    """Return a gain that peaks where half of sum d^2 is undone, whatever undoes it."""
    energy = 0.0 if row["held"] is None else float(row["held"]["energy"])
    return float(np.sin(np.pi * energy / 100))


def _ranked(row: Mapping[str, Any]) -> float:
    """Return a gain of the ranking alone."""
    return 0.8 if row["kind"] == "relative" and row["percent"] >= 20 else 0.0


def _by_hand(right: Mapping[str, tuple[str, str]], *, seed: int = 0, **plan: Any) -> Run:
    """Return a run of some states: which of four dev and four test facts each had right, as 1s and 0s, of one bin."""
    every = rows(seed=0, **plan)
    answers = {
        name: {on: np.array([c == "1" for c in own]) for on, own in zip(("dev", "test"), pair, strict=True)}
        for name, pair in right.items()
    }
    bins = {on: np.zeros(4, dtype=np.int64) for on in ("dev", "test")}
    return Run(f"s{seed}", seed, {name: every[name] for name in right}, answers, bins)


def _group(found: Mapping[str, Any]) -> dict[str, Any]:
    (group,) = found["groups"].values()
    return dict(group)


def _one(table: list[dict[str, Any]], **like: Any) -> dict[str, Any]:
    (row,) = [row for row in table if all(row[name] == value for name, value in like.items())]
    return row


def _open(group: Mapping[str, Any]) -> list[bool]:
    """Return for each difference at equal energy whether it is undecided; not of a state with itself."""
    own = [row["verdict"] for row in group["differences"] if row["how"] == "equal energy"]
    return [verdict == "undecided" for verdict in own if verdict != "same"]


FIRST = {
    "tuned": ("1000", "1000"),
    "relative-weights-5": ("1100", "1000"),
    "relative-weights-20": ("1110", "1110"),
    "relative-weights-40": ("1110", "1111"),
    "random-weights-20-s0": ("1000", "1100"),
    "random-weights-20-s1": ("1100", "1000"),
    "random-energy-20-s0": ("1110", "1000"),
    "random-energy-20-s1": ("0000", "1000"),
}
SECOND = FIRST | {"tuned": ("0000", "1100"), "relative-weights-5": ("1000", "1111")}


def test_choices_by_hand() -> None:
    """Percents rise in dev to 75 at 20 and at 40 %: of equal ones that which undoes less; random is a mean of draws."""
    group = _group(compare({"": [_by_hand(FIRST), _by_hand(SECOND, seed=1)]}))
    first, second = group["choices"]
    assert (first["ranking"], first["by"], first["percent"], first["dev"]) == (
        "relative",
        "weights",
        20.0,
        75.0,
    )
    assert (first["test"], first["test gain"], first["candidates"]) == (75.0, (50 + 25) / 2, 4)
    assert first["energy by each"] == [34.0, 34.0]
    # means of both draws on dev: 20 % of weights 37.5, equal energy 37.5, nothing restored 12.5
    assert (second["ranking"], second["by"], second["energy"]) == ("random", "weights", 20.0)
    assert (second["dev"], second["test"]) == (37.5, 37.5)
    assert second["test gain"] == (12.5 - 12.5) / 2


def test_choices_are_those_of_a_slow_loop() -> None:
    """From the definition, with few facts, so that dev values tie often; unlike numbers of draws of facts of a bin."""
    ties = 0
    for world in range(12):
        made = runs(
            _hump, seeds=1 + world % 3, world=world, facts={"dev": 9, "test": 30, "OOD": 7}, bins=3, noise=0.1
        )
        group = _group(compare({"": made}))

        def accuracy(run: Run, name: str, on: str) -> float:
            right, bins = run.answers[name][on].tolist(), run.bins[on].tolist()
            each = [[r for r, b in zip(right, bins, strict=True) if b == one] for one in sorted(set(bins))]
            return 100 * sum(sum(own) / len(own) for own in each) / len(each)

        for kind in ("relative", "random", "shrink"):
            found: dict[tuple[float, float, str], list[tuple[float, ...]]] = {}
            for run in made:
                draws: dict[tuple[float, float, str], list[tuple[float, ...]]] = {}
                for name, row in run.rows.items():
                    if row["part"] is None and row["kind"] in ("tuned", kind):
                        key = (row["held"]["energy"], row["percent"] or 0.0, row["by"])
                        told = tuple(accuracy(run, name, on) for on in ("dev", "test", "OOD"))
                        draws.setdefault(key, []).append(told)
                for key, values in draws.items():
                    found.setdefault(key, []).append(tuple(np.mean(values, axis=0)))
            means = {key: np.mean(values, axis=0) for key, values in found.items()}
            highest = max(round(float(value[0]), 9) for value in means.values())
            best = [key for key in sorted(means) if round(float(means[key][0]), 9) == highest]
            ties += len(best) > 1
            chosen = _one(group["choices"], ranking=kind)
            assert (chosen["energy"], chosen["percent"]) == best[0][:2]
            assert [chosen[on] for on in ("dev", "test", "OOD")] == pytest.approx(means[best[0]].tolist())
    assert ties > 5


def test_a_state_without_a_loss_is_never_chosen() -> None:
    """What overflows in half precision has not a number as its loss."""
    (run,) = runs(_none, seeds=1, draws=1, texts=8)
    tokens, nats = run.losses["relative-weights-40"]
    losses = {**run.losses, "relative-weights-40": (tokens, np.full_like(nats, np.nan))}
    chosen = _one(
        _group(compare({"": [replace(run, losses=losses)]}, metric="loss"))["choices"], ranking="relative"
    )
    assert chosen["percent"] == 20.0


def test_nothing_restored_is_a_candidate() -> None:
    run = _by_hand(FIRST | {"tuned": ("1110", "1000"), "random-weights-20-s1": ("1000", "1000")}, seed=0)
    group = _group(compare({"": [run]}))
    chosen = _one(group["choices"], ranking="relative")
    assert (chosen["percent"], chosen["by"], chosen["test gain"]) == (0.0, None, None)
    own = _one(group["differences"], how="each at its own percent")
    assert (own["verdict"], own["effect"]) == ("same", None)
    at_zero = _one(group["differences"], how="equal energy", percent=0.0)
    assert (at_zero["chosen"], at_zero["verdict"]) == (True, "same")


def test_differences_and_intervals_by_hand() -> None:
    group = _group(compare({"": [_by_hand(FIRST), _by_hand(SECOND, seed=1)]}))
    gain = _one(group["states"], kind="relative", percent=20.0)
    # on test 2 and 1 of 4 facts more: 50 and 25 points; of facts, mean turns 0 .5 1 0 and two more of half a fact
    seeds = T1 * np.std([50, 25], ddof=1) / np.sqrt(2)
    facts = 100 * np.sqrt(((1.25 + 1) / 6 - (1.5 / 6) ** 2) / 6)
    # the table of both runs less the means of both: 0 1 1 0 and 0 0 1 0 leave -1/8 3/8 -1/8 -1/8 and their opposites
    left = np.square([-1, 3, -1, -1]).sum() * 2 / 64 / 3 / 4 / 2
    half = np.sqrt(seeds**2 + Z**2 * (facts**2 - 1e4 * left))
    assert (gain["test low"], gain["test high"]) == pytest.approx((37.5 - half, 37.5 + half), abs=1e-3)
    energy = _one(group["differences"], how="equal energy", percent=20.0)
    assert (energy["effect"], energy["chosen"], energy["n"]) == (50.0, True, 2)
    assert energy["verdict"] == "better"  # both runs alike: 2 of 4 facts, and nothing differs between draws
    weights = _one(group["differences"], how="equal weights", percent=20.0)
    assert (weights["effect"], weights["verdict"]) == (75 - 37.5, "undecided")


def test_draws_that_runs_share_are_in_the_interval() -> None:
    """Draws by energy are all right and all wrong: sd^2 5,000. Those by weights differ in one fact: by chance."""
    turned = {"random-energy-20-s0": ("1110", "1111"), "random-energy-20-s1": ("0000", "0000")}
    first, second = _by_hand(FIRST | turned), _by_hand(SECOND | turned, seed=1)

    def half(runs: list[Run]) -> tuple[float, float]:
        found = _one(_group(compare({"": runs}))["differences"], how="equal energy", percent=20.0)
        return found["high"] - found["effect"], found["facts"]

    shared, facts = half([first, second])  # both runs alike: no spread over them
    assert shared == pytest.approx(np.hypot(facts, Z * np.sqrt((5000 + 0) / 2 / 2)), abs=1e-3)
    own = {
        name: row | {"seed": row["seed"] + 7} if row["kind"] == "random" else row
        for name, row in second.rows.items()
    }
    alone, facts = half([first, replace(second, rows=own)])
    assert alone == pytest.approx(facts)  # the spread over runs would have it


def test_one_run_has_an_interval_over_facts_alone() -> None:
    group = _group(compare({"": runs(_ranked, seeds=1, draws=1)}))
    found = _one(group["differences"], on="test", against="shrink", how="equal energy", percent=20.0)
    assert (found["n"], found["verdict"]) == (1, "better")
    assert found["high"] - found["effect"] == pytest.approx(found["facts"])
    assert _one(group["states"], kind="tuned")["test sd"] is None


def test_planted_effects_are_found() -> None:
    group = _group(compare({"": runs(_ranked, spread=0.05)}))
    chosen = _one(group["choices"], ranking="relative")
    assert chosen["percent"] in (20.0, 40.0)
    assert chosen["test low"] > 0
    for against in ("random", "shrink"):
        for how in ("equal weights", "equal energy", "each at its own percent"):
            assert (
                _one(group["differences"], on="test", against=against, how=how, chosen=True)["verdict"]
                == "better"
            )
    hump = _group(compare({"": runs(_hump, spread=0.02, facts={"dev": 300, "test": 400})}))
    assert _one(hump["choices"], ranking="random")["test low"] > 0
    # what counts is the energy that is undone: more of it at 20 % of weights, and no lead at equal energy
    like = {"on": "test", "against": "random"}
    assert _one(hump["differences"], **like, how="equal weights", percent=5.0)["verdict"] == "better"
    assert _one(hump["differences"], **like, how="equal energy", chosen=True)["verdict"] == "undecided"


def test_planted_nulls_stay_open() -> None:
    """Of states that differ by chance alone about one interval in twenty leaves out 0, and a choice gains nothing."""
    open_, gains, best = list[bool](), list[float](), list[float]()
    for world in range(40):
        made = runs(
            _none,
            seeds=1,
            draws=1,
            world=world,
            spread=0,
            facts={"dev": 150, "test": 200},
            percents=(5.0, 20.0, 40.0),
        )
        group = _group(compare({"": made}))
        open_ += _open(group)
        gains.append(_one(group["choices"], ranking="relative")["test gain"] or 0.0)
        best.append(
            max(row["test gain"] or 0.0 for row in group["states"] if row["kind"] in ("tuned", "relative"))
        )
    assert 0.90 <= np.mean(open_) < 1  # 240 intervals
    assert abs(np.mean(gains)) < 0.6
    assert np.mean(best) > 0.6  # the best of some on the test set itself


def test_nulls_over_runs_stay_open() -> None:
    made = [runs(_none, world=world, facts={"dev": 60, "test": 90}, percents=(20.0,)) for world in range(30)]
    assert np.mean([open_ for one in made for open_ in _open(_group(compare({"": one})))]) >= 0.93


def test_intervals_over_facts_are_those_of_a_bootstrap() -> None:
    """Facts are drawn within each bin; with hundreds of them the two more of each bin hardly count."""
    rng = np.random.default_rng(1)
    bins = np.repeat(np.arange(5), 400)
    rights = Rights(bins, {})
    before, after = rng.random(2000) < 0.5, rng.random(2000) < 0.6
    for category in ("macro", "micro"):
        turned = (after.astype(float) - before) * rights.weights(category)
        means = [
            sum(turned[rng.choice(np.flatnonzero(bins == at), 400)].sum() for at in range(5))
            for _ in range(1000)
        ]
        assert half_of_facts(turned, rights, category) == pytest.approx(Z * np.std(means), rel=0.08)


def test_intervals_over_texts_are_those_of_a_bootstrap() -> None:
    rng = np.random.default_rng(2)
    tokens = rng.integers(10, 300, 400).astype(float)
    nats = tokens * rng.normal(3, 0.4, 400)
    drawn = rng.integers(0, 400, (2000, 400))
    means = nats[drawn].sum(axis=1) / tokens[drawn].sum(axis=1)
    parts = loss_of(tokens, nats)
    assert parts[0] == pytest.approx(nats.sum() / tokens.sum())
    assert half_of_texts(parts[None, 1:], tokens) == pytest.approx(Z * np.std(means), rel=0.08)
    assert half_of_texts(parts[None, 1:2], tokens[:1]) == float("inf")


def test_what_seeds_have_is_not_counted_twice() -> None:
    """Facts that turn by chance in each run alone: Student's interval holds it all, and nothing is left for facts."""
    rng = np.random.default_rng(3)
    bins = np.zeros(4000, dtype=np.int64)

    def half(parts: Floats) -> float:
        return half_of_facts(parts.mean(axis=0), Rights(bins, {}), "macro")

    weight = 100 / 4000
    alone = rng.choice([-1.0, 0.0, 1.0], (4, 4000)) * weight
    assert half_without(half(alone), alone, bins) < 0.35 * half(alone)
    common = np.repeat(rng.choice([-1.0, 0.0, 1.0], (1, 4000)), 4, axis=0) * weight
    assert half_without(half(common), common, bins) == half(common)
    assert half_without(half(alone[:1]), alone[:1], bins) == half(alone[:1])


def test_loss_is_beside_and_can_be_the_metric() -> None:
    made = runs(_none, texts=40)
    group = _group(compare({"": made}))
    tuned, scope = (_one(group["states"], kind=kind) for kind in ("tuned", "scope"))
    assert tuned["loss change"] is None
    assert scope["loss high"] < 0
    assert scope["loss change"] == pytest.approx(scope["loss"] - tuned["loss"])
    found = compare({"": made}, metric="loss")
    assert (found["unit"], found["sets"], found["chosen_on"]) == ("nats", ["test"], "dev")
    chosen = _one(_group(found)["choices"], ranking="relative")
    assert chosen["percent"] == PERCENTS[-1]
    assert chosen["test gain"] > 0  # of better: the loss falls
    assert chosen["test"] < _one(_group(found)["states"], kind="tuned")["test"]


def test_numbers_are_chosen_by_the_other_runs() -> None:
    """Three runs, the best percent of the first is 40, of the others 20; less is better."""
    values = {
        "tuned": (5.0, 5.0, 5.0),
        "relative-weights-20": (4.0, 2.0, 3.0),
        "relative-weights-40": (1.0, 3.5, 4.0),
    }
    every = rows(draws=1)
    made = [
        Run(
            f"s{n}",
            n,
            {name: every[name] | {"numbers": {"perplexity": own[n]}} for name, own in values.items()},
        )
        for n in range(3)
    ]
    found = compare({"": made}, metric="perplexity", lower_is_better=True)
    (chosen,) = _group(found)["choices"]
    # means of the others: for the first 2.5 and 3.75, the second 3.5 and 2.5, the third 3 and 2.25
    assert chosen["energy by each"] == [34.0, 62.0, 62.0]
    assert chosen["all"] == pytest.approx((4 + 3.5 + 4) / 3)
    gains = np.array([1.0, 1.5, 1.0])
    half = T2 * gains.std(ddof=1) / np.sqrt(3)
    assert (chosen["all low"], chosen["all high"]) == pytest.approx(
        (gains.mean() - half, gains.mean() + half)
    )
    (alone,) = _group(compare({"": made[:1]}, metric="perplexity", lower_is_better=True))["choices"]
    assert (alone["all gain"], alone["all low"]) == (4.0, None)


def test_groups_together_are_means_over_them() -> None:
    found = compare(
        {str(n): runs(_ranked, world=n, spread=0.05) for n in range(1)}
        | {"2": runs(_ranked, world=0, spread=0.3)}
    )
    one = _one(found["together"], on="test", against="shrink", how="equal energy")
    own = [
        _one(group["differences"], on="test", against="shrink", how="equal energy", chosen=True)["effect"]
        for group in found["groups"].values()
    ]
    assert one["effect"] == pytest.approx(np.mean(own))
    assert (one["groups"], one["n"]) == (2, 3)


def test_groups_in_which_nothing_is_restored_count(tmp_path: Path) -> None:
    """One group gains 50 points on test, in the other dev chooses nothing: 25 in the mean."""
    idle = {name: ("1000" if name != "tuned" else "1111", own[1]) for name, own in FIRST.items()}
    found = compare({"one": [_by_hand(FIRST)], "none": [_by_hand(idle)]})
    gain = _one(found["together"], how="restored")
    assert (gain["effect"], gain["groups"]) == ((50 + 0) / 2, 2)
    assert found["together"] == compare({"none": [_by_hand(idle)], "one": [_by_hand(FIRST)]})["together"]
    both = compare({"one": [_by_hand(idle)], "none": [_by_hand(idle)]})
    assert {row["how"] for row in both["together"]} <= {"each at its own percent"}
    for name, table in tables(found).items():
        write_csv(tmp_path / f"{name}.csv", table)
    assert (tmp_path / "verdicts.csv").read_text().splitlines()[-1].startswith("(all),2,")


def test_energies_that_are_not_equal_are_told() -> None:
    """Where weights are rounded, shrinking may undo nothing."""
    (run,) = runs(_ranked, seeds=1, draws=1, spread=0.05)
    assert "Energies are not equal" not in sentences(compare({"": [run]}))[-1]
    rows = {
        name: {**row, "held": {**row["held"], "energy": 0.0}} if row["kind"] == "shrink" else row
        for name, row in run.rows.items()
    }
    found = compare({"": [replace(run, rows=rows)]})
    one = _one(_group(found)["differences"], on="test", against="shrink", how="equal energy", chosen=True)
    assert (one["energy"] > 0, one["other energy"]) == (True, 0.0)
    assert "Energies are not equal: shrinking could not" in sentences(found)[-1]


def test_parts_are_held_against_as_many_weights_anywhere() -> None:
    def gain(row: Mapping[str, Any]) -> float:
        return 1.2 if (row["kind"], row["part"]) == ("whole", "2-3") else 0.0

    parts = _group(compare({"": runs(gain, parts=True, spread=0.05)}))["parts"]
    assert [(row["by"], row["part"]) for row in parts] == [
        ("layers", "0-1"), ("layers", "2-3"), ("modules", "down_proj"), ("modules", "q_proj"),
    ]  # fmt: skip
    assert [row["test low"] > 0 for row in parts] == [False, True, False, False]
    assert [row["test over control low"] > 0 for row in parts] == [False, True, False, False]
    assert parts[1]["test over control gain"] == pytest.approx(parts[1]["test"] - parts[1]["test control"])


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = runs(_hump, seeds=2, texts=9, percents=(20.0,), parts=True)
    write(made, tmp_path)
    found = read_runs(tmp_path)
    assert [(run.name, run.seed) for run in found] == [("D0-96-s0", 0), ("D0-96-s1", 1)]
    assert compare({"": found}) == compare({"": made})
    assert [run.name for run in read_runs(tmp_path / "D0-96-s1")] == ["D0-96-s1"]
    # a sweep that was killed: a state counts once its own file is there
    (tmp_path / "D0-96-s1" / "states" / "shrink-energy-20.json").unlink()
    group = _group(compare({"": read_runs(tmp_path)}))
    assert group["missing"] == ["shrink energy 20 %"]
    assert {row["how"] for row in group["differences"] if row["against"] == "shrink"} == {
        "equal weights", "each at its own percent",
    }  # fmt: skip


def test_errors(tmp_path: Path) -> None:
    made = runs(_none, seeds=2, percents=(20.0,), draws=1)
    for folder in (tmp_path, tmp_path / "empty"):
        with pytest.raises(DataError, match=r"folder must hold (what a sweep wrote|a finished state)"):
            read_runs(folder)
        (tmp_path / "x" / "states").mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match="groups must have at least one run each; got none"):
        compare({"": []})
    with pytest.raises(
        DataError, match=r"reference must be one of .*; got 'relativ'\. Did you mean 'relative'"
    ):
        compare({"": made}, reference="relativ")
    with pytest.raises(DataError, match="metric must be one of macro, micro, loss; got 'marco'"):
        compare({"": made}, metric="marco")
    with pytest.raises(DataError, match="was asked no facts"):
        compare({"": [Run("a", 0, rows())]})
    with pytest.raises(DataError, match="texts must have some to choose by and some to report"):
        compare({"": runs(_none, seeds=1, draws=1, texts=1)}, metric="loss")
    with pytest.raises(DataError, match="has no loss of tuned"):
        compare({"": made}, metric="loss")
    others = runs(_none, seeds=1, percents=(20.0,), draws=1, facts={"dev": 10, "test": 10, "OOD": 10})
    with pytest.raises(
        DataError, match="runs must be asked the same facts; state tuned of D0-96-s0 was asked others"
    ):
        compare({"": [made[0], *others]})
    without = {name: row for name, row in made[0].rows.items() if name != "tuned"}
    with pytest.raises(DataError, match="runs must have the state 'tuned'"):
        compare({"": [replace(made[0], rows=without)]})
    write(made[:1], tmp_path)
    write([replace(one, name="y") for one in others], tmp_path)
    (tmp_path / "x" / "states").rmdir()
    (alone,) = read_runs(tmp_path, names={"y"}, states={"tuned", "scope"})
    assert (alone.name, set(alone.rows)) == ("y", {"tuned", "scope"})
    with pytest.raises(
        DataError, match=r"must be of the facts of .*D0-96-s0.*, in their order; it is of others"
    ):
        read_runs(tmp_path)
