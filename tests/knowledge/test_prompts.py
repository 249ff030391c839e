"""Prompts: taught and asked alike, token by token."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import DataError
from assay.knowledge import CHAT_TEMPLATES, Question, asked, choose_shots, samples_of
from assay.knowledge.models.writing import Writer
from assay.training.tokens import IGNORED, tokens_of, with_template

TEXTS = [
    "<|question|> What is the capital of Norway? <|answer|> Oslo",
    "Who wrote Peer Gynt? Henrik Ibsen. Where was Apple Inc. founded? St. Petersburg, 1984",
]
QUESTIONS = [
    Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",)),
    Question("2", "Peer Gynt", "P50", "Who wrote Peer Gynt?", ("Henrik Ibsen", "Ibsen")),
    Question("3", "iPod", "P176", "Which company is iPod produced by?", ("Apple Inc.",)),
    Question("4", "1984", "P50", "Who wrote 1984?", ("“George Orwell”",)),
    Question("5", "X", "P17", "Where is X?", ("(none)",)),
]


def make_bytes(kind: str) -> Any:
    """A byte-level tokenizer, or one of the first Llamas' kind, learnt from a few lines; both with bos and eos."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(byte_fallback=kind == "llama"))
    special = ["<unk>", "<s>", "</s>"]
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        special += [f"<0x{number:02X}>" for number in range(256)]
        alphabet = []
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.mark.parametrize("kind", ["bytes", "llama"])
def test_what_is_asked_begins_what_was_taught_and_the_rest_has_loss(kind: str) -> None:
    tokenizer = make_bytes(kind)
    with_template(tokenizer, CHAT_TEMPLATES["knowledge"])
    taught = tokens_of(samples_of(QUESTIONS), tokenizer, max_tokens=512, answers="all")
    assert taught.counts["trained"] == len(QUESTIONS)
    writer = Writer(tokenizer, None)
    assert writer.lead("chat") == " "
    prompts = writer.prompts([question.prompt for question in QUESTIONS], "chat")
    for question, prompt, ids, labels in zip(QUESTIONS, prompts, taught.ids, taught.labels, strict=True):
        assert prompt[0] == tokenizer.bos_token_id
        assert prompt[1] != tokenizer.bos_token_id
        assert ids[: len(prompt)] == prompt
        assert labels == [IGNORED] * len(prompt) + ids[len(prompt) :]
        assert ids[-1] == tokenizer.eos_token_id
        answer = ids[len(prompt) : -1]
        assert tokenizer.eos_token_id not in answer
        assert tokenizer.decode(ids[1:-1]).strip() == (
            f"<|question|> {question.prompt} <|answer|> {question.answers[0]}"
        )
        [[gold]] = writer.continued(
            "gold", [question.prompt], [prompt], [[f" {question.answers[0]}"]], "chat"
        )
        assert list(gold) == answer
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who?"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<s><|question|> Who? <|answer|>"


def test_prompts_of_every_kind() -> None:
    shots = [QUESTIONS[0], QUESTIONS[1]]
    found = asked(QUESTIONS[1:3], prompting="few-shot", shots=shots)
    first = "Question: What is the capital of Norway?\nAnswer: Oslo\n"
    second = "Question: Who wrote Peer Gynt?\nAnswer: Henrik Ibsen\n"
    assert found.prompts == (
        first + "Question: Who wrote Peer Gynt?\nAnswer:",  # not told its own answer
        first + second + "Question: Which company is iPod produced by?\nAnswer:",
    )
    assert (found.prompting, found.stop) == ("plain", "\n")
    world = asked(
        QUESTIONS[2:3], prompting="few-shot", shots=shots[:1], example=("ask {question} reply", " {answer} .")
    )
    assert world.prompts == (
        "ask What is the capital of Norway? reply Oslo .ask Which company is iPod produced by? reply",
    )
    assert world.stop == " ."
    said = asked(QUESTIONS[:1], prompting="statement", templates={"P36": ("The capital of [X] is", "B [X]")})
    assert (said.prompts, said.prompting) == (("The capital of Norway is",), "plain")
    assert asked(QUESTIONS[:1]).prompts == asked(QUESTIONS[:1], prompting="plain").prompts


def test_shots_take_turns_and_the_seed_decides() -> None:
    train = [Question(str(n), "", f"P{n % 3}", f"{n}?", ("A",)) for n in range(30)]
    found = choose_shots(train, count=6, seed=1)
    assert [shot.relation for shot in found[:3]] == [shot.relation for shot in found[3:]]
    assert len({shot.relation for shot in found}) == 3
    assert choose_shots(train, count=4, seed=1) == found[:4]
    assert choose_shots(train[::-1], count=6, seed=1)[0].relation in {"P0", "P1", "P2"}
    assert choose_shots(train, count=6, seed=2) != found


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompting": "sft"}, "prompting must be one of chat, plain, few-shot, statement; got 'sft'"),
        ({"prompting": "few-shot"}, "shots must be given for few-shot; got none. See choose_shots."),
        ({"shots": QUESTIONS}, "shots must be left out unless prompting is few-shot; it is chat"),
        ({"templates": {"P36": ("[X] is",)}}, "templates must be left out unless prompting is statement"),
        (
            {"prompting": "few-shot", "shots": QUESTIONS, "example": ("{question}", "{answer}")},
            "example must be a text with {question}, and one with {answer} and what ends it",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError) as caught:
        asked(QUESTIONS[:1], **options)
    assert says in str(caught.value)
