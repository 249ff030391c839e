"""What a model answers, and how likely it holds the right answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from assay._check import choice, whole
from assay._files import atomic
from assay.data.json_text import dumps, excerpt, loads
from assay.errors import DataError
from assay.knowledge.formats.format import rows, text
from assay.knowledge.matching import MATCHERS, matches
from assay.knowledge.prompts import EXAMPLE, Asked, asked
from assay.knowledge.questions import Question
from assay.knowledge.templates import Templates

if TYPE_CHECKING:
    from assay.knowledge.models import LanguageModel, Sampler

TOGETHER = 256  # questions asked before they are written down: what a kill can lose
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model answered to one question, and how likely it holds the right answer, the first of its answers.

    `output` is what it wrote, up to where an answer ends; `right` whether that has the answer, by the rule that was
    asked for; `finished` whether it ended of itself within the tokens it had. `gold_log_probability` (nats, <= 0) is
    that of the right answer's tokens, and `gold_end` that of the end just after them: their sum is the answer with its
    end (a tokenizer that writes the answer's last sign and a new line as one token can lift `gold_end` above 0).
    `gold_rank` is the rank of its first token among all, 1 for the likeliest, and `gold_worst_rank` the largest
    of its tokens' ranks: 1 means that a greedy answer begins with it. All four are None where they were not asked for.
    """

    id: str
    output: str
    right: bool
    finished: bool
    gold_log_probability: float | None = None
    gold_end: float | None = None
    gold_rank: int | None = None
    gold_worst_rank: int | None = None


def ask(
    model: Sampler,
    questions: Sequence[Question],
    *,
    rule: str = "contains",
    max_tokens: int = 16,
    prompting: str = "chat",
    shots: Sequence[Question] = (),
    example: tuple[str, str] = EXAMPLE,
    templates: Templates | None = None,
    gold: bool = True,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answered]:
    """Ask a model questions, greedily, and return its answers in their order.

    Parameters
    ----------
    model
        A `LanguageModel`; without `gold` any `Sampler`.
    questions
        At least one, with ids of their own.
    rule
        When an answer is right: a row of `MATCHERS`. The paper's is ``contains``.
    max_tokens
        Of an answer, its end token counted; 16 is the paper's.
    prompting, shots, example, templates
        See `asked`. ``chat`` asks a tuned model as it was taught, if its chat template was used in training.
    gold
        Whether to tell how likely the right answer is, too.
    cache
        A file to which answers are added as they come. Those that it has of the same model (by its fingerprint),
        prompt and settings are not asked for again, so that an interrupted call goes on where it was.
    progress
        Called with the questions done and their number.

    Returns
    -------
    list of Answered

    Raises
    ------
    DataError
        For no question, equal ids, a prompting that the model or the questions cannot have, gold of a server's model,
        a prompt that is too long or that shares a token with its answer, a cache that is no cache.

    Notes
    -----
    Cost: a pass over each prompt and one for each token of its answer; `gold` another pass over prompt and answer.
    Questions are asked by length, `TOGETHER` at a time; a kill loses the last of these. Batches change logits by
    rounding, some 1e-6: an answer can differ between two sets of questions only where two tokens tie.

    In a few-shot prompt an answer ends at what stands after the answers of the examples (a new line), which is
    then the end for `finished` and `gold_end` as well. A statement has no end but the model's own.

    Source: Ye et al., EMNLP 2025, arXiv 2509.16596: the prompt of fine-tuning, greedy, 16 new tokens. Gold rank and
    probability are ours: they tell what is lost from what is only not said.
    """
    choice("rule", rule, MATCHERS)
    whole("max_tokens", max_tokens, 1)
    todo = asked(questions, prompting=prompting, shots=shots, example=example, templates=templates)
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        twice = next(one for at, one in enumerate(ids) if one in ids[:at])
        raise DataError(f"questions must have ids of their own; got {twice!r} twice.")
    if gold and not hasattr(model, "log_probabilities"):
        raise DataError(
            "gold must be left out for a model behind a server, which does not tell them. Use gold=False, or --no-gold."
        )
    keys = _keys(model, questions, todo, max_tokens, gold)
    said = {} if cache is None else _kept(Path(cache))
    order = sorted(range(len(keys)), key=lambda at: (-len(todo.prompts[at]), at))
    log = None if cache is None else open(Path(cache), "ab")  # noqa: SIM115
    try:
        for start in range(0, len(order), TOGETHER):
            rows_of = [at for at in order[start : start + TOGETHER] if keys[at] not in said]
            if rows_of:
                found = _answers(model, questions, rows_of, todo, max_tokens, gold)
                said |= {keys[at]: row for at, row in zip(rows_of, found, strict=True)}
                if log is not None:
                    log.write(b"".join(dumps({"key": keys[at]} | said[keys[at]]) + b"\n" for at in rows_of))
                    log.flush()
            if progress is not None:
                progress(min(start + TOGETHER, len(order)), len(order))
    finally:
        if log is not None:
            log.close()
    return [
        Answered(
            question.id,
            right=matches(said[key]["output"], question, rule=rule),
            **{name: value for name, value in said[key].items() if name != "key"},
        )
        for question, key in zip(questions, keys, strict=True)
    ]


