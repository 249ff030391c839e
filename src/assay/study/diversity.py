"""The diversity study: many data sets from one pool, each measured, trained on and scored, and what predicted what."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay import _check
from assay._files import read_json, write_json
from assay._parallel import cores
from assay._workers import Workers
from assay.data import Sample, text, write
from assay.diversity import MEASURES, Measurement, together
from assay.diversity.correlate import novelsum_grid
from assay.diversity.partition import kmeans
from assay.embed import embed, resolve
from assay.embed.transformer import find_model
from assay.errors import AssayWarning, DataError
from assay.neighbors import local_density
from assay.study.plan import Planned, draw, file_name, plan
from assay.study.tiny import tiny_model
from assay.study.tune import Job, Tuning, command_of
from assay.training.presets import Preset, settings

Progress = Callable[[int, int], None]
Stage = Callable[[str, str], AbstractContextManager[Progress]]
STATE = "study.json"


@dataclass(frozen=True, slots=True)
class Split:
    """A source's samples: what is scored on, what a model from scratch learns from, what sets are drawn from."""

    heldout: dict[str, list[Sample]]
    base: list[Sample]
    pool: list[Sample]
    source_of: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Space:
    """The pool in the vectors of one encoder, with what all sets share."""

    name: str
    vectors: NDArray[np.floating[Any]]
    density: NDArray[np.float64]
    centroids: NDArray[np.floating[Any]]


