"""A sweep: each tuned model of one original in every state of a plan, judged by facts, texts and programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from assay import _check
from assay._files import read_json, write_json
from assay.embed.transformer import device_for
from assay.errors import DataError
from assay.knowledge import Question
from assay.study.restoration.compare import Result, Row
from assay.study.restoration.facts import DEV, TEST, facts_measure, halves
from assay.study.restoration.numbers import Program, numbers_measure
from assay.study.restoration.run import ITEMS, Measure, Sums, realised, run_states, together
from assay.study.restoration.states import ORIGINAL, TUNED, Plan, State
from assay.study.restoration.texts import texts_measure
from assay.training.loading import load_tuned, precision_for
from assay.weights import Pair
from assay.weights.restore import write_values
from assay.weights.writing import MANIFEST

OOD, TRAIN = "OOD", "train"
BEST = "best"
DEV_NAMES = ("dev", "validation", "valid")
# a tokenizer's files, as transformers names them
TOKENIZER = (
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*"
)  # fmt: skip
SETTINGS, STATES, MODELS = "settings.json", "states", "models"
Questions = tuple[Question, ...]


def sets_of(
    questions: Questions, *, dev_fraction: float = 0.5, limit: int | None = None, seed: int = 0
) -> tuple[dict[str, Questions], list[str]]:
    """Return the facts to choose by (dev), to report (test) and of other relations (OOD), and what was done.

    Parameters
    ----------
    questions : sequence of Question
        Where their splits are dev (or validation) and test they are used as they are, others left out. Otherwise
        those of test, or without such all but those of train, are parted by ids and seed. Of domain OOD those of test
        are reported apart. Dev has no question that test asks, too.
    dev_fraction : float
        How many of them are to choose by, above 0 and below 1, where they have no splits.
    limit : int, optional
        At most so many in each set, >= 1, as many of each relation.
    seed : int

    Raises
    ------
    DataError
        Where dev or test has no fact, or all are of train.
    """
    from assay.knowledge.samples import balanced

    _check.between("dev_fraction", dev_fraction, 0, 1)
    if limit is not None:
        _check.whole("limit", limit, 1)
    given = len(questions)
    questions = tuple(one for one in questions if one.split != TRAIN)
    if not questions:
        raise DataError(
            f"facts must have some that are not of split train, which models are tuned on; got {given} of train."
        )
    inside = tuple(one for one in questions if one.domain != OOD)
    outside = tuple(one for one in questions if one.domain == OOD)
    parts = {
        name: tuple(one for one in inside if one.split in splits)
        for name, splits in ((DEV, DEV_NAMES), (TEST, (TEST,)))
    }
    notes = []
    if all(parts.values()):
        found, outside = parts, tuple(one for one in outside if one.split == TEST)
        notes.append("splits dev and test of the facts are used as they are")
    else:
        if any(one.split == TEST for one in inside):
            inside = parts[TEST]
            outside = tuple(one for one in outside if one.split == TEST)
        found = halves(inside, dev=int(len(inside) * dev_fraction), seed=seed)
    asked = {one.prompt for one in found[TEST]}
    own = tuple(one for one in found[DEV] if one.prompt not in asked)
    if not own:
        raise DataError(
            "facts must have some to choose by that test does not ask; got none. Give more facts."
        )
    if twice := len(found[DEV]) - len(own):
        notes.append(f"{twice:,} of dev were left out, which test asks, too")
    found = {DEV: own, TEST: found[TEST]} | ({OOD: outside} if outside else {})
    if others := given - twice - sum(map(len, found.values())):
        notes.append(f"{others:,} of other splits were left out")
    found = {name: balanced(own, limit, seed=seed) for name, own in found.items()}
    counts = ", ".join(f"{len(own):,} {name}" for name, own in found.items())
    return found, [f"facts: {counts}" + "".join(f"; {note}" for note in notes)]


def sweep(
    pairs: Mapping[str, Pair],
    plan: Plan,
    *,
    output: str | Path,
    settings: Mapping[str, Mapping[str, Any]],
    sets: Mapping[str, Questions] | None = None,
    categories: Mapping[str, int] | None = None,
    asking: Mapping[str, Any] | None = None,
    chat_template: str | None = None,
    texts: Sequence[str] = (),
    programs: Sequence[Program] = (),
    keep_models: bool = False,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    batch_size: int = 64,
    checked: Callable[[Row], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Row]]:
    """Evaluate tuned models of one original in every state of a plan; `read_runs` reads what it writes.

    Parameters
    ----------
    pairs : mapping from str to Pair
        By the name of the tuned model, which is that of its folder in `output`.
    plan : Plan
    output : path
        Gets for each tuned model ``states``, ``answers`` and ``losses``; see `run_states`.
    settings : mapping from str to mapping
        What decides the numbers of a tuned model's states: where some are there already, they must be of the same.
    sets, categories, asking, chat_template
        Facts by set, the bin of each, and keywords of `facts_measure`; without sets nothing is asked.
    texts : sequence of str
        Whose loss is told.
    programs : sequence of callable
        From the folder of a checkpoint to numbers by name; see `run_command` and `run_lm_eval`.
    keep_models : bool
        Keep the checkpoint of every state, in ``models``.
    device, dtype, threads, batch_size
        As in `Transformer`.
    checked : callable, optional
        Given the row of each state that is measured; what it raises ends the sweep.
    progress : callable, optional
        Called with the states done and their number, over all tuned models.

    Returns
    -------
    dict
        By name the rows of `run_states`.

    Raises
    ------
    DataError
        For states of other settings, and as `run_states`. What was finished is kept.

    Notes
    -----
    A model that only facts and texts judge is changed in place. Programs get a checkpoint of each state, which is
    deleted afterwards. The original is evaluated once.
    """
    root, found = Path(output), dict[str, list[Row]]()
    wanted = {
        name: orjson.loads(orjson.dumps(dict(settings[name]))) for name in pairs
    }  # as they are read again
    for name in pairs:
        _same_settings(root / name, wanted[name])

    def measures(loader: _Loader | None) -> list[Measure]:
        made: list[Measure] = []
        if loader is not None and sets:
            made.append(
                facts_measure(
                    sets, loader.tokenizer, categories=categories, chat_template=chat_template,
                    batch_size=batch_size, device=device, threads=threads, **(asking or {}),
                )
            )  # fmt: skip
        if loader is not None and texts:
            made.append(texts_measure(texts, loader.tokenizer, batch_size=batch_size))
        return [*made, *([numbers_measure(*programs)] if programs else [])]

    done = 0
    for name, pair in pairs.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".state-*"):  # of a run that was killed
            shutil.rmtree(left)
        write_json(folder / SETTINGS, wanted[name])
        if found:
            _take_original(root / next(iter(found)), folder)

        def told(now: int, of: int, before: int = done) -> None:
            if progress is not None:
                progress(before + now, of * len(pairs))

        with _threads(threads):
            loader = _Loader(pair, device, dtype) if sets or texts else None
            measure = _measure(partial(measures, loader), pair, folder, checked, keep_models)
            found[name] = run_states(
                pair, plan, output=folder, progress=told, load=loader, measure=measure,
                written=bool(programs) or keep_models,
            )  # fmt: skip
        done += len(found[name])
    return found


class _Loader:
    """Loads the models of a pair as they are asked for, and the tuned one's tokenizer, with which both are asked."""

    def __init__(self, pair: Pair, device: str, dtype: str) -> None:
        self._pair, self._device = pair, device_for(device)
        self._dtype = precision_for(dtype, self._device)

    def __call__(self, side: str) -> Any:
        import torch

        paths = {TUNED: self._pair.tuned.path, ORIGINAL: self._pair.original.path}
        model, tokenizer, _ = load_tuned(
            paths[side], getattr(torch, self._dtype), base=self._pair.original.path
        )
        if side == TUNED:
            self._tokenizer = tokenizer
        if hasattr(model, "merge_and_unload"):
            model = model.merge_and_unload()
        return model.to(self._device).eval()

    @property
    def tokenizer(self) -> Any:
        """The tuned model's, which is loaded for it where only the original is left to be asked."""
        if not hasattr(self, "_tokenizer"):
            self(TUNED)
        return self._tokenizer


