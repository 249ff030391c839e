"""Every state of a sweep is what its name says, in place and on disk, and a sweep that was interrupted goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import DataError
from assay.study.restoration import Plan, State, run_states, states
from assay.study.restoration.run import Row
from assay.weights import Pair, open_pair, shrink
from tests.oracles.weights import taken
from tests.weights import made

WAYS = ("relative", "absolute", "scaled", "magnitude", "bottom", "random", "shrink")
PLAN = Plan(percents=(0.0, 40.0), rankings=WAYS, draws=2, blocks=2, modules=True, seed=3)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    original = made.llama_arrays()
    draw = np.random.default_rng(1).standard_normal
    tuned = {
        name: array + 0.01 * draw(array.shape).astype(np.float32) * (1 + ("q_proj" in name))
        for name, array in original.items()
    }
    made.write_model(tmp_path / "p", original)
    made.write_model(tmp_path / "s", tuned)
    return open_pair(tmp_path / "p", tmp_path / "s")


def flat(pair: Pair, side: Any, name: str) -> Any:
    match = next(match for match in pair.matches if match.name == name)
    return side.read(name, 0, match.size)


def read(pair: Pair, folder: Path) -> dict[str, Any]:
    written = open_pair(pair.original.path, folder)
    return {match.name: flat(pair, written.tuned, match.name) for match in pair.matches}


def sides(pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    return tuple(  # type: ignore[return-value]
        {match.name: flat(pair, side, match.name) for match in pair.matches}
        for side in (pair.original, pair.tuned)
    )


def joined(values: dict[str, Any]) -> Any:
    return np.concatenate(list(values.values()))


def test_every_state_is_what_its_name_says(pair: Pair, tmp_path: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        assert model is None
        assert folder is not None
        seen[state.name] = read(pair, folder)
        return {"numbers": {"one": 1.0}}

    rows = {
        row["name"]: row
        for row in run_states(pair, PLAN, output=tmp_path / "o", measure=measure, written=True)
    }
    assert list(rows) == [state.name for state in states(PLAN, pair)]
    assert not list((tmp_path / "o").glob(".state-*"))
    original, tuned = sides(pair)
    p, s = joined(original), joined(tuned)
    energy = np.square((s - p).astype(np.float64))
    for name, expected in (("tuned", tuned), ("scope", original), ("original", original)):
        assert all(np.array_equal(seen[name][tensor], expected[tensor]) for tensor in expected)
    for percent in (40,):
        wanted = int(len(p) * percent / 100)
        reference = joined(seen[f"relative-weights-{percent}"]) == p
        places = taken({"w": (p, s)}, percent, "relative")
        assert np.flatnonzero(reference).tolist() == sorted(i for _, i in places)
        share = energy[reference].sum() / energy.sum()
        for way in ("absolute", "scaled", "magnitude", "bottom", "random"):
            ends = ("-s3", "-s4") if way == "random" else ("",)
            for end in ends:
                assert (joined(seen[f"{way}-weights-{percent}{end}"]) == p).sum() == wanted
                alike = joined(seen[f"{way}-energy-{percent}{end}"]) == p
                undone = energy[alike].sum() / energy.sum()
                assert share <= undone < share + energy.max() / energy.sum() + 1e-9
                assert rows[f"{way}-energy-{percent}{end}"]["held"]["energy"] == pytest.approx(100 * undone)
        assert np.allclose(joined(seen[f"shrink-energy-{percent}"]), shrink(p, s, energy=share), atol=1e-7)
        assert np.array_equal(joined(seen[f"shrink-weights-{percent}"]), shrink(p, s, energy=percent / 100))
    bottom = joined(seen["bottom-weights-40"]) == p
    assert not (bottom & (joined(seen["relative-weights-40"]) == p)).any()


def test_parts_are_set_back_whole_beside_as_many_random_weights(pair: Pair, tmp_path: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        seen[state.name] = read(pair, folder) if folder else {}
        return {}

    rows = {
        row["name"]: row
        for row in run_states(pair, PLAN, output=tmp_path / "o", measure=measure, written=True)
    }
    original, tuned = sides(pair)
    for part, back in (("layers-1", ".layers.1."), ("modules-self_attn.q_proj", "q_proj")):
        for tensor, values in seen[f"whole-{part}"].items():
            assert np.array_equal(values, (original if back in tensor else tuned)[tensor])
        held = rows[f"whole-{part}"]["held"]
        size = sum(len(values) for tensor, values in tuned.items() if back in tensor)
        assert held["weights"] == pytest.approx(100 * size / pair.size)
        control = joined(seen[f"random-{part}-s3"]) == joined(original)
        assert control.sum() == size
        assert rows[f"random-{part}-s3"]["held"]["weights"] == pytest.approx(held["weights"])
    # q_proj moved twice as far: more of sum d^2 than of the weights
    assert (
        rows["whole-modules-self_attn.q_proj"]["held"]["energy"]
        > 2 * (rows["random-modules-self_attn.q_proj-s3"]["held"]["energy"])
    )


def test_a_loaded_model_has_the_values_that_are_written(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    made.make_model().save_pretrained(tmp_path / "p")
    made.nudge(made.make_model()).save_pretrained(tmp_path / "s")
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    loaded: list[str] = []

    def load(side: str) -> Any:
        loaded.append(side)
        return AutoModelForCausalLM.from_pretrained(tmp_path / ("p" if side == "original" else "s"))

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        expected = AutoModelForCausalLM.from_pretrained(folder).state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items()), (
            state.name
        )
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()  # what moving it to a GPU does
        return {"answers": [{"id": "1", "right": True}]}

    plan = Plan(percents=(5.0, 40.0), rankings=("relative", "random", "shrink"), draws=1, blocks=2)
    run_states(pair, plan, output=tmp_path / "o", measure=measure, load=load, written=True)
    assert loaded == ["tuned", "original"]
    assert (tmp_path / "o" / "answers" / "shrink-energy-40.jsonl").read_text() == '{"id":"1","right":true}\n'


@pytest.mark.parametrize(
    ("file", "load"), [("bfloat16", None), ("bfloat16", "bfloat16"), ("float32", "bfloat16")]
)
def test_energy_is_that_of_weights_as_they_are_rounded(tmp_path: Path, file: str, load: str | None) -> None:
    """In bf16 a change of one unit is not made smaller by a fifth: it stays, and nothing is undone."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    tuned = made.make_model()
    for one, moved in zip(tuned.parameters(), made.nudge(made.make_model()).parameters(), strict=True):
        one.data = torch.lerp(one.data, moved.data, 1 / 16)
    for side, model in (("p", made.make_model()), ("s", tuned)):
        model.to(getattr(torch, file)).save_pretrained(tmp_path / side)
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    values: dict[str, dict[str, Any]] = {}

    def loaded(side: str) -> Any:
        where = tmp_path / ("p" if side == "original" else "s")
        return AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, load or file))

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        model = AutoModelForCausalLM.from_pretrained(folder) if model is None else model
        state_of = model.state_dict()
        values[state.name] = {match.name: state_of[match.name].double() for match in pair.matches}
        return {}

    plan = Plan(percents=(20.0,), rankings=("relative", "shrink"))
    rows = run_states(
        pair, plan, output=tmp_path / "o", measure=measure, load=loaded if load else None, written=not load
    )

    def far(name: str) -> float:
        return float(sum(((values[name][m] - values["original"][m]) ** 2).sum() for m in values[name]))

    for row in rows[:-1]:
        assert row["held"]["energy"] == pytest.approx(100 * (1 - far(row["name"]) / far("tuned")), abs=1e-9)
    held = {row["name"]: row["held"]["energy"] for row in rows[:-1]}
    assert (held["tuned"], held["scope"]) == (0, 100)
    assert abs(held["shrink-energy-20"] - held["relative-weights-20"]) > 1


