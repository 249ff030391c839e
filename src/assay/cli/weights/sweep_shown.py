"""What `assay weights sweep` tells while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.study.restoration import Plan
    from assay.study.restoration.compare import Result
    from assay.weights import Pair

Rows = list[dict[str, Any]]


def expected(plan: Plan, pairs: Mapping[str, Pair]) -> str:
    from assay.study.restoration.states import states

    count = len(states(plan, next(iter(pairs.values()))))
    return f"{count} states" + (f" of each of {len(pairs)} models" if len(pairs) > 1 else "")


def progress_of(talk: Any, bar: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return what shows a bar on a terminal, and elsewhere a line a state, with the time that is left."""
    import sys
    import time

    from assay.cli.console import human_seconds

    began: list[tuple[float, int]] = []

    def told(done: int, total: int) -> None:
        if began and began[-1][1] == done:
            return
        began.append((time.monotonic(), done))
        bar(done, total)
        (start, first), now = began[0], began[-1][0]
        if sys.stderr.isatty():
            return
        left = (
            f", {human_seconds((now - start) / (done - first) * (total - done))} left" if done > first else ""
        )
        talk.say(f"{done} of {total} states{left if done < total else ''}")

    return told


def said_of_best(result: Result, best: Any, name: str) -> list[str]:
    """Return a line on the model that was written, or on why there is none."""
    [group] = result["groups"].values()
    if best is None:
        return ["Nothing was written to best: on dev no state beats the tuned model."]
    row = next(
        row
        for row in group["states"]
        if (row["kind"], row["by"], row["percent"], row["part"]) == (best.kind, best.by, best.percent, None)
    )
    values = ", ".join(
        f"{row[on]:.4g} on {on} (tuned model {state[on]:.4g})"
        for state in group["states"]
        if state["kind"] == "tuned"
        for on in result["sets"]
    )
    many = [
        what for what, count in (("tuned models", len(group["runs"])), ("draws", row["draws"])) if count > 1
    ]
    over = f" mean over {' and '.join(many)}:" if many else ""
    return [f"The model in best is {name} as {best.name}, the state that dev chose:{over} {values}."]


def printed(result: Result) -> Rows:
    """Return a row a baseline and ranking, as a person reads it: what dev chose, what it is elsewhere, and leads."""
    from assay.cli.console import spread

    [group] = result["groups"].values()
    digits, signed = (".1f", "+.1f") if result["unit"] == "points" else (".4g", "+.3g")
    sets = [*([result["chosen_on"]] if result["chosen_on"] else []), *result["sets"]]
    rows = []
    for state in group["states"]:
        if state["kind"] in ("original", "tuned", "scope"):
            percent = {"tuned": "0", "scope": "100"}.get(state["kind"])
            rows.append(_row(state["kind"], percent, state, sets, result, digits, signed))
    for chosen in group["choices"]:
        at = None if chosen["percent"] is None else f"{chosen['percent']:g}"
        by = f" ({chosen['by']})" if chosen["by"] and chosen["ranking"] != result["reference"] else ""
        row = _row(chosen["ranking"], None if at is None else at + by, chosen, sets, result, digits, signed)
        if chosen["ranking"] == result["reference"]:
            for one in group["differences"]:
                if one["chosen"] and one["how"] == "equal energy":
                    value = (
                        spread(one["effect"], one["low"], one["high"], signed)
                        if one["low"] is not None
                        else None
                    )
                    row[f"{one['on']} over {one['against']}"] = value
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def _row(
    name: str,
    percent: str | None,
    state: Mapping[str, Any],
    sets: Sequence[str],
    result: Result,
    digits: str,
    signed: str,
) -> dict[str, Any]:
    """Return a state's values on each set, its gains on those that are reported, and its loss."""
    from assay.cli.console import spread

    row: dict[str, Any] = {"ranking": name, "percent": percent}
    for on in sets:
        row[on] = f"{state[on]:{digits}}"
        if on in result["sets"]:
            low, high = state[f"{on} low"], state[f"{on} high"]
            gain = state[f"{on} gain"]
            row[f"{on} gain"] = (
                spread(gain, low, high, signed)
                if low is not None
                else None
                if gain is None
                else f"{gain:{signed}}"
            )
    if state.get("loss") is not None:
        row["loss"] = f"{state['loss']:.4f}"
    return row
