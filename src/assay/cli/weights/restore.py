"""`assay weights restore`: the tuned model with its most changed weights set back, a model a percent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.options import METHOD, OUTPUT, flag
from assay.cli.weights.options import Layers, Memory, Original, Pattern, Percent, Ranking, Scope, Tuned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.weights import Pair, Selection

PER = ("global", "layer", "tensor")
OFFICIAL = ("bf16", "fp16")


def weights_restore(
    original: Original,
    tuned: Tuned,
    output: Annotated[
        str, flag("--output", "-o", help="Folder that gets a model a percent: OUT/percent-5.", panel=OUTPUT)
    ],
    percent: Percent = "1,3,5,10,20,40,60",
    scope: Scope = "transformer",
    layers: Layers = None,
    pattern: Pattern = None,
    ranking: Ranking = "relative",
    official: Annotated[
        str | None,
        flag("--official", help="bf16 or fp16: rank as the paper's program does in it.", panel=METHOD),
    ] = None,
    bottom: Annotated[
        bool, flag("--bottom", help="Set what ranks last back, not first.", panel=METHOD)
    ] = False,
    shrink: Annotated[
        bool,
        flag(
            "--shrink",
            help="Instead make all changes smaller alike, by the sum d^2 that each percent undoes.",
            panel=METHOD,
        ),
    ] = False,
    delta: Annotated[
        bool,
        flag(
            "--delta",
            help="Write only what differs, OUT/percent-5.safetensors; see assay weights apply.",
            panel=OUTPUT,
        ),
    ] = False,
    per: Annotated[
        str,
        flag("--per", help="Percents of what: global, all of scope; layer or tensor, each.", panel=METHOD),
    ] = "global",
    among: Annotated[
        str, flag("--among", help="all, or changed: unchanged weights fill no quota.", panel=METHOD)
    ] = "all",
    ties: Annotated[
        str,
        flag(
            "--ties",
            help="Of equal ones at the border: first by name and place, all of them, or none.",
            panel=METHOD,
        ),
    ] = "first",
    seed: Annotated[int, flag("--seed", help="Of the ranking random.", panel=METHOD)] = 0,
    memory_gb: Memory = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Set weights of a tuned model back to the original's, the most changed first: a whole model for each percent.

    0 percent is the tuned model, 100 the original in scope. All percents are selected and written in one go, and the
    memory does not grow with the models. Each model has the tuned one's files, shards and dtypes, and
    assay-restore.json with the thresholds; unchanged weights rank last and may fill a quota, see effective_percent.
    With --resume the models that are there stay, and manifest.json tells of all.
    """
    given = dict(locals())
    import numpy as np

    from assay import _check
    from assay import weights as room
    from assay._files import read_json
    from assay.cli import console, manifest
    from assay.cli.output import MANIFEST, clear, files_of, open_folder
    from assay.cli.weights.options import compared, layers_of, percents_of
    from assay.errors import DataError
    from assay.weights.pair import CHUNK
    from assay.weights.threshold import checked
    from assay.weights.writing import MANIFEST as ABOUT

    _check.choice("format", format, console.FORMATS)
    _check.choice("ranking", ranking, room.RANKINGS)
    _check.choice("per", per, PER)
    if delta and shrink:
        raise DataError("--delta must not be given with --shrink, which changes every weight. Leave one out.")
    if official is not None:
        if ranking != "relative":
            raise DataError(
                f"ranking must be relative where --official is given; got {ranking!r}. Leave one out."
            )
        ranking = f"official_{_check.choice('official', official, OFFICIAL)}"
    percents = checked(percents_of(percent), among=among, ties=ties)
    talk = console.Talk(quiet)
    pair = room.open_pair(original, tuned, scope=scope, layers=layers_of(layers), pattern=pattern)
    for line in compared(pair, scope):
        talk.say(line)
    folder = open_folder(output, [original, tuned], overwrite=overwrite, resume=resume)
    name = f"{'shrink-' if shrink else ''}percent-{{}}{'.safetensors' if delta else ''}"
    if resume:
        percents = _with_those_there(percents, folder, name)
        given["percent"] = ",".join(f"{one:g}" for one in percents)
    elements = CHUNK
    if memory_gb is not None:
        elements = room.slice_size(round(1e9 * memory_gb), percents=len(percents))
    sizes = np.zeros(1024, np.int64)
    with room.hashed_beside(pair) as hashes:
        with talk.stage("select", f"{pair.size:,} weights, ranking {ranking}"):
            selection = room.select(
                room.counted(partial(pair.chunks, elements), sizes), percents, ranking=ranking, bottom=bottom,
                among=among, ties=ties, group_of=_group_of(pair, per), seed=seed,
            )  # fmt: skip
        with talk.stage("hash", "the rest of both models' files"):
            inputs = hashes()
    about: dict[str, Any] = {
        "scope": scope,
        "layers": layers,
        "pattern": pattern,
        "per": per,
        "inputs": [entry | {"path": entry["path"].rpartition("/")[2]} for entry in inputs],
    }
    with talk.stage("write", f"{len(percents)} models to {folder}"):
        if shrink:
            rule = {"ranking": ranking, "bottom": bottom, "among": among, "ties": ties, "seed": seed}
            places = room.write_shrunk(
                pair, _energies(selection), folder, names=[name.format(f"{one:g}") for one in percents],
                about=about | {"equal_to": rule}, resume=resume, overwrite=overwrite,
                elements=elements,
            )  # fmt: skip
        else:
            write = room.write_deltas if delta else room.restore
            places = write(
                pair, selection, folder, about=about, resume=resume, overwrite=overwrite, elements=elements
            )
    outputs = [
        name
        for place in places
        for name in ([place.name] if delta else [f"{place.name}/{one}" for one in files_of(place)])
    ]
    if overwrite and not resume:
        clear(folder, keep=outputs)
    told = [room.read_delta(place)["about"] if delta else read_json(place / ABOUT) for place in places]
    rows = [
        (_shrunk if shrink else _row)(*both)
        for both in zip(percents, told, _chance(selection, sizes), strict=True)
    ]
    written = manifest.write(
        folder, weights_restore, given, inputs,
        counts={"weights": pair.size, "tensors": len(pair.matches), "tensors_outside": len(pair.outside),
                "models": len(places)},
        results=rows, talk=talk, outputs=outputs,
        hashes={f"{place.name}/{name}": digest for place, one in zip(places, told, strict=True)
                for name, digest in one.get("files", {}).items()},
    )  # fmt: skip
    talk.say(f"wrote {', '.join(place.name for place in places)} and {MANIFEST} to {folder}")
    talk.say(
        "gaussian_r, gaussian_d2: what as many weights hold if changes do not look at them, by formula; such a share "
        "is no finding. assay weights diff draws chance from the models"
    )
    console.show(rows, format, whole=written)


