"""A model asked for facts, batch by batch: those that are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from assay._check import at_least, choice, whole
from assay._files import atomic, new_folder
from assay.errors import DataError
from assay.knowledge.grading.asking import batches, drawn_rows, exact_rows, fact_of
from assay.knowledge.grading.folder import FACTS, Row, append, opened
from assay.knowledge.grading.grades import SAMPLES, Grades, grades_of
from assay.knowledge.matching import MATCHERS
from assay.knowledge.models.language_model import LanguageModel, Sampler
from assay.knowledge.questions import Question
from assay.knowledge.templates import Templates

LEADS = ("", "the")
TEMPERATURE = 0.7  # the paper's
EXACT_PROMPTS, SAMPLED_PROMPTS = 512, 128  # given to the model at a time, and lost by a kill

Progress = Callable[[int, int], None]


def grade(
    model: Sampler | LanguageModel,
    questions: Sequence[Question],
    templates: Templates,
    *,
    output: str | Path | None = None,
    exact: bool = True,
    samples: int = SAMPLES,
    greedy: bool = True,
    temperature: float = TEMPERATURE,
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
    check_settings(
        exact=exact, samples=samples, temperature=temperature, max_tokens=max_tokens, rule=rule, leads=leads,
        per_relation=per_relation, seed=seed,
    )  # fmt: skip
    if exact and not hasattr(model, "log_probabilities"):
        raise DataError(
            f"exact must be left out for a model without probabilities; {type(model).__name__} gives draws alone. "
            "Grade it with exact=False (--no-exact)."
        )
    facts = [fact_of(question, templates, per_relation) for question in questions]
    if not facts:
        raise DataError("questions must have at least one; got none.")
    if len({fact.question.id for fact in facts}) < len(facts):
        raise DataError("questions must have ids of their own; some have the same.")
    if exact:  # a statement that shares a token with its answer stops here, not after hours
        for fact in {fact.question.relation: fact for fact in facts}.values():
            for said in fact.statements:
                cast(LanguageModel, model).tokens(said, f" {fact.question.answers[0]}")
    identity = identity_of(
        model, exact=exact, samples=samples, greedy=greedy, temperature=temperature, max_tokens=max_tokens,
        rule=rule, leads=leads, per_relation=per_relation, seed=seed,
    )  # fmt: skip
    rows: dict[str, Row] = {}
    file: Path | None = None
    if output is not None:
        folder = new_folder(output, resume=resume)
        identity, rows = opened(folder, identity)
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
        for batch in batches(left, most):
            found = (
                exact_rows(cast(LanguageModel, model), batch, leads, temperature)
                if part == "exact"
                else drawn_rows(model, batch, samples, greedy, temperature, max_tokens, seed)
            )
            if file is not None:
                with open(file, "ab") as stream:
                    append(stream, found)
            for row in found:
                rows[row["id"]] = rows.get(row["id"], {}) | row
            done += len(batch)
            if progress is not None:
                progress(done, total)
    mine = {fact.question.id: rows.pop(fact.question.id) for fact in facts}
    if file is not None:
        with atomic(file) as stream:
            append(stream, [*mine.values(), *rows.values()])
    return grades_of(list(mine.values()), identity, exact=exact, sampled=bool(samples), rule=rule)


def identity_of(
    model: Sampler | LanguageModel, *, samples: int, max_tokens: int, rule: str, per_relation: int | None, seed: int,
    exact: bool = True, greedy: bool = True, temperature: float = TEMPERATURE, leads: Sequence[str] = LEADS,
) -> Row:  # fmt: skip
    """Return what all grades of a folder have in common: the model, and the settings of `grade`."""
    sampled = {
        "samples": samples,
        "greedy": greedy,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    return {
        "model": dict(model.fingerprint),
        "exact": {"temperature": temperature, "leads": list(leads)} if exact else None,
        "sampled": sampled if samples else None,
        "rule": rule,
        "per_relation": per_relation,
    }


def check_settings(
    *, exact: bool, samples: int, temperature: float, max_tokens: int, rule: str, per_relation: int | None, seed: int,
    leads: Sequence[str] = LEADS,
) -> None:  # fmt: skip
    """Raise unless the settings of `grade` are in their ranges."""
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
