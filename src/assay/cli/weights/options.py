"""The flags that the commands of `assay weights` share, and what their texts mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.options import DATA, METHOD, flag

if TYPE_CHECKING:
    from assay.study.restoration import Plan
    from assay.weights import Pair

Original = Annotated[str, typer.Argument(help="Folder of the model before fine-tuning.", show_default=False)]
Tuned = Annotated[
    str, typer.Argument(help="Folder of the model, or LoRA adapter, made of it.", show_default=False)
]
Scope = Annotated[
    str,
    flag(
        "--scope",
        help="transformer: attention and mlp, the paper's; attention, mlp, router, embedding, head, norm, bias, all.",
        panel=DATA,
    ),
]
Layers = Annotated[
    str | None, flag("--layers", help="First and last layer, from 0, such as 0-11.", panel=DATA)
]
Pattern = Annotated[
    str | None, flag("--pattern", help="Only tensors in whose name this regular expression is.", panel=DATA)
]
Ranking = Annotated[
    str,
    flag(
        "--ranking",
        help="relative, the paper's; absolute, scaled, magnitude, random, official_bf16, official_fp16.",
        panel=METHOD,
    ),
]
Percent = Annotated[
    str, flag("--percent", help="Rising percents of weights, from 0 to 100, comma-separated.", panel=METHOD)
]
Rankings = Annotated[
    str,
    flag(
        "--rankings",
        help="Ways to set weights back, the first is the reference: relative, the paper's; absolute, scaled, "
        "magnitude, random, bottom, shrink.",
        panel=METHOD,
    ),
]
Equal = Annotated[
    str,
    flag(
        "--equal",
        help="Hold the others against it at as many weights, at as much energy (sum d^2 undone), or both.",
        panel=METHOD,
    ),
]
Draws = Annotated[int, flag("--draws", help="Of each random choice of weights.", panel=METHOD)]
Blocks = Annotated[
    int, flag("--blocks", help="Set so many blocks of layers back whole, too, one at a time.", panel=METHOD)
]
Modules = Annotated[
    bool,
    flag(
        "--modules", help="Set the matrices of each name back whole, too, one name at a time.", panel=METHOD
    ),
]

Memory = Annotated[
    float | None,
    flag("--memory-gb", help="Most memory, such as .3; changes no model (some .29).", panel=METHOD),
]


def compared(pair: Pair, scope: str) -> list[str]:
    """Return what of the models is compared, in lines."""
    lines = [
        f"{pair.architecture or 'unknown architecture'}: {len(pair.matches)} tensors of scope {scope}; "
        f"{len(pair.outside)} are outside"
    ]
    lines += [
        f"{name}: {before:,} rows in the original, {after:,} in the tuned one; the common ones count"
        for name, before, after in pair.resized
    ]
    lines += [f"{name} is the embedding once more and does not count" for name in pair.tied]
    base = getattr(pair.tuned, "settings", {}).get("base_model_name_or_path")
    return lines + ([f"the adapter says that its base is {base}"] if base else [])


def layers_of(text: str | None) -> tuple[int, int] | None:
    """Return first and last layer: `3-7`, or `3` alone."""
    from assay.errors import DataError

    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", text)
    if found is None:
        raise DataError(f"layers must be a first and a last one, such as 0-11; got {text!r}.")
    return int(found[1]), int(found[2] or found[1])


def percents_of(text: str) -> tuple[float, ...]:
    """Return the percents of a comma-separated text; `select` checks them."""
    from assay.errors import DataError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise DataError(
            f"percent must be numbers with commas between, such as 1,5,20; got {text!r}."
        ) from None


def plan_of(percents: str, rankings: str, equal: str, **others: Any) -> Plan:
    """Return the plan of a sweep."""
    from assay.study.restoration import Plan

    def named(text: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in text.split(","))

    return Plan(percents_of(percents), named(rankings), named(equal), **others)