def diversity_study(
    sources: Mapping[str, Sequence[Sample]],
    *,
    output: str | Path,
    model: str = "tiny",
    encoder: str = "sentence",
    sets: int = 53,
    sizes: Sequence[int] = (1000,),
    seeds: int = 3,
    heldout: int = 100,
    base_fraction: float = 0.25,
    base_epochs: int = 1,
    tuning: Tuning | None = None,
    lower_is_better: Collection[str] = (),
    workers: int | None = None,
    seed: int = 0,
    stage: Stage = lambda name, expect: nullcontext(lambda done, total: None),
) -> list[dict[str, Any]]:
    """Build sets from one pool by every strategy, measure each, fine-tune on each, score, and return the table.

    Parameters
    ----------
    sources : mapping from str to samples
        The pool, by source or other domain; each has at least ``2 * heldout`` samples. Exact copies of a text count
        once.
    output : path
        Folder for everything; what an interrupted study finished is found there and not done again, as long as the
        parameters are the same.
    model : str
        A local model or hub id to fine-tune, or "tiny": one trained here from scratch, on samples kept out of the pool.
    encoder : str
        Measured beside the hidden states of `model`, see `assay.embed.resolve`.
    sets : int
        Data sets of each size. The paper has 53.
    sizes : sequence of int
        Rows of a set, each at most half the pool. The paper has 10,000. Sets are compared within a size only.
    seeds : int
        Fine-tunings of each set; its score is their mean.
    heldout : int
        Samples of each source that are scored on and in no set.
    base_fraction, base_epochs : float, int
        With "tiny": which share of the samples it is trained on before, and how often it sees them.
    tuning : Tuning, optional
        How a set is fine-tuned on and scored.
    lower_is_better : collection of str
        Scores that are losses. They stay as they are here; a name that the untuned model has no score of is refused
        before anything is tuned.
    workers : int, optional
        Processes that fine-tune, at least 1; None: one for each core with "tiny", else one.
    seed : int
        Of the split, the draws, and the first of the training seeds.
    stage : callable
        Called with the name of each stage and what to expect, see `assay study`.

    Returns
    -------
    list of dict
        A row a set: name, strategy, size, draw, distinct, the mean of every metric over the training seeds, and every
        measure as ``<encoder>/<measure>``. None where a measure cannot be had. Compare within a size only.

    Raises
    ------
    DataError
        Sources too small, sizes beyond half the pool, settings out of their range, an output of other parameters, a
        metric that fails, a worker that ends. What was finished is kept in all cases.

    Notes
    -----
    Cost: sets x sizes x seeds fine-tunings (see `assay.training.train`), two embeddings of the pool, and for each set
    all measures in both. Memory: the pool's vectors under both encoders, and one model a worker. The largest part is
    fine-tuning: 24 minutes for 159 models of 1.4 million parameters on 2 cores.

    On a CPU the same arguments give the same numbers; with "tiny" for any number of workers. With a model of your
    own the cores are shared out among the workers, and torch may round otherwise with another number of threads.

    Where this differs from the paper: any model, pool and size; every selector chooses from a random half of the
    pool, so that its draws differ; the score is the held-out loss over balanced domains (or any program) where the
    paper has MT-bench and AlpacaEval; the numbers of clusters in `cluster_inertia` and `partition_entropy` shrink
    with the sets as 200 and 1,000 do from 10,000.

    Source: protocol of Yang et al., ACL 2025, arXiv 2502.17184 (53 sets of 10,000, corroborated).
    """
    tuning = tuning or Tuning()
    folder = Path(output)
    planned_sizes = sorted({_check.whole("sizes", size, 2) for size in sizes})
    if not planned_sizes:
        raise DataError("sizes must hold at least one size; got none.")
    for what, value, least in (
        ("seeds", seeds, 1), ("heldout", heldout, 1), ("base_epochs", base_epochs, 1), ("seed", seed, 0),
        ("workers", 1 if workers is None else workers, 1),
    ):  # fmt: skip
        _check.whole(what, value, least)
    of_training = {
        name: value for name, value in tuning.settings.items() if name in Preset.__dataclass_fields__
    }
    settings(tuning.preset, {"method": tuning.method, "max_tokens": tuning.max_tokens, **of_training})
    if tuning.metric is not None:
        command_of(tuning.metric)
    split = _split(sources, heldout, base_fraction if model == "tiny" else 0.0, seed)
    rows_of = {name: int((split.source_of == name).sum()) for name in sources}
    planned = [one for size in planned_sizes for one in plan(sets, size, rows_of)]
    if model == "tiny" and not split.base:
        raise DataError(f"base_fraction must leave samples for a model from scratch; got {base_fraction!r}.")
    revision = model if model == "tiny" else find_model(model, "model")[2]
    _begin(
        folder,
        {
            "samples": _digest(sources), "model": revision, "encoder": encoder, "sets": sets, "sizes": planned_sizes,
            "seeds": seeds, "heldout": heldout, "base_fraction": base_fraction, "base_epochs": base_epochs,
            "tuning": asdict(tuning), "seed": seed,
        },
    )  # fmt: skip
    for name, samples in split.heldout.items():
        if not _heldout(folder, name).exists():
            write(samples, _heldout(folder, name), shape="messages")
    base = model
    if model == "tiny":
        base = str(folder / "model")
        if not (folder / "model" / "training.json").exists():
            with stage("model", f"a Llama from scratch on {len(split.base):,} samples") as progress:
                tiny_model(
                    split.base, output=base, epochs=base_epochs, max_tokens=tuning.max_tokens, seed=seed,
                    threads=1, resume=True, progress=progress,
                )  # fmt: skip
    texts = [text(sample) for sample in split.pool]
    spaces = [
        _space("model", f"hf:{base}", texts, tuning, folder, seed, stage),
        _space("encoder", encoder, texts, tuning, folder, seed, stage),
    ]
    with stage("sets", f"{len(planned)} sets of {', '.join(map(str, planned_sizes))} rows") as progress:
        drawn = {}
        for at, one in enumerate(planned):
            drawn[one.name] = _drawn(folder, one, spaces[0], split, seed)
            progress(at + 1, len(planned))
    with stage("measure", f"{len(planned)} sets, {len(MEASURES)} measures, 2 encoders") as progress:
        measured = {}
        for at, one in enumerate(planned):
            file = folder / "sets" / one.name / "measures.json"
            if not file.exists():
                write_json(file, _measures(spaces, texts, drawn[one.name], one.size))
            measured[one.name] = read_json(file)
            progress(at + 1, len(planned))
    numbers = range(seed, seed + seeds)
    _tune(folder, base, split, planned, tuning, numbers, lower_is_better, workers, model == "tiny", stage)
    return [
        _row(scores_by_seed(folder, one.name, seed, seeds), one, drawn[one.name], measured[one.name])
        for one in planned
    ]


def scores_by_seed(folder: Path, name: str, seed: int, seeds: int) -> list[dict[str, float]]:
    """Return the scores of a set of a finished study under each training seed."""
    return [
        read_json(folder / "sets" / name / f"score-{number}.json")["metrics"]
        for number in range(seed, seed + seeds)
    ]