def test_a_sweep_that_was_interrupted_goes_on(pair: Pair, tmp_path: Path) -> None:
    left = 5
    asked: list[str] = []

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        if len(asked) == left:
            raise KeyboardInterrupt
        asked.append(state.name)
        return {"numbers": {"place": len(asked)}}

    plan = Plan(percents=(5.0, 40.0), draws=1)
    with pytest.raises(KeyboardInterrupt):
        run_states(pair, plan, output=tmp_path, measure=measure)
    left = -1
    done: list[tuple[int, int]] = []
    rows = run_states(pair, plan, output=tmp_path, measure=measure, progress=lambda *at: done.append(at))
    assert sorted(asked) == sorted({state.name for state in states(plan, pair)})
    assert [row["numbers"]["place"] for row in rows] == list(range(1, len(rows) + 1))
    assert done[-1] == (len(rows), len(rows))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"percents": (5.0, 1.0)}, r"percents must rise; got \[5.0, 1.0\]"),
        ({"percents": (101.0,)}, "percents must be"),
        ({"rankings": ("relative", "best")}, "rankings must be"),
        ({"rankings": ("shrink",)}, "rankings must begin with the one that others are compared with"),
        ({"equal": ()}, "equal must be some of weights, energy"),
        ({"draws": 0}, "draws must be"),
    ],
)
def test_a_plan_that_is_none_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Plan(**given)


def test_more_blocks_than_layers_are_refused(pair: Pair) -> None:
    with pytest.raises(DataError, match="blocks must be at most the layers in scope, 2; got 3"):
        states(Plan(blocks=3), pair)
