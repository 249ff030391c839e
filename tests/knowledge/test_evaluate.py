"""Answers and gold ranks against one text at a time; a cache that is gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.knowledge import MATCHERS, Answered, Question, ask, read_answers, read_outputs, write_answers
from assay.knowledge import evaluate as room
from assay.knowledge.models import Transformer
from tests.knowledge.models.made import (
    SPECIAL,
    WORDS,
    ids_of,
    log_softmax_after,
    make_model,
    make_tokenizer,
)

QUESTIONS = [
    Question(f"q{number}", f"w{number}", f"P{number % 2}", " ".join(f"w{word}" for word in words), (answer,))
    for number, (words, answer) in enumerate(
        [
            ([1], "w5"),
            ([2, 3, 4, 5], "w2 w3"),
            ([7, 8], "w30"),
            ([9, 8, 7], "w1 w2 w3"),
            ([2], "w11"),
            ([3, 3], "w0"),
        ]
    )
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(plain: Any) -> Transformer:
    return Transformer((plain, make_tokenizer()), batch_size=4)


def _greedily(plain: Any, ids: list[int], most: int) -> tuple[list[int], bool]:
    """Say the likeliest token again and again."""
    said: list[int] = []
    while len(said) < most:
        token = int(log_softmax_after(plain, ids + said).argmax())
        if token == 2:
            return said, True
        said.append(token)
    return said, False


@pytest.mark.parametrize("prompting", ["chat", "plain"])
def test_answers_are_those_of_one_text_at_a_time(model: Transformer, plain: Any, prompting: str) -> None:
    names = SPECIAL + WORDS
    found = ask(model, QUESTIONS, max_tokens=6, prompting=prompting, rule="word")
    assert [one.id for one in found] == [question.id for question in QUESTIONS]
    for question, one in zip(QUESTIONS, found, strict=True):
        ids = ids_of(question.prompt)
        if prompting == "chat":
            ids = [1, 4, *ids[1:], 5]
        said, ended = _greedily(plain, ids, 6)
        words = [names[token] for token in said if token >= len(SPECIAL)]
        assert (one.output.split(), one.finished) == (words, ended)
        wanted = question.answers[0].split()
        assert one.right == any(words[at : at + len(wanted)] == wanted for at in range(len(words)))
        gold = ids_of(question.answers[0])[1:]
        rows = [log_softmax_after(plain, ids + gold[:at]) for at in range(len(gold) + 1)]
        each = [float(row[token]) for row, token in zip(rows, gold, strict=False)]
        ranks = [1 + int((row > row[token]).sum()) for row, token in zip(rows, gold, strict=False)]
        assert one.gold_log_probability == pytest.approx(sum(each), abs=1e-4)
        assert one.gold_end == pytest.approx(float(rows[-1][2]), abs=1e-4)
        assert (one.gold_rank, one.gold_worst_rank) == (ranks[0], max(ranks))


def test_what_is_right_is_found(model: Transformer) -> None:
    """The model's own answers, asked for again: all right, and likelier than others of their length."""
    first = ask(model, QUESTIONS, max_tokens=3, gold=False)
    assert {one.gold_rank for one in first} == {None}
    told = [
        Question(one.id, "", question.relation, question.prompt, (one.output.strip(),))
        for question, one in zip(QUESTIONS, first, strict=True)
        if one.output.strip()
    ]
    assert len(told) >= 4
    again = ask(model, told, max_tokens=3)
    assert all(one.right and one.gold_worst_rank == 1 for one in again)


class Spoken:
    """A model that says what it is told, whatever the question: for where an answer ends."""

    fingerprint = {"model": "spoken"}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    def sample(self, prompts: Any, **options: Any) -> Any:
        from assay.knowledge.models import Continuation

        self.asked += len(prompts)
        assert options == {"draws": 1, "temperature": 0, "max_tokens": 16, "prompting": "plain"}
        return ((row, (Continuation(self.text, False),)) for row in reversed(range(len(prompts))))


def test_an_answer_after_examples_ends_at_a_new_line() -> None:
    shots = [Question("s", "", "P0", "Capital of Chad?", ("N'Djamena",))]
    asked = [Question("1", "", "P0", "Capital of Norway?", ("Oslo",))]
    options: dict[str, Any] = {"prompting": "few-shot", "shots": shots, "gold": False}
    [one] = ask(Spoken(" Bergen\nQuestion: What is Oslo?"), asked, **options)
    assert (one.output, one.right, one.finished) == (" Bergen", False, True)
    [one] = ask(Spoken(" Bergen, or Oslo"), asked, **options)
    assert (one.output, one.right, one.finished) == (" Bergen, or Oslo", True, False)