def _split(sources: Mapping[str, Sequence[Sample]], heldout: int, base_fraction: float, seed: int) -> Split:
    """Deal every source's distinct samples into held-out ones, ones for the base model, and the pool."""
    if not 0 <= base_fraction < 1:
        raise DataError(f"base_fraction must be from 0 to below 1; got {base_fraction!r}.")
    if not sources:
        raise DataError("sources must name at least one source of samples; got none.")
    files = [_heldout(Path(), name) for name in sources]
    if len(set(files)) < len(files):
        raise DataError(f"sources must have names that make different file names; got {', '.join(sources)}.")
    if "sd" in sources:
        raise DataError(
            "sources must have other names than 'sd'; the column 'loss sd' is the spread of 'loss'."
        )
    held: dict[str, list[Sample]] = {}
    base, pool, source_of, seen = list[Sample](), list[Sample](), list[str](), set[str]()
    for number, (name, samples) in enumerate(sources.items()):
        own = []
        for sample in samples:
            content = text(sample)
            if content not in seen and any(
                turn.role == "assistant" and turn.content for turn in sample.messages
            ):
                seen.add(content)
                own.append(sample)
        if len(own) < 2 * heldout:
            raise DataError(
                f"source {name!r} must have at least 2 x heldout ({2 * heldout}) different samples with an answer; "
                f"got {len(own)}."
            )
        order = np.random.default_rng([seed, number]).permutation(len(own)).tolist()
        held[name] = [own[at] for at in order[:heldout]]
        cut = heldout + int(base_fraction * (len(own) - heldout))
        base += [own[at] for at in order[heldout:cut]]
        kept = sorted(order[cut:])
        pool += [own[at] for at in kept]
        source_of += [name] * len(kept)
    return Split(held, base, pool, np.array(source_of))


def _heldout(folder: Path, name: str) -> Path:
    """Return the file of a domain's held-out samples."""
    return folder / "heldout" / f"{file_name(name)}.jsonl"


def _digest(sources: Mapping[str, Sequence[Sample]]) -> str:
    """Return a hash of all texts, by which a study knows its data again."""
    found = hashlib.sha256()
    for name, samples in sources.items():
        for part in (name, *(text(sample) for sample in samples)):
            found.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return found.hexdigest()


def _begin(folder: Path, parameters: dict[str, Any]) -> None:
    """Record what the study is, or raise if the folder holds another one."""
    state = folder / STATE
    parameters = orjson.loads(
        orjson.dumps(parameters, option=orjson.OPT_SERIALIZE_NUMPY)
    )  # as they are read again
    if state.exists():
        before = read_json(state)
        for name, value in parameters.items():
            if before.get(name) != value:
                raise DataError(
                    f"output must hold a study of the same parameters; in {folder} {name} was {before.get(name)!r}, "
                    f"and is now {value!r}. Use another output."
                )
        return
    write_json(state, parameters)


