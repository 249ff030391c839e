"""Which tokens have loss: the answers, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.data import Message, Sample
from assay.errors import DataError
from assay.training.tokens import IGNORED, Tokens, epoch_order, tokens_of, with_template
from tests.training.conftest import CHAT, VOCABULARY, make_tokenizer, sample

TALK = (("system", "w1 w2"), ("user", "w3"), ("assistant", "w4 w5"), ("tool", "w6"), ("assistant", "w7"))


def made(*samples: Sample, tokenizer: Any, max_tokens: int = 64, answers: str = "all") -> Tokens:
    with_template(tokenizer, None)
    return tokens_of(samples, tokenizer, max_tokens=max_tokens, answers=answers)


def words(ids: list[int]) -> str:
    return " ".join(VOCABULARY[number] for number in ids)


def learnt(labels: list[int]) -> str:
    return " ".join("." if number == IGNORED else VOCABULARY[number] for number in labels)


def test_a_chat_template() -> None:
    tokens = made(sample(*TALK), tokenizer=make_tokenizer(template=CHAT))
    assert words(tokens.ids[0]) == (
        "<s> <|start|> system \n w1 w2 <|end|> \n <|start|> user \n w3 <|end|> \n "
        "<|start|> assistant \n w4 w5 <|end|> \n <|start|> tool \n w6 <|end|> \n <|start|> assistant \n w7 <|end|> \n"
    )
    assert (
        learnt(tokens.labels[0])
        == ". . . . . . . . . . . . . . . . . w4 w5 <|end|> . . . . . . . . . . w7 <|end|> ."
    )
    assert tokens.counts["answer_tokens"] == 5
    assert tokens.counts["tokens"] == 33


def test_the_last_answer_only() -> None:
    tokens = made(sample(*TALK), tokenizer=make_tokenizer(template=CHAT), answers="last")
    assert [w for w in learnt(tokens.labels[0]).split() if w != "."] == ["w7", "<|end|>"]


@pytest.mark.parametrize("start", [True, False])
def test_without_a_template(start: bool) -> None:
    tokens = made(sample(*TALK), tokenizer=make_tokenizer(start=start))
    first, dot = ("<s> ", ". ") if start else ("", "")
    assert words(tokens.ids[0]) == (
        first + "System : w1 w2 \n User : w3 \n Assistant : w4 w5 </s> \n Tool : w6 \n Assistant : w7 </s> \n"
    )
    assert learnt(tokens.labels[0]) == dot + ". . . . . . . . . . . w4 w5 </s> . . . . . . . w7 </s> ."


def test_the_prompt_is_what_the_model_is_asked_with() -> None:
    tokenizer = make_tokenizer(start=True)
    [labels], [ids] = (
        (tokens := made(sample(("user", "w3"), ("assistant", "w4")), tokenizer=tokenizer)).labels,
        tokens.ids,
    )
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "w3"}], add_generation_prompt=True)[
        "input_ids"
    ]
    assert ids[: len(asked)] == list(asked)
    assert labels[: len(asked)] == [IGNORED] * len(asked)


def test_a_text_is_learnt_whole() -> None:
    tokens = made(sample(("user", "w1 w2"), shape="text"), tokenizer=make_tokenizer(start=True))
    assert words(tokens.ids[0]) == "<s> w1 w2 </s>"
    assert learnt(tokens.labels[0]) == ". w1 w2 </s>"


def test_markers_of_the_template_are_followed() -> None:
    marked = (
        "{% for message in messages %}{{ message['role'] }}: {% if message['role'] == 'assistant' %}"
        "{% generation %}{{ message['content'] }}{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}"
        "{{ '\n' }}{% endfor %}"
    )
    tokenizer = make_tokenizer(template=marked)
    assert learnt(made(sample(*TALK[1:3]), tokenizer=tokenizer).labels[0]) == ". . . . . . w4 w5 ."
    last = learnt(made(sample(*TALK), tokenizer=tokenizer, answers="last").labels[0])
    assert [w for w in last.split() if w != "."] == ["w7"]


def test_an_answer_that_the_template_does_not_end_gets_an_end() -> None:
    bare = "{% for message in messages %}{{ message['content'] + ' ' }}{% endfor %}"
    tokens = made(sample(*TALK[1:3]), tokenizer=make_tokenizer(template=bare))
    assert words(tokens.ids[0]) == "w3 w4 w5 </s>"
    assert learnt(tokens.labels[0]) == ". w4 w5 </s>"


def test_a_template_that_changes_its_beginning_is_refused() -> None:
    counting = "{{ 'w%d ' % (messages | length) }}{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}"
    with pytest.raises(
        DataError, match=r"here:1: the chat template .* must render .* as it does in the whole"
    ):
        made(sample(*TALK), tokenizer=make_tokenizer(template=counting))


@pytest.mark.parametrize("first", [(), TALK[1:3]])
def test_qwen3_renders_earlier_answers_otherwise_and_is_replaced(first: Any) -> None:
    import trl

    shipped = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")
    tokenizer = make_tokenizer(template=shipped)
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>", "<think>", "</think>"], special_tokens=True)
    talk = sample(*TALK[1:3], ("user", "w6"), ("assistant", "w7"))
    tokens = made(*([sample(*first)] if first else []), talk, tokenizer=tokenizer)
    said = [
        tokenizer.convert_ids_to_tokens([i for i in row if i not in (IGNORED, VOCABULARY.index("\n"))])
        for row in tokens.labels
    ]
    thought = ["<think>", "</think>"]
    assert said[-1] == [*thought, "w4", "w5", "<|im_end|>", *thought, "w7", "<|im_end|>"]


def test_a_template_may_refuse_a_conversation() -> None:
    strict = "{{ raise_exception('no system please') }}"
    with pytest.raises(DataError, match=r"here:1: messages must suit the chat template.*no system please"):
        made(sample(*TALK), tokenizer=make_tokenizer(template=strict))


def test_cut_samples_are_counted_and_answers_cut_away_dropped() -> None:
    short = sample(("user", "w1"), ("assistant", "w2"))  # User : w1 \n Assistant : w2 </s> \n
    long = sample(("user", "w1"), ("assistant", "w2 w3 w4"))
    far = sample(("user", "w1 w2 w3 w4 w5"), ("assistant", "w2"))
    asking = sample(("user", "w1"))
    empty = sample(("user", ""), shape="text")
    tokens = made(short, long, far, asking, empty, tokenizer=make_tokenizer(), max_tokens=9)
    assert tokens.counts == {
        "samples": 5, "trained": 2, "no_answer": 2, "answer_cut": 1, "truncated": 1, "tokens": 18, "answer_tokens": 5,
    }  # fmt: skip
    assert learnt(tokens.labels[1]) == ". . . . . . w2 w3 w4"
    assert tokens.lengths.tolist() == [9, 9]


def test_an_opening_answer_half_an_emoji_and_tools() -> None:
    tokens = made(sample(("assistant", "w1")), tokenizer=make_tokenizer())
    assert learnt(tokens.labels[0]) == ". : w1 </s> ."  # with its header, which nothing asked for
    assert made(sample(("user", "\ud83d"), ("assistant", "w1")), tokenizer=make_tokenizer()).ids
    shown = CHAT.replace("{% for", "{% if tools %}{{ tools[0]['name'] }}{% endif %}{% for", 1)
    for tools in ([{"name": "w9"}], '[{"name": "w9"}]'):
        row = sample(("user", "w1"), ("assistant", "w2"), row={"tools": tools})
        assert words(made(row, tokenizer=make_tokenizer(template=shown)).ids[0]).startswith(
            "<s> w9 <|start|>"
        )
    call = Message("assistant", "", {"tool_calls": [{"w5": 1}]})
    tokens = made(Sample("0", (Message("user", "w1"), call), {}, "messages"), tokenizer=make_tokenizer())
    assert tokens.counts["answer_tokens"] > 1


def test_a_tokenizer_must_know_an_end() -> None:
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(DataError, match="model must have a tokenizer with an end token"):
        made(sample(*TALK), tokenizer=tokenizer)


@pytest.mark.parametrize("grouped", [True, False])
def test_an_epoch_holds_every_row_once(grouped: bool) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 331)

    def order(seed: int, epoch: int) -> list[int]:
        return epoch_order(lengths, batch_size=8, group_by_length=grouped, seed=seed, epoch=epoch)

    assert sorted(order(0, 0)) == list(range(331))
    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    batches = [lengths[order(0, 0)[start : start + 8]] for start in range(0, 331, 8)]
    assert all((np.diff(batch) <= 0).all() for batch in batches)
    padded = sum(len(batch) * batch.max() for batch in batches) / lengths.sum()
    assert padded < 1.15 if grouped else padded > 1.5
    assert max(len(batch) for batch in batches) == 8