@pytest.mark.parametrize("before", ["w20 {question} w21", "w20 {question}"])
def test_gold_after_examples_is_written_as_theirs(plain: Any, before: str) -> None:
    """It ends with w33, as each example; w21 is of the prompt, or what the examples' answers begin with."""
    model = Transformer((plain, make_tokenizer()))
    mine = before.endswith("w21")
    example = (before, " {answer} w33 " if mine else " w21 {answer} w33 ")
    [one] = ask(
        model, QUESTIONS[1:2], max_tokens=8, prompting="few-shot", shots=QUESTIONS[:1], example=example
    )
    ids = ids_of("w20 w1 w21 w5 w33 w20 w2 w3 w4 w5 w21 w2 w3")
    gold = [
        float(log_softmax_after(plain, ids[:-2])[ids[-2]]),
        float(log_softmax_after(plain, ids[:-1])[ids[-1]]),
    ]
    if not mine:
        gold.append(float(log_softmax_after(plain, ids[:-3])[ids[-3]]))
    assert one.gold_log_probability == pytest.approx(sum(gold), abs=1e-4)
    end = float(log_softmax_after(plain, ids)[ids_of("w33")[1]])
    assert one.gold_end == pytest.approx(end, abs=1e-4)


def test_a_kill_loses_a_batch_and_repeats_nothing(
    model: Transformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "TOGETHER", 2)
    cache = tmp_path / "new" / "cache.jsonl"
    whole = ask(model, QUESTIONS, max_tokens=5, cache=cache)
    lines = cache.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    counted: list[int] = []
    monkeypatch.setattr(
        room,
        "_answers",
        lambda *given, make=room._answers: (counted.append(len(given[2])), make(*given))[1],
    )
    progress: list[tuple[int, int]] = []
    assert ask(model, QUESTIONS, max_tokens=5, cache=cache, progress=lambda *at: progress.append(at)) == whole
    assert (counted, progress) == ([], [(2, 6), (4, 6), (6, 6)])
    cache.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # killed while it wrote its fourth line
    assert ask(model, QUESTIONS, max_tokens=5, cache=cache) == whole
    assert counted == [1, 2]
    assert sorted(cache.read_bytes().splitlines(keepends=True)) == sorted(lines)
    ask(model, QUESTIONS[:2], max_tokens=4, cache=cache)
    ask(model, QUESTIONS[:2], max_tokens=5, prompting="plain", cache=cache)
    other = Question("other", "", "", QUESTIONS[0].prompt, QUESTIONS[0].answers)
    [one] = ask(model, [other], max_tokens=5, cache=cache)
    assert (counted, one.id, one.output) == ([1, 2, 2, 2], "other", whole[0].output)
    changed = make_model()
    changed.lm_head.weight.data[7] += 1
    ask(Transformer((changed, make_tokenizer())), QUESTIONS[:1], max_tokens=5, cache=cache)
    ask(
        Transformer((make_model(), make_tokenizer(template="{{ messages[0]['content'] }} <model>"))),
        QUESTIONS[:1],
        max_tokens=5,
        cache=cache,
    )
    assert counted[4:] == [1, 1]


def test_answers_are_written_and_read(model: Transformer, tmp_path: Path) -> None:
    found = ask(model, QUESTIONS, max_tokens=4)
    write_answers(found, tmp_path / "answers.jsonl")
    assert read_answers(tmp_path / "answers.jsonl") == found
    assert [output for _, output in read_outputs(tmp_path / "answers.jsonl", QUESTIONS)] == [
        one.output for one in found
    ]
    bare = [Answered("1", " Oslo", True, False)]
    write_answers(bare, tmp_path / "bare.jsonl")
    assert read_answers(tmp_path / "bare.jsonl") == bare
    assert json.loads((tmp_path / "bare.jsonl").read_bytes())["gold_rank"] is None


def test_what_cannot_be_asked_is_refused(model: Transformer, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"id": "1"}\n')
    (tmp_path / "text").write_text("words\n")
    (tmp_path / "none.jsonl").write_text("")
    calls: list[tuple[Any, str]] = [
        (lambda: ask(model, []), "questions must have at least one question; got none"),
        (
            lambda: ask(model, QUESTIONS[:1] * 2),
            "questions must have ids of their own; got 'q0' twice",
        ),
        (
            lambda: ask(model, QUESTIONS, rule="same"),
            f"rule must be one of {', '.join(MATCHERS)}; got 'same'",
        ),
        (
            lambda: ask(Spoken(""), QUESTIONS, prompting="plain"),
            "gold must be left out for a model behind a server",
        ),
        (
            lambda: ask(
                Transformer((make_model(), make_tokenizer(template=None))), QUESTIONS
            ),
            "prompting must be plain for a model without a chat template",
        ),
        (
            lambda: ask(model, QUESTIONS, cache=tmp_path / "other.jsonl"),
            "other.jsonl:1: cache must hold answers that assay wrote; got",
        ),
        (lambda: ask(model, QUESTIONS, cache=tmp_path / "text"), "text:1: cache must hold"),
        (
            lambda: read_answers(tmp_path / "other.jsonl"),
            "other.jsonl:1: row must be an answer that assay wrote",
        ),
        (lambda: read_answers(tmp_path / "none.jsonl"), "must hold at least one answer; it has none"),
    ]  # fmt: skip
    for call, says in calls:
        with pytest.raises(DataError) as caught:
            call()
        assert says in str(caught.value)
    assert (tmp_path / "text").read_text() == "words\n"