def _space(
    name: str, spec: str, texts: list[str], tuning: Tuning, folder: Path, seed: int, stage: Stage
) -> Space:
    """Embed the pool and compute what all sets share: density and a partition."""
    local = spec.startswith("hf:")
    found = resolve(
        spec, max_tokens=tuning.max_tokens if local else None, device=tuning.device if local else "auto"
    )
    fit = getattr(found, "fit", None)
    if fit is not None:
        fit(texts)
    with stage(f"embed {name}", f"{len(texts):,} texts with {found.name}") as progress:
        vectors, _ = embed(texts, found, cache=folder / "embeddings", progress=progress)
    with stage(f"density {name}", f"{len(texts):,} rows"), warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        density = local_density(vectors)
        cells = min(1000, max(2, len(texts) // 10))
        return Space(name, vectors, density, kmeans(vectors, cells, seed=seed))


def _drawn(folder: Path, one: Planned, space: Space, split: Split, seed: int) -> list[int]:
    """Return the rows of a set, drawing them and writing its records unless that is done."""
    place = folder / "sets" / one.name
    if not (place / "set.json").exists():
        rows, facts = draw(one, space.vectors, split.source_of, seed)
        write((split.pool[row] for row in rows.tolist()), place / "data.jsonl", shape="messages")
        content = {
            "strategy": one.strategy,
            "size": one.size,
            "draw": one.draw,
            **facts,
            "rows": rows.tolist(),
        }
        write_json(place / "set.json", content)
    found: list[int] = read_json(place / "set.json")["rows"]
    return found


def _measures(spaces: Sequence[Space], texts: list[str], rows: list[int], size: int) -> dict[str, Any]:
    """Return every measure of a set, in every space, with the reasons of those that cannot be had."""
    lexical = [name for name, row in MEASURES.items() if row.takes == "texts"]
    found: dict[str, Measurement] = {}
    grid: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)  # repeated rows are what some sets are made of
        for name, one in together(texts=[texts[row] for row in rows], measures=lexical).items():
            found[f"text/{name}"] = one
        for space in spaces:
            own = space.vectors[rows]
            options: dict[str, dict[str, Any]] = {
                "novelsum": {"density": space.density[rows]},
                "partition_entropy": {"centroids": space.centroids},
                "cluster_inertia": {"n_clusters": max(2, size // 50)},
            }
            others = [name for name in MEASURES if name not in lexical]
            for name, one in together(own, reference=space.vectors, measures=others, options=options).items():
                found[f"{space.name}/{name}"] = one
            for name, [value] in novelsum_grid({"": own}, reference=space.vectors).items():
                grid[f"{space.name}/{name}"] = float(value)
    names = [f"{where}/{name}" for name in MEASURES for where in (*(space.name for space in spaces), "text")]
    return {
        "values": {name: found[name].value for name in names if name in found} | grid,
        "reasons": {name: one.reason for name, one in found.items() if one.reason},
    }


def _tune(
    folder: Path, base: str, split: Split, planned: Sequence[Planned], tuning: Tuning, seeds: Sequence[int],
    lower_is_better: Collection[str], workers: int | None, small: bool, stage: Stage,
) -> None:  # fmt: skip
    """Fine-tune and score every set under every seed, unless that is done; the model as it is comes first, alone."""
    heldout = tuple(str(_heldout(folder, name)) for name in split.heldout)
    untuned = folder / "untuned.json"
    wanted = [(untuned, Job(base, None, heldout, "", seeds[0]))]
    wanted += [
        (place / f"score-{number}.json",
         Job(base, str(place / "data.jsonl"), heldout, str(place / f"model-{number}"), number))
        for number in seeds
        for place in (folder / "sets" / one.name for one in planned)
    ]  # fmt: skip
    left = [(file, job) for file, job in wanted if not file.exists()]
    done = len(wanted) - len(left)
    if not left:
        return
    count = min(workers or (cores() if small else 1), len(left))
    threads = 1 if small else max(1, cores() // count)
    with stage("tune", f"{len(left)} fine-tunings, {done} were done, {count} at a time") as progress:
        crew = Workers(count, "assay.study.tune:tuner", (tuning, threads))

        def over(some: Sequence[tuple[Path, Job]], names: Collection[str] | None) -> None:
            def take(at: int, answer: dict[str, Any]) -> None:
                nonlocal done
                if names is not None and set(answer["metrics"]) != set(names):
                    raise DataError(
                        f"metric must give the scores that it gave untuned ({', '.join(names)}); got "
                        f"{', '.join(answer['metrics'])} for {some[at][1].data}."
                    )
                write_json(some[at][0], answer)
                done += 1
                progress(done, len(wanted))

            crew.over([job for _, job in some], take)

        try:
            if left[0][0] == untuned:
                over(left[:1], None)
            names = list(read_json(untuned)["metrics"])
            for name in lower_is_better:
                _check.choice("lower_is_better", name, names)
            over([pair for pair in left if pair[0] != untuned], names)
        finally:
            crew.close()


def _row(
    scores: Sequence[Mapping[str, float]], one: Planned, rows: list[int], measured: dict[str, Any]
) -> dict[str, Any]:
    """Return a set's line of the table: its metrics averaged over the seeds, and its measures."""
    row: dict[str, Any] = {
        "set": one.name, "strategy": one.strategy, "size": one.size, "draw": one.draw, "distinct": len(set(rows)),
    }  # fmt: skip
    for name in scores[0]:
        values = [score[name] for score in scores]
        row[name] = float(np.mean(values))
        row[f"{name} sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    row |= measured["values"]
    return row