def _measure(
    measures: Callable[[], list[Measure]],
    pair: Pair,
    folder: Path,
    checked: Callable[[Row], None] | None,
    keep_models: bool,
) -> Measure:
    """Return what judges a state by all measures; they are made at the first one, when the tuned model is loaded."""
    made: list[Measure] = []

    def measure(state: State, model: Any, place: Path | None) -> Row:
        made[:] = made or measures()
        if place is not None and state.kind != ORIGINAL:
            _with_tokenizer(place, pair.original.path)
        row = together(*made)(state, model, place)
        if checked is not None:
            checked(row)
        if keep_models and place is not None and state.kind != ORIGINAL:
            kept = folder / MODELS / state.name
            kept.parent.mkdir(exist_ok=True)
            shutil.rmtree(kept, ignore_errors=True)
            place.rename(kept)
        return row

    return measure


def best_state(result: Result, plan: Plan) -> State | None:
    """Return the state of the highest dev value of all that the rankings chose; None where that is the tuned model.

    For a single group of a comparison that has a dev set. Of random choices it is the first draw.
    """
    [group] = result["groups"].values()
    choices = sorted(group["choices"], key=lambda row: -result["sign"] * row[result["chosen_on"]])
    best = next(iter(choices), None)
    if best is None or not best["percent"]:
        return None
    return State(best["ranking"], best["by"], best["percent"], plan.seeds(best["ranking"])[0])