def _with_those_there(percents: Sequence[float], folder: Path, name: str) -> tuple[float, ...]:
    """Return the percents with those of the models in a folder, so that its manifest tells of all of them."""
    before, after = name.split("{}")
    found = {f"{one:g}": one for one in percents}
    for place in folder.glob(name.format("*")):
        number = place.name.removeprefix(before).removesuffix(after)
        with suppress(ValueError):
            found.setdefault(number, float(number))
    return tuple(sorted(found.values()))


def _group_of(pair: Pair, per: str) -> Callable[[str], Hashable] | None:
    if per == "global":
        return None
    layers = {match.name: match.place.layer for match in pair.matches}
    return str if per == "tensor" else lambda name: layers[name]


def _energies(selection: Selection) -> list[float]:
    """Return the share of sum d^2 that each percent undoes; 0 where nothing changed."""
    energies = [min(float(one), 1.0) if one > 0 else 0.0 for one in selection.shares[:, 2]]
    return [1.0 if one == 100 else energy for one, energy in zip(selection.percents, energies, strict=True)]


def _chance(selection: Selection, sizes: NDArray[np.int64]) -> list[dict[str, float]]:
    """Return of each percent what the formula says of as many weights; beyond 2 decimals it is noise."""
    from assay.weights import null_shares

    groups = selection.groups.values()
    candidates = sum(one.changed if selection.among == "changed" else one.size for one in groups)
    held = null_shares(
        [100 * count / max(candidates, 1) for count in selection.counts],
        counts=sizes, ranking=selection.ranking, bottom=selection.bottom,
    )  # fmt: skip
    return [
        {"gaussian_r": round(100 * r, 2), "gaussian_d2": round(100 * energy, 2)}
        for r, _, energy in held.tolist()
    ]


def _row(percent: float, told: Mapping[str, Any], chance: Mapping[str, float]) -> dict[str, Any]:
    """Return what is printed of a restored model, in percent."""
    shares, taken = told["shares"], told["taken"]
    return {
        "percent": percent,
        "weights": taken,
        "of_weights": 100 * taken / told["weights"],
        "of_sum_r": _percent(shares["relative"]),
        "gaussian_r": chance["gaussian_r"],
        "of_sum_d2": _percent(shares["energy"]),
        "gaussian_d2": chance["gaussian_d2"],
        "changed": 100 * told["taken_changed"] / taken if taken else None,
        "effective_percent": 100 * told["taken_changed"] / told["weights"],
        "rounded": told["rounded"],
    }


def _shrunk(percent: float, told: Mapping[str, Any], chance: Mapping[str, float]) -> dict[str, Any]:
    return {
        "percent": percent,
        "of_sum_d2": 100 * told["energy"],
        "gaussian_d2": chance["gaussian_d2"],
        "of_sum_d2_undone": 100 * told["energy_undone"],
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