def write_answers(answered: Sequence[Answered], path: str | Path) -> None:
    """Write answers as JSON Lines, one a question, at once or not at all. `read_outputs` reads them too."""
    with atomic(path) as f:
        for one in answered:
            f.write(dumps(asdict(one)) + b"\n")


def read_answers(path: str | Path) -> list[Answered]:
    """Return the answers that `write_answers` wrote.

    Raises
    ------
    DataError
        For a row that is none (``file:line: ...``), or a file without any.
    """
    found = []
    for origin, row in rows(Path(path)):
        text(origin, row, "id")
        try:
            one = Answered(**row)
        except TypeError:
            raise DataError(
                f"{origin}: row must be an answer that assay wrote; got {excerpt(row)}."
            ) from None
        found.append(one)
    if not found:
        raise DataError(f"{path} must hold at least one answer; it has none.")
    return found


def _keys(
    model: Sampler, questions: Sequence[Question], todo: Asked, max_tokens: int, gold: bool
) -> list[str]:
    """Return what identifies an answer: everything that decides it."""
    common = [dict(model.fingerprint), todo.prompting, todo.stop, max_tokens]
    return [
        hashlib.sha256(dumps([*common, prompt, question.answers[0] if gold else None])).hexdigest()
        for question, prompt in zip(questions, todo.prompts, strict=True)
    ]


def _kept(cache: Path) -> dict[str, Row]:
    """Return the answers of a cache by key; a last line that was being written when a run was killed is cut off."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        return {}
    content = cache.read_bytes()
    lines = content.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        content = content.removesuffix(lines.pop())
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            row = loads(line)
        except ValueError:
            row = line[:60].decode(errors="replace")
        if not isinstance(row, dict) or "key" not in row:
            raise DataError(
                f"{cache}:{number}: cache must hold answers that assay wrote; got {excerpt(row)}. Name another file."
            )
        found[row["key"]] = row
    with open(cache, "r+b") as f:
        f.truncate(len(content))
    return found


def _answers(
    model: Sampler,
    questions: Sequence[Question],
    taken: Sequence[int],
    todo: Asked,
    max_tokens: int,
    gold: bool,
) -> list[Row]:
    """Return what a model says to some of the questions, and how likely the right answer is."""
    prompts = [todo.prompts[at] for at in taken]
    found: list[Row] = [{} for _ in taken]
    options: dict[str, Any] = {
        "draws": 1,
        "temperature": 0,
        "max_tokens": max_tokens,
        "prompting": todo.prompting,
    }
    for row, [one] in model.sample(prompts, **options):
        said, ended = one.text, one.finished
        if todo.stop is not None and todo.stop in said:
            said, ended = said.partition(todo.stop)[0], True
        found[row] |= {"output": said, "finished": ended}
    if gold:
        judge = cast("LanguageModel", model)
        lead = judge.lead(prompting=todo.prompting) if todo.lead is None else todo.lead
        wanted = [lead + questions[at].answers[0] for at in taken]
        ends = [[one] if todo.stop is None else [one, one + todo.stop] for one in wanted]
        scored = judge.log_probabilities(prompts, ends, end=todo.stop is None, prompting=todo.prompting)
        for row, each in scored:
            whole_one = each[0].log_probability
            end = each[0].end if todo.stop is None else each[1].log_probability - whole_one
            found[row] |= {
                "gold_log_probability": whole_one,
                "gold_end": end,
                "gold_rank": each[0].ranks[0],
                "gold_worst_rank": max(each[0].ranks),
            }
    return found