def write_best(pair: Pair, plan: Plan, state: State, place: str | Path) -> Path:
    """Write the checkpoint of a state, as `run_states` had it."""
    [(_, values, held)] = realised(Sums(pair, plan), [state])
    target = write_values(pair, values, Path(place), {"state": state.name, "held": held})
    _with_tokenizer(target, pair.original.path)
    return target


def _with_tokenizer(place: Path, original: Path) -> None:
    """Give a written checkpoint the original's tokenizer, where the tuned model has none."""
    if original.is_dir() and not any(place.glob(TOKENIZER[0])):
        for file in (file for name in TOKENIZER for file in original.glob(name) if file.is_file()):
            shutil.copyfile(file, place / file.name)


def forget(output: str | Path, names: Sequence[str]) -> None:
    """Remove what an earlier sweep left of these models, and its best one."""
    forget_best(output)
    for name in names:
        folder = Path(output) / name
        for one in (STATES, *ITEMS, MODELS):
            shutil.rmtree(folder / one, ignore_errors=True)
        (folder / SETTINGS).unlink(missing_ok=True)


def forget_best(output: str | Path) -> None:
    """Remove the best model of an earlier sweep."""
    if (Path(output) / BEST / MANIFEST).exists():
        shutil.rmtree(Path(output) / BEST)


def _same_settings(folder: Path, now: Mapping[str, Any]) -> None:
    """Raise where a folder has states of other settings."""
    if not (folder / SETTINGS).exists():
        return
    before = read_json(folder / SETTINGS)
    for name, value in now.items():
        if before.get(name) != value:
            raise DataError(
                f"output must hold the same sweep to go on with; in {folder} {name} was {before.get(name)!r}, and is "
                f"now {value!r}. Use another output."
            )


def _take_original(first: Path, folder: Path) -> None:
    """Copy what the original came to, which is the same beside every tuned model."""
    for kind, end in (*((one, "jsonl") for one in ITEMS), (STATES, "json")):
        source = first / kind / f"{ORIGINAL}.{end}"
        if source.exists():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / kind / source.name)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Give torch so many threads, where it is told."""
    if count is None:
        yield
        return
    torch = _check.require("torch", "lm", "a sweep")
    had = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(had)
