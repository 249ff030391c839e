"""Draws of a server: in one request where it can, in as many as it takes where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from assay.errors import DataError, MissingExtraError
from assay.knowledge.models import Remote
from tests.endpoint import Answer, serving


@dataclass
class Server:
    """An endpoint, what it was asked, how many choices it gives at most, and what it refuses."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    most: int = 999
    refuse: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    def answer(path: str, request: dict[str, Any]) -> Answer:
        state.requests.append((path, request))
        plain = path == "/v1/completions"
        prompt = request["prompt"] if plain else request["messages"][0]["content"]
        if state.refuse and state.refuse in prompt:
            return 404, {"error": {"message": "no such model"}}, {}
        choices = []
        for number in range(min(request["n"], state.most)):
            words = f" {prompt} {request['seed']} {number}"
            said = {"text": words} if plain else {"message": {"role": "assistant", "content": words}}
            choices.append(said | {"index": number, "finish_reason": ["stop", "length"][number % 2]})
        return 200, {"id": "x", "created": 0, "model": "small", "choices": choices}, {}

    with serving(answer) as state.url:
        yield state


@pytest.mark.parametrize("prompting", ["plain", "chat"])
def test_all_draws_of_a_prompt_are_asked_for_at_once(server: Server, prompting: str) -> None:
    remote = Remote("small", base_url=server.url, workers=2)
    options = {"draws": 5, "temperature": 0.5, "max_tokens": 9, "prompting": prompting}
    found = dict(remote.sample(["a", "b", "c"], **options))
    assert len(server.requests) == 3
    for row, prompt in enumerate("abc"):
        assert [one.text.split()[::2] for one in found[row]] == [[prompt, str(n)] for n in range(5)]
        assert [one.finished for one in found[row]] == [True, False, True, False, True]
    for path, request in server.requests:
        assert path == ("/v1/completions" if prompting == "plain" else "/v1/chat/completions")
        assert {key: request[key] for key in ("model", "temperature", "max_tokens", "n")} == {
            "model": "small", "temperature": 0.5, "max_tokens": 9, "n": 5
        }  # fmt: skip
    assert dict(remote.sample(["c", "a"], **options)) == {0: found[2], 1: found[0]}
    assert dict(remote.sample(["a"], seed=1, **options))[0] != found[0]


def test_a_server_that_gives_fewer_is_asked_again(server: Server) -> None:
    server.most = 1
    [(_, found)] = Remote("small", base_url=server.url).sample(["a"], draws=3)
    assert [request["n"] for _, request in server.requests] == [3, 2, 1]
    assert len({one.text for one in found}) == 3  # each request has a seed of its own
    server.most = 0
    with pytest.raises(DataError, match="must answer with a choice; got none"):
        list(Remote("small", base_url=server.url).sample(["a"]))
    server.most, server.requests = 999, []
    [(_, found)] = Remote("small", base_url=server.url).sample(["a"], draws=300)
    assert (len(found), [request["n"] for _, request in server.requests]) == (300, [128, 128, 44])


def test_what_a_server_does_not_do_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.refuse = "a"
    with pytest.raises(
        DataError, match=r"must answer; got status 404: .*no such model Check that it serves this"
    ):
        list(Remote("small", base_url=server.url).sample(["a", "b"]))
    monkeypatch.setattr("assay._server.RETRIES", 0)
    with pytest.raises(DataError, match=r"base_url must be a server that answers; .* or OPENAI_BASE_URL\."):
        list(Remote("small", base_url="http://127.0.0.1:9/v1").sample(["a"]))
    with pytest.raises(DataError, match="draws must be 1 at temperature 0"):
        Remote("small", base_url=server.url).sample(["a"], temperature=0)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"model 'openai:' needs openai; .*assay\[api\]"):
        Remote("small")
