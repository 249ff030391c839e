"""OpenAI-compatible servers, against one that speaks the protocol on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from assay.embed import embed, resolve
from assay.errors import DataError


def vector_of(text: str) -> np.ndarray:
    """What the server answers: not of unit length, decided by the text alone."""
    rng = np.random.default_rng(list(text.encode()))
    return rng.normal(size=6).astype(np.float32)


@dataclass
class Server:
    """An endpoint, the requests it has had, and how it is to misbehave."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    key: str = "none"
    busy: int = 0
    drop_last: bool = False
    widths: Iterator[int] | None = None
    only_floats: bool = False


def handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers["Authorization"].removeprefix("Bearer ")
            server.requests.append(request)
            server.keys.append(key)
            if key != server.key:
                self._answer(
                    401, {"error": {"message": "Incorrect API key", "type": "invalid_request_error"}}
                )
            elif self.path != "/v1/embeddings" or request["model"] != "small":
                self._answer(404, {"error": {"message": "The model does not exist", "type": "NotFoundError"}})
            elif "" in request["input"]:
                self._answer(
                    400, {"error": {"message": "input must not be empty", "type": "BadRequestError"}}
                )
            elif server.busy:
                server.busy -= 1
                self._answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.01"})
            else:
                self._answer(200, self._embeddings(request))

        def _embeddings(self, request: dict[str, Any]) -> dict[str, Any]:
            width = None if server.widths is None else next(server.widths)
            data = []
            for index, text in enumerate(request["input"]):
                vector = vector_of(text)[:width]
                wanted = request.get("encoding_format", "float")
                as_text = base64.b64encode(vector.tobytes()).decode()
                content = as_text if wanted == "base64" and not server.only_floats else vector.tolist()
                data.append({"object": "embedding", "index": index, "embedding": content})
            data = data[::-1][1:] if server.drop_last else data[::-1]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            return {"object": "list", "data": data, "model": "small", "usage": usage}

        def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on standard error."""

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_for(state)) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def expected(texts: list[str]) -> np.ndarray:
    rows = np.stack([vector_of(text) for text in texts]).astype(np.float64)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


TEXTS = [f"text {number}" for number in range(23)]


@pytest.mark.parametrize("only_floats", [False, True])
def test_rows_are_unit_and_in_order(server: Server, only_floats: bool) -> None:
    server.only_floats = only_floats
    vectors = resolve("openai:small", base_url=server.url, batch_size=5).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)
    assert sorted(len(request["input"]) for request in server.requests) == [3, 5, 5, 5, 5]
    assert all(request["encoding_format"] == "base64" for request in server.requests)
    assert not any("truncate_prompt_tokens" in request for request in server.requests)


def test_address_and_key_come_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.key = "secret"
    assert resolve("openai:small").encode(["a"]).shape == (1, 6)
    assert server.keys == ["secret"]


def test_max_tokens_goes_to_the_server(server: Server) -> None:
    resolve("openai:small", base_url=server.url, max_tokens=256).encode(["a"])
    assert server.requests[0]["truncate_prompt_tokens"] == 256


def test_what_the_protocol_refuses_is_mended(server: Server) -> None:
    vectors = resolve("openai:small", base_url=server.url).encode(["", "half \ud83d"])
    np.testing.assert_allclose(vectors, expected([" ", "half \ufffd"]), atol=1e-6)


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.busy = 2
    vectors = resolve("openai:small", base_url=server.url, workers=1).encode(["a"])
    np.testing.assert_allclose(vectors, expected(["a"]), atol=1e-6)
    assert len(server.requests) == 3


def test_a_server_that_stays_busy(server: Server) -> None:
    server.busy = 100
    with pytest.raises(DataError, match=r"got status 429: .*Wait, or use fewer --workers"):
        resolve("openai:small", base_url=server.url, workers=1).encode(["a"])
    assert len(server.requests) == 6


def test_a_wrong_key(server: Server) -> None:
    server.key = "another"
    with pytest.raises(DataError, match=r"got status 401: .*Set OPENAI_API_KEY to a key that it accepts\."):
        resolve("openai:small", base_url=server.url).encode(["a"])


def test_a_wrong_model(server: Server) -> None:
    with pytest.raises(DataError, match=r"got status 404: .*Check that it serves the model 'large'"):
        resolve("openai:large", base_url=server.url).encode(["a"])


def test_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay._server.RETRIES", 0)
    address = "http://127.0.0.1:9/v1"
    with pytest.raises(
        DataError, match=r"base_url must be a server that answers; got http://127\.0\.0\.1:9/v1/"
    ):
        resolve("openai:small", base_url=address).encode(["a"])


def test_an_answer_that_is_too_short(server: Server) -> None:
    server.drop_last = True
    with pytest.raises(
        DataError, match=r"must return one vector for each of 3 texts; got 2, numbered \[0, 1\]\."
    ):
        resolve("openai:small", base_url=server.url).encode(["a", "b", "c"])


def test_vectors_of_two_lengths(server: Server) -> None:
    server.widths = iter((6, 5))
    with pytest.raises(DataError, match="must return vectors of one length; got 6 and 5"):
        resolve("openai:small", base_url=server.url, batch_size=1, workers=1).encode(["a", "b"])


def test_the_store_asks_once_for_each_text(server: Server, tmp_path: Any) -> None:
    encoder = resolve("openai:small", base_url=server.url, batch_size=4)
    first, _ = embed(TEXTS + TEXTS[:5], encoder, cache=tmp_path, shard_size=7)
    asked = [text for request in server.requests for text in request["input"]]
    assert sorted(asked) == sorted(TEXTS)
    again, report = embed(TEXTS, encoder, cache=tmp_path)
    assert report.embedded == 0
    np.testing.assert_array_equal(again, first[:23])
    assert resolve("openai:small", base_url="http://other/v1").fingerprint != encoder.fingerprint
