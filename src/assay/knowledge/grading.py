"""A model asked for facts under every template: how well it knows each, kept fact by fact."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from assay._check import at_least, choice, whole
from assay._files import atomic, new_folder, read_json, write_json
from assay.errors import DataError
from assay.knowledge.counts import Tally
from assay.knowledge.intervals import Floats, Ints
from assay.knowledge.mastery import categories, exact_categories, exact_scores
from assay.knowledge.matching import MATCHERS, Test, matcher
from assay.knowledge.models.language_model import LanguageModel, Sampler, Scored
from assay.knowledge.questions import Question
from assay.knowledge.templates import Templates, statements

FILES = IDENTITY, FACTS = "grades.json", "facts.jsonl"
SAMPLES = 10  # of each template; the paper's
LEADS = ("", "the")
EXACT_PROMPTS, SAMPLED_PROMPTS = 512, 256  # given to the model at a time, and lost by a kill
DIGITS = 8  # of a probability that is kept

Row = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Grades:
    """How well one model knows facts, under each template.

    `probabilities` (facts, most templates): the exact score under each template, nan where a fact has fewer; None
    where it was not asked for. `by_rule` and `tally`: draws, hits and right greedy answers by every matching rule, and
    by the one asked for; None where nothing was drawn. `starts`: whether the greedy answer begins with the object
    (the rule ``first``), as `paper_rows` wants it. `identity`: model and settings.
    """

    ids: tuple[str, ...]
    relations: tuple[str, ...]
    probabilities: Floats | None
    tally: Tally | None
    starts: NDArray[np.bool_] | None
    identity: Mapping[str, Any]
    by_rule: Mapping[str, Tally] | None = None

    @property
    def scores(self) -> Floats:
        """The mastery score R of each fact, 0 to 1: the sampled one, the exact one where nothing was drawn."""
        return exact_scores(self._exact) if self.tally is None else self.tally.scores

    @property
    def categories(self) -> Ints:
        """The category of each fact, 0 to 4, by the same score."""
        return self.exact_categories if self.tally is None else categories(*self.tally.totals)

    @property
    def exact_categories(self) -> Ints:
        """The category of each fact by its exact score, for as many draws as there are, or would be (10 a template)."""
        scores, found = exact_scores(self._exact), np.empty(len(self.ids), dtype=np.int64)
        draws = SAMPLES * (~np.isnan(self._exact)).sum(axis=1) if self.tally is None else self.tally.totals[1]
        for number in np.unique(draws):
            at = draws == number
            found[at] = exact_categories(scores[at], draws=int(number))
        return found

    @property
    def _exact(self) -> Floats:
        if self.probabilities is None:
            raise DataError("grades must have an exact score; they have none. Grade with exact=True.")
        return self.probabilities

    def of(self, ids: Sequence[str]) -> Grades:
        """Return the grades of these facts, in this order."""
        place = {id: at for at, id in enumerate(self.ids)}
        missing = [id for id in ids if id not in place]
        if missing:
            raise DataError(
                f"ids must be of facts that were graded; {len(missing)} of {len(ids)} were not, first {missing[0]!r}. "
                "Grade them, too."
            )
        rows = [place[id] for id in ids]

        def chosen(tally: Tally) -> Tally:
            greedy = None if tally.greedy is None else tally.greedy[rows]
            return Tally(tally.hits[rows], tally.draws[rows], greedy)

        return Grades(
            tuple(ids),
            tuple(self.relations[at] for at in rows),
            None if self.probabilities is None else self.probabilities[rows],
            None if self.tally is None else chosen(self.tally),
            None if self.starts is None else self.starts[rows],
            self.identity,
            None if self.by_rule is None else {rule: chosen(one) for rule, one in self.by_rule.items()},
        )


@dataclass(frozen=True, slots=True)
class _Fact:
    """A question as it is put to the model; `key` has all that its grades depend on beside the model."""

    question: Question
    statements: tuple[str, ...]
    key: str


def grade(
    model: Sampler | LanguageModel,
    questions: Sequence[Question],
    templates: Templates,
    *,
    output: str | Path | None = None,
    exact: bool = True,
    samples: int = SAMPLES,
    greedy: bool = True,
    temperature: float = 0.7,
    max_tokens: int = 32,
    rule: str = "contains",
    leads: Sequence[str] = LEADS,
    per_relation: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
) -> Grades:
    """Grade how well a model knows facts: ask for each under every template, by probabilities, by draws, or both.

    The sampled score is the share of draws that have the answer. The exact one needs no draw: it is the probability
    that the model goes on with the answer at once, the mean over templates. Higher means better known.

    Parameters
    ----------
    model : LanguageModel, or Sampler
        A `Sampler`, such as a server, has no exact score.
    questions : sequence of Question
        Their aliases count as answers; see `with_aliases`.
    templates : mapping of relation to templates
        As of `templates_of`. A question's own statements come before them.
    output : path, optional
        Folder of ``grades.json`` (model and settings) and ``facts.jsonl``, a line a fact. Facts are added batch by
        batch, so that a kill loses one.
    exact : bool
        Whether to read probabilities.
    samples : int
        Draws of each template; 0 for none, 10 is the paper's.
    greedy : bool
        With samples: whether to take the likeliest answer too, which SliCK and `paper_rows` need.
    temperature : float
        > 0, of draws and of probabilities; .7 is the paper's.
    max_tokens : int
        Of a draw; 32 is the paper's.
    rule : str
        Of `MATCHERS`, for `Grades.tally`; all rules are kept side by side.
    leads : sequence of str
        Words that may come before the answer in the exact score; "" is none.
    per_relation : int, optional
        Statements of a fact at most, the first ones; None for all.
    seed : int
        Of the draws.
    resume : bool
        Go on in a folder that has grades: what is there is not asked again, whether it comes from a run that was
        killed or from one of fewer facts or without draws. A fact whose statements or answers are others is asked
        again.
    progress : callable, optional
        Takes the facts done and all; with both scores each fact counts twice.

    Returns
    -------
    Grades
        In the order of the questions, with what was asked for here. Compare only under the same templates, settings
        and answers.

    Raises
    ------
    DataError
        No question, an id twice, a relation without a template, a statement whose end would share a token with the
        answer, a model without probabilities for the exact score, a folder of another model or of other settings.

    Notes
    -----
    Exact score of a template: the sum of prod softmax(logits / temperature) over the continuations " [lead ]name" for
    all leads, answers and aliases, tokenised together with the statement. One that has another as its first tokens is
    left out, so that they exclude one another and the sum is at most 1. It is a lower bound of the sampled score: late
    mentions and other spellings do not count. Cost: one pass over each statement and a token or two beyond, some 1/100
    of 10 draws of 32 tokens.

    Memory does not grow with the facts but for their numbers, some KiB each. Equal questions give equal bytes on a CPU;
    after a kill within the writing of a batch the last digits may differ, since a batch changes logits by rounding.

    Source: Ye et al., "Analyzing the Effects of Supervised Fine-Tuning on Model Knowledge from Token and Parameter
    Levels", EMNLP 2025, arXiv 2509.16596, for the sampled score: 21 templates x 10 samples. The exact one is ours.
    """
    whole("samples", samples, 0)
    at_least("temperature", temperature, 0, strict=True)
    whole("max_tokens", max_tokens, 1)
    whole("seed", seed, 0)
    choice("rule", rule, MATCHERS)
    if per_relation is not None:
        whole("per_relation", per_relation, 1)
    if not exact and not samples:
        raise DataError("samples must be >= 1 without the exact score; got 0. Ask for one of both.")
    if exact and not leads:
        raise DataError('leads must have at least one, "" for none; got none.')
    if exact and not hasattr(model, "log_probabilities"):
        raise DataError(
            f"exact must be left out for a model without probabilities; {type(model).__name__} gives draws alone. "
            "Grade it with exact=False (--no-exact)."
        )
    facts = [_fact(question, templates, per_relation) for question in questions]
    if not facts:
        raise DataError("questions must have at least one; got none.")
    if len({fact.question.id for fact in facts}) < len(facts):
        raise DataError("questions must have ids of their own; some have the same.")
    identity: Row = {"model": dict(model.fingerprint), "exact": None, "sampled": None, "rule": rule}
    if exact:
        identity["exact"] = {"temperature": temperature, "leads": list(leads)}
    if samples:
        identity["sampled"] = {"samples": samples, "greedy": greedy, "temperature": temperature,
                               "max_tokens": max_tokens, "seed": seed}  # fmt: skip
    rows: dict[str, Row] = {}
    file: Path | None = None
    if output is not None:
        folder = new_folder(output, resume=resume)
        identity, rows = _opened(folder, identity)
        file = folder / FACTS
    for fact in facts:
        if rows.get(fact.question.id, {}).get("key", fact.key) != fact.key:
            del rows[fact.question.id]
    done, total = 0, len(facts) * (exact + bool(samples))
    for part, wanted, most in (("exact", exact, EXACT_PROMPTS), ("hits", bool(samples), SAMPLED_PROMPTS)):
        if not wanted:
            continue
        left = [fact for fact in facts if part not in rows.get(fact.question.id, ())]
        done += len(facts) - len(left)
        if progress is not None:
            progress(done, total)
        for batch in _batches(left, most):
            found = (
                _exact(cast(LanguageModel, model), batch, leads, temperature)
                if part == "exact"
                else _drawn(model, batch, samples, greedy, temperature, max_tokens, seed)
            )
            if file is not None:
                with open(file, "ab") as stream:
                    _write(stream, found)
            for row in found:
                rows[row["id"]] = rows.get(row["id"], {}) | row
            done += len(batch)
            if progress is not None:
                progress(done, total)
    mine = {fact.question.id: rows.pop(fact.question.id) for fact in facts}
    if file is not None:
        with atomic(file) as stream:
            _write(stream, [*mine.values(), *rows.values()])
    return _grades(list(mine.values()), identity, exact=exact, sampled=bool(samples), rule=rule)


def read_grades(folder: str | Path, *, score: str | None = None, rule: str | None = None) -> Grades:
    """Return the grades in a folder that `grade` filled, or is filling.

    Parameters
    ----------
    folder : path
    score : {"exact", "sampled"}, optional
        Only the facts that have it, with the other score where all of them have that, too. None: what all facts have.
    rule : str, optional
        Of `MATCHERS`; by default the one that was asked for.

    Returns
    -------
    Grades

    Raises
    ------
    DataError
        For a folder without grades, without any of that score, or where neither score is there for all facts.
    """
    place = Path(folder)
    if score is not None:
        choice("score", score, ("exact", "sampled"))
    if not (place / IDENTITY).is_file():
        raise DataError(f"folder must be one that assay knowledge grade filled; {place} has no {IDENTITY}.")
    identity = read_json(place / IDENTITY)
    rule = choice("rule", rule or identity["rule"], MATCHERS)
    rows = list(_read(place / FACTS).values())
    if score is not None:
        rows = [row for row in rows if ("exact" if score == "exact" else "hits") in row]
    exact, sampled = (bool(rows) and all(part in row for row in rows) for part in ("exact", "hits"))
    if not exact and not sampled:
        raise DataError(
            f"folder must have grades that all facts share; {place} has {score or 'no score'} for "
            f"{'none' if score else f'all of {len(rows)}'}. Choose exact or sampled, or grade the rest."
        )
    return _grades(rows, identity, exact=exact, sampled=sampled, rule=rule)


def _fact(question: Question, templates: Templates, most: int | None) -> _Fact:
    said = statements(question, templates)[:most]
    content = orjson.dumps([said, question.answers, question.aliases])
    return _Fact(question, said, hashlib.sha256(content).hexdigest()[:16])


def _batches(facts: Sequence[_Fact], most: int) -> Iterator[list[_Fact]]:
    """Yield facts of like length together, so many that they have about `most` statements.

    What is left after some batches falls into the same ones.
    """
    order = sorted(range(len(facts)), key=lambda at: (-max(map(len, facts[at].statements)), at))
    batch: list[_Fact] = []
    size = 0
    for at in order:
        if batch and size + len(facts[at].statements) > most:
            yield batch
            batch, size = [], 0
        batch.append(facts[at])
        size += len(facts[at].statements)
    if batch:
        yield batch


def _exact(
    model: LanguageModel, batch: Sequence[_Fact], leads: Sequence[str], temperature: float
) -> list[Row]:
    """Return the exact score of each fact under each statement."""
    prompts = [said for fact in batch for said in fact.statements]
    candidates: list[list[str]] = []
    for fact in batch:
        names = dict.fromkeys((*fact.question.answers, *fact.question.aliases))
        said = [" " + " ".join(f"{lead} {name}".split()) for lead in leads for name in names]
        candidates += [said] * len(fact.statements)
    found = [0.0] * len(prompts)
    for at, scored in model.log_probabilities(prompts, candidates, temperature=temperature):
        found[at] = _together(scored)
    values = iter(found)
    return [_row(fact) | {"exact": [next(values) for _ in fact.statements]} for fact in batch]


def _together(scored: Sequence[Scored]) -> float:
    """Return the probability that one of some continuations comes; one that begins with another is that one."""
    by_tokens = {one.tokens: one for one in scored}
    whole_ones = [
        one
        for tokens, one in by_tokens.items()
        if not any(tokens[:length] in by_tokens for length in range(1, len(tokens)))
    ]
    total = min(math.fsum(math.exp(one.log_probability) for one in whole_ones), 1.0)
    return float(f"{total:.{DIGITS}g}")


def _drawn(
    model: Sampler,
    batch: Sequence[_Fact],
    samples: int,
    greedy: bool,
    temperature: float,
    max_tokens: int,
    seed: int,
) -> list[Row]:
    """Return the hits of each fact under each statement by every rule, and whether its greedy answer is one."""
    prompts = [said for fact in batch for said in fact.statements]
    asks: dict[str, dict[str, Any]] = {"hits": {"draws": samples, "temperature": temperature, "seed": seed}}
    if greedy:
        asks["greedy"] = {"draws": 1, "temperature": 0}
    owner = [fact for fact in batch for _ in fact.statements]
    tests: dict[str, dict[str, Test]] = {
        fact.question.id: {
            rule: matcher(fact.question.answers, aliases=fact.question.aliases, rule=rule)
            for rule in MATCHERS
        }
        for fact in batch
    }
    found: dict[str, list[dict[str, int]]] = {name: [{}] * len(prompts) for name in asks}
    for name, options in asks.items():
        for at, draws in model.sample(prompts, max_tokens=max_tokens, **options):
            mine = tests[owner[at].question.id]
            found[name][at] = {rule: sum(test(one.text) for one in draws) for rule, test in mine.items()}
    rows: list[Row] = []
    at = 0
    for fact in batch:
        row = _row(fact)
        for name, counts in found.items():
            here = counts[at : at + len(fact.statements)]
            row[name] = {rule: [one[rule] for one in here] for rule in MATCHERS}
        rows.append(row)
        at += len(fact.statements)
    return rows


def _row(fact: _Fact) -> Row:
    return {"id": fact.question.id, "relation": fact.question.relation, "key": fact.key}


def _write(stream: IO[Any], rows: Sequence[Row]) -> None:
    stream.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    stream.flush()


def _opened(folder: Path, identity: Row) -> tuple[Row, dict[str, Row]]:
    """Return the identity of a folder with that of this run, which must be alike, and the facts that it has."""
    file = folder / IDENTITY
    if file.is_file():
        there = read_json(file)
        unlike = []
        for part in ("model", "exact", "sampled"):
            mine, theirs = identity[part], there.get(part)
            if mine is None or theirs is None:
                continue
            unlike += [
                f"{part} {name} ({theirs.get(name)!r} there, {mine.get(name)!r} here)"
                for name in dict.fromkeys((*theirs, *mine))
                if theirs.get(name) != mine.get(name)
            ]
        if unlike:
            raise DataError(
                f"output must be a folder of this model and these settings; {folder} differs in {', '.join(unlike)}. "
                "Use another folder."
            )
        identity |= {part: identity[part] or there.get(part) for part in ("exact", "sampled")}
    write_json(file, identity)
    return identity, _read(folder / FACTS, mend=True)


def _read(file: Path, *, mend: bool = False) -> dict[str, Row]:
    """Return the facts of a file by their ids, lines of one fact as one; a last line that is cut is none.

    `mend` takes it off the file as well.
    """
    rows: dict[str, Row] = {}
    whole_bytes = 0
    if not file.is_file():
        return rows
    with open(file, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = orjson.loads(line)
                earlier = rows.get(row["id"], {})
                same = earlier.get("key") == row["key"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                raise DataError(
                    f"{file}:{number}: must be the grades of a fact; got {line[:60]!r}."
                ) from None
            rows[row["id"]] = earlier | row if same else row
            whole_bytes += len(line)
    if mend:
        with open(file, "r+b") as out:
            out.truncate(whole_bytes)
    return rows


def _grades(rows: Sequence[Row], identity: Row, *, exact: bool, sampled: bool, rule: str) -> Grades:
    most = max(len(row["exact"] if exact else row["hits"][rule]) for row in rows)
    shape = (len(rows), most)
    probabilities = by_rule = starts = None
    if exact:
        probabilities = np.full(shape, np.nan)
        for at, row in enumerate(rows):
            probabilities[at, : len(row["exact"])] = row["exact"]
    if sampled:
        draws = np.zeros(shape, dtype=np.int64)
        for at, row in enumerate(rows):
            draws[at, : len(row["hits"][rule])] = identity["sampled"]["samples"]
        greedy = identity["sampled"]["greedy"]
        by_rule = {
            each: Tally(
                _filled(rows, "hits", each, shape),
                draws,
                _filled(rows, "greedy", each, shape) > 0 if greedy else None,
            )
            for each in MATCHERS
        }
        starts = by_rule["first"].greedy
    return Grades(
        tuple(row["id"] for row in rows),
        tuple(row["relation"] for row in rows),
        probabilities,
        None if by_rule is None else by_rule[rule],
        starts,
        identity | {"rule": rule},
        by_rule,
    )


def _filled(rows: Sequence[Row], part: str, rule: str, shape: tuple[int, int]) -> Ints:
    found = np.zeros(shape, dtype=np.int64)
    for at, row in enumerate(rows):
        found[at, : len(row[part][rule])] = row[part][rule]
    return found
