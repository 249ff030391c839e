"""The push of a selection and its card, against a hub on this machine that speaks the real one's protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub as hub
import pytest
import yaml
from huggingface_hub import constants, file_download
from huggingface_hub.utils import validate_repo_id
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.card import MARKER, dataset_card
from assay.data.hub import push
from assay.errors import DataError

# how the client itself hands large files to its HTTP library
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw:DeprecationWarning")


# ------------------------------------------------------------------------------------------- the stand-in


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repository:
    """Files by name, and how each is kept, at the newest commit."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], large: set[str] = frozenset()) -> str:  # type: ignore[assignment]
        self.files |= files
        self.large = (self.large - set(files)) | large
        self.commits.append(
            hashlib.sha1(repr((len(self.commits), sorted(self.files.items()))).encode()).hexdigest()
        )
        return self.commits[-1]


@dataclass
class Hub:
    """An endpoint, what it holds and has been asked, and how it is to misbehave."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=lambda: {"hf_writer": "org", "hf_reader": "nobody"})
    large_from: int = 10_000_000
    part: int | None = None  # bytes of a part, where uploads of large files come in parts
    storage: dict[str, bytes] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    refuse: dict[str, int] = field(default_factory=dict)  # last part of a path -> status
    meanwhile: Callable[[Repository], Any] | None = None  # what another person does before the commit


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        self.status, self.message, self.code = status, message, code


def handler_for(server: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        do_HEAD = do_POST = do_PUT = do_GET

        def _serve(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                self.body = self._chunks()
            self.route = unquote(urlsplit(self.path).path)
            server.requests.append(f"{self.command} {self.route}")
            try:
                for end, status in server.refuse.items():
                    if end in self.route:
                        raise Refused(status, "not now")
                for method, pattern, answer in ROUTES:
                    found = re.fullmatch(pattern, self.route)
                    if method == self.command.replace("HEAD", "GET") and found:
                        answer(self, *found.groups())
                        return
                raise Refused(404, f"no route {self.command} {self.route}")
            except Refused as refusal:
                headers = {"X-Error-Message": refusal.message}
                if refusal.code:
                    headers["X-Error-Code"] = refusal.code
                self._answer({"error": refusal.message}, refusal.status, headers)
            except Exception as error:  # asked in a way that the real one would not understand
                self._answer({"error": repr(error)}, 400)

        def _chunks(self) -> bytes:
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def _answer(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _user(self) -> str:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            server.agents.add(self.headers.get("User-Agent") or "")
            if token not in server.tokens:
                raise Refused(401, "Invalid username or password.")
            return server.tokens[token]

        def _repository(self, name: str, *, write: bool) -> Repository:
            owner, found = self._user(), server.repositories.get(name)
            if found is None or (found.private and owner != name.split("/")[0]):
                raise Refused(404, "Repository not found", "RepoNotFound")
            if write and owner != name.split("/")[0]:
                raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
            return found

        def info(self, name: str, revision: str = "main") -> None:
            found = self._repository(name, write=False)
            siblings = [{"rfilename": file} for file in sorted(found.files)]
            self._answer(
                {
                    "id": name,
                    "sha": found.commits[-1],
                    "private": found.private,
                    "siblings": siblings,
                    "tags": [],
                }
            )

        def create(self) -> None:
            asked = json.loads(self.body)
            assert asked["type"] == "dataset"
            name = f"{asked['organization']}/{asked['name']}"
            if self._user() != asked["organization"]:
                raise Refused(403, "You don't have the rights to create a dataset under this namespace")
            if name in server.repositories:
                raise Refused(409, "You already created this dataset repo")
            private = asked.get("visibility") == "private" or asked.get("private") is True
            server.repositories[name] = Repository(private=private)
            server.repositories[name].commit(
                {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}
            )
            self._answer({"url": f"{server.url}/datasets/{name}", "name": name})

        def validate(self) -> None:
            asked = json.loads(self.body)
            assert asked["repoType"] == "dataset"
            found = re.match(r"---\n(.*?)\n---\n", asked["content"], re.DOTALL)
            header = yaml.safe_load(found[1]) if found else {}
            if header.get("license") == "made-up":
                errors = [{"message": '"license" must be one of [apache-2.0, mit, ...]'}]
                return self._answer({"errors": errors, "warnings": []}, 400)
            return self._answer({"errors": [], "warnings": []})

        def preupload(self, name: str, revision: str) -> None:
            found = self._repository(name, write=True)
            asked = json.loads(self.body)
            held = asked.get("gitIgnore") or found.files.get(".gitignore", b"").decode()
            ignored = {line for line in held.splitlines() if line and not line.startswith("#")}
            answers = []
            for file in asked["files"]:
                path, large = file["path"], file["size"] >= server.large_from
                content = found.files.get(path)
                digest = git_blob if not large else lambda held: hashlib.sha256(held).hexdigest()
                oid = None if content is None else digest(content)
                mode = "lfs" if large else "regular"
                answers.append(
                    {"path": path, "uploadMode": mode, "shouldIgnore": path in ignored, "oid": oid}
                )
            if server.meanwhile is not None:
                server.meanwhile(found)
            self._answer({"files": answers})

        def batch(self, name: str) -> None:
            self._repository(name, write=True)
            asked = json.loads(self.body)
            assert (asked["operation"], asked["hash_algo"]) == ("upload", "sha256")
            objects = []
            for one in asked["objects"]:
                upload = {"href": f"{server.url}/storage/{one['oid']}"}
                if server.part is not None:
                    parts = range(-(-one["size"] // server.part))
                    upload["header"] = {  # type: ignore[assignment]
                        "chunk_size": str(server.part),
                        **{str(i + 1): f"{server.url}/storage/{one['oid']}/{i + 1}" for i in parts},
                    }
                verify = {"href": f"{server.url}/datasets/{name}.git/info/lfs/objects/verify"}
                actions = {"upload": upload, "verify": verify}
                objects.append({**one, **({} if one["oid"] in server.storage else {"actions": actions})})
            self._answer({"transfer": "multipart" if server.part else "basic", "objects": objects})

        def put(self, oid: str, part: str | None = None) -> None:
            assert self.headers.get("Authorization") is None  # a signed address: the token is not for it
            server.storage[oid if part is None else f"{oid}/{part}"] = self.body
            self._answer(b"", headers={"ETag": hashlib.md5(self.body).hexdigest()})

        def complete(self, oid: str) -> None:
            parts = [
                server.storage.pop(f"{oid}/{row['partNumber']}") for row in json.loads(self.body)["parts"]
            ]
            server.storage[oid] = b"".join(parts)
            self._answer({})

        def verify(self, name: str) -> None:
            self._repository(name, write=True)
            asked = json.loads(self.body)
            assert len(server.storage[asked["oid"]]) == asked["size"]
            server.verified.add(asked["oid"])
            self._answer({})

        def commit(self, name: str, revision: str) -> None:
            found = self._repository(name, write=True)
            assert self.headers["Content-Type"] == "application/x-ndjson"
            lines = [json.loads(line) for line in self.body.splitlines()]
            assert lines[0]["key"] == "header"
            assert lines[0]["value"]["summary"]
            parent = lines[0]["value"].get("parentCommit")
            if parent is not None and parent != found.commits[-1]:
                raise Refused(412, "A commit has happened since. Please refresh and try again.")
            files: dict[str, bytes] = {}
            large = set()
            for line in lines[1:]:
                entry = line["value"]
                if line["key"] == "file":
                    assert entry["encoding"] == "base64"
                    files[entry["path"]] = base64.b64decode(entry["content"], validate=True)
                else:
                    assert line["key"] == "lfsFile"
                    content = server.storage[entry["oid"]]
                    assert hashlib.sha256(content).hexdigest() == entry["oid"]
                    files[entry["path"]] = content
                    large.add(entry["path"])
            oid = found.commit(files, large)
            url = f"{server.url}/datasets/{name}/commit/{oid}"
            self._answer({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

        def resolve(self, name: str, revision: str, path: str) -> None:
            found = self._repository(name, write=False)
            if path not in found.files:
                raise Refused(404, "Entry not found", "EntryNotFound")
            content = found.files[path]
            headers = {"ETag": f'"{git_blob(content)}"', "X-Repo-Commit": found.commits[-1]}
            self._answer(content, headers=headers)

        def log_message(self, *_: Any) -> None:
            pass

    repo = r"([\w.-]+/[\w.-]+)"
    ROUTES: list[tuple[str, str, Any]] = [
        ("POST", "/api/repos/create", Handler.create),
        ("POST", "/api/validate-yaml", Handler.validate),
        ("GET", f"/api/datasets/{repo}", Handler.info),
        ("GET", f"/api/datasets/{repo}/revision/(main)", Handler.info),
        ("POST", f"/api/datasets/{repo}/preupload/(main)", Handler.preupload),
        ("POST", f"/api/datasets/{repo}/commit/(main)", Handler.commit),
        ("GET", f"/datasets/{repo}/resolve/([0-9a-f]+)/(.+)", Handler.resolve),
        ("POST", rf"/datasets/{repo}\.git/info/lfs/objects/batch", Handler.batch),
        ("POST", rf"/datasets/{repo}\.git/info/lfs/objects/verify", Handler.verify),
        ("PUT", "/storage/([0-9a-f]{64})(?:/([0-9]+))?", Handler.put),
        ("POST", "/storage/([0-9a-f]{64})", Handler.complete),
    ]
    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, and an environment in which nothing but it can be meant."""
    hosted = Hub()
    for name in ("HF_HUB_OFFLINE", "HF_OIDC_RESOURCE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    # the client has read its variables when it was imported; Xet is a protocol that only the real hub speaks
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    forget_connections()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hosted))
    hosted.url = f"http://127.0.0.1:{listener.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hosted.url)
    monkeypatch.setattr(constants, "ENDPOINT", hosted.url)
    template = hosted.url + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield hosted
    forget_connections()
    listener.shutdown()
    listener.server_close()


def forget_connections() -> None:
    """Make the client read its proxies anew; it had no connection to keep before version 1."""
    getattr(hub, "close_session", lambda: None)()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with a selection: a line of every kind of trouble, and bytes that are no text."""
    folder = tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    (folder / "selected.json").write_bytes('[{"instruction": "Say it.", "output": "好\\r\\n"}]\r\n'.encode())
    (folder / "manifest.json").write_bytes(b"{}\n")
    (folder / "more" / "order.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "private.txt").write_bytes(b"not for the hub")
    return folder


FILES = ["selected.json", "manifest.json", "more/order.bin", "empty.csv"]
CARD = dataset_card(
    {"counts": {"pool": 52002, "selected": 5000}}, title="Varied – 多样", files=FILES, sources=[]
)


def content_of(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


# ------------------------------------------------------------------------------------------------ the push


def test_push_makes_the_repository_and_one_commit_of_the_same_bytes(server: Hub, out: Path) -> None:
    url = push(out, FILES, "org/varied", card=CARD)
    made = server.repositories["org/varied"]
    assert not made.private
    assert len(made.commits) == 2  # the hub's own first one, and ours
    assert url == f"{server.url}/datasets/org/varied/commit/{made.commits[-1]}"
    del made.files[".gitattributes"]
    assert made.files == content_of(out) | {"README.md": CARD.encode()}
    assert not made.large
    assert sum("/commit/" in request for request in server.requests) == 1
    assert all("assay/" in agent for agent in server.agents)


@pytest.mark.parametrize("part", [None, 4096])
def test_large_files_are_sent_as_large_files(server: Hub, out: Path, part: int | None) -> None:
    server.large_from, server.part = 10_000, part
    push(out, FILES, "org/varied", card=CARD)
    made = server.repositories["org/varied"]
    assert made.large == {"more/order.bin"}
    assert made.files["more/order.bin"] == (out / "more" / "order.bin").read_bytes()
    assert server.verified == {hashlib.sha256(made.files["more/order.bin"]).hexdigest()}


def test_push_again_replaces_what_assay_wrote_and_nothing_else(server: Hub, out: Path) -> None:
    push(out, FILES, "org/varied", card=CARD)
    made = server.repositories["org/varied"]
    made.commit({"notes.txt": b"kept"})
    (out / "selected.json").write_bytes(b"[]\n")
    url = push(out, FILES, "org/varied", card=CARD.replace("Varied", "More varied"))
    assert url.endswith(made.commits[-1])
    assert len(made.commits) == 4
    assert made.files["selected.json"] == b"[]\n"
    assert b"# More varied" in made.files["README.md"]
    assert made.files["notes.txt"] == b"kept"


def test_push_of_the_same_files_makes_no_commit(server: Hub, out: Path) -> None:
    assert push(out, FILES, "org/varied", card=CARD) == push(out, FILES, "org/varied", card=CARD)
    assert len(server.repositories["org/varied"].commits) == 2


def test_private_is_asked_for_and_kept(server: Hub, out: Path) -> None:
    push(out, FILES, "org/secret", card=CARD, private=True)
    assert server.repositories["org/secret"].private
    push(out, FILES, "org/secret", card=CARD.replace("Varied", "More varied"))
    assert server.repositories["org/secret"].private


def test_private_data_do_not_go_to_a_public_repository(server: Hub, out: Path) -> None:
    public = server.repositories["org/open"] = Repository()
    public.commit({})
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/open", card=CARD, private=True, overwrite=True)
    assert str(raised.value) == (
        "repo must be private; org/open is public. Make it private in its settings, or name another."
    )
    assert public.files == {}


@pytest.mark.parametrize(
    ("held", "named"),
    [
        ({"README.md": b"# By hand\n"}, "README.md"),
        ({"README.md": CARD.replace(MARKER + "\n", "").encode(), "selected.json": b"1"}, "README.md"),
        ({"selected.json": b"[1]"}, "selected.json"),
    ],
)
def test_what_a_person_wrote_is_replaced_on_request_only(
    server: Hub, out: Path, held: dict[str, bytes], named: str
) -> None:
    theirs = server.repositories["org/theirs"] = Repository()
    theirs.commit(held)
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/theirs", card=CARD)
    assert str(raised.value) == (
        f"repo must be new or hold a card that assay wrote; org/theirs has a {named} of its own. "
        "Push to another repository, or use --overwrite to replace it."
    )
    assert theirs.files == held
    push(out, FILES, "org/theirs", card=CARD, overwrite=True)
    assert theirs.files == content_of(out) | {"README.md": CARD.encode()}


def test_a_repository_with_other_files_and_no_card_gets_ours_beside_them(server: Hub, out: Path) -> None:
    theirs = server.repositories["org/theirs"] = Repository()
    theirs.commit({"notes.txt": b"kept", ".gitignore": b"selected.json\n"})
    push(out, FILES, "org/theirs", card=CARD)
    assert theirs.files["notes.txt"] == b"kept"
    assert theirs.files["selected.json"] == (out / "selected.json").read_bytes()  # though ignored there


def test_a_change_by_another_person_meanwhile_is_not_overwritten(server: Hub, out: Path) -> None:
    push(out, FILES, "org/varied", card=CARD)
    server.meanwhile = lambda found: found.commit({"README.md": b"# By hand\n"})
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD.replace("Varied", "More varied"))
    assert str(raised.value) == (
        f"repo must not change during a push; org/varied did (412 from {server.url}: A commit has happened since. "
        "Please refresh and try again.). Push again."
    )
    assert server.repositories["org/varied"].files["README.md"] == b"# By hand\n"


@pytest.mark.parametrize("step", ["validate-yaml", "preupload", "batch", "storage", "verify", "commit"])
def test_a_push_that_fails_half_way_leaves_no_file(server: Hub, out: Path, step: str) -> None:
    server.large_from = 10_000
    server.refuse = {step: 507}
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD)
    assert str(raised.value) == (
        f"the hub must accept the push to org/varied; got 507 from {server.url}: not now. Push again later."
    )
    assert set(server.repositories["org/varied"].files) == {".gitattributes"}
    server.refuse = {}
    push(out, FILES, "org/varied", card=CARD)
    assert set(server.repositories["org/varied"].files) == {".gitattributes", "README.md", *FILES}


def test_a_card_that_the_hub_refuses_is_one_line(server: Hub, out: Path) -> None:
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card="---\nlicense: made-up\n---\n")
    assert str(raised.value) == (
        f"the hub must accept the push to org/varied; got 400 from {server.url}: "
        '"license" must be one of [apache-2.0, mit, ...].'
    )


@pytest.mark.parametrize(
    "repo",
    [
        *("name", "", "/", "org/", "/name", "org/name/more", "https://huggingface.co/datasets/org/name"),
        *(
            "org/na me",
            "org/a--b",
            "org/a..b",
            "org/-a",
            "org/a.",
            "org/name.git",
            "org/n\n",
            "o/" + "n" * 95,
        ),
    ],
)
def test_bad_repository_name(server: Hub, out: Path, repo: str) -> None:
    with pytest.raises(DataError) as raised:
        push(out, FILES, repo, card=CARD)
    assert str(raised.value) == (
        f"repo must be org/name, of letters, digits, '-', '_' and '.'; got {repo!r}. "
        "Give the name of the repository, not its address."
    )
    assert server.requests == []


@settings(derandomize=True, max_examples=300)
@given(
    repo=st.text(alphabet="aZ0-_./é", max_size=12)
    | st.from_regex(r"[a-z.-]{1,4}/[a-z._-]{1,6}", fullmatch=True)
)
def test_every_name_that_passes_passes_the_client_too(repo: str) -> None:
    from assay.data.hub import _REPOSITORY

    if _REPOSITORY.fullmatch(repo):
        validate_repo_id(repo)
        assert repo.count("/") == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "files must be a list of at least one name; got []."),
        ("selected.json", "files must be a list of at least one name; got 'selected.json'."),
        (["selected.json", "gone.json"], "files must be in {out}; 'gone.json' is not there."),
        (["more"], "files must be in {out}; 'more' is not there."),
        (["../x"], "files must be plain names below {out}; got '../x'."),
        (["more/../../x"], "files must be plain names below {out}; got 'more/../../x'."),
        (["/etc/hostname"], "files must be plain names below {out}; got '/etc/hostname'."),
        (["./selected.json"], "files must be plain names below {out}; got './selected.json'."),
        (
            ["selected.json", "selected.json"],
            "files must be distinct and leave README.md to the card; got 'selected.json' once too often.",
        ),
        (
            ["README.md"],
            "files must be distinct and leave README.md to the card; got 'README.md' once too often.",
        ),
    ],
)
def test_bad_files(server: Hub, out: Path, files: Any, message: str) -> None:
    with pytest.raises(DataError) as raised:
        push(out, files, "org/varied", card=CARD)
    assert str(raised.value) == message.format(out=out)
    assert server.requests == []


def test_not_logged_in(server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD)
    assert str(raised.value) == (
        "HF_TOKEN must be a token that may write to org/varied; got none. Set it, or log in: hf auth login"
    )
    assert server.requests == []


@pytest.mark.parametrize("there", [True, False])
def test_refused_token(server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    if there:
        push(out, FILES, "org/varied", card=CARD)
    monkeypatch.setenv("HF_TOKEN", "hf_revoked")
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD)
    assert str(raised.value) == (
        f"HF_TOKEN must be a valid token; got a refusal (401 from {server.url}: Invalid username or password.). "
        "Set another, or log in: hf auth login"
    )
    assert "hf_revoked" not in str(raised.value)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (True, "Forbidden: you must use a write token to upload to a repository."),
        (False, "You don't have the rights to create a dataset under this namespace"),
    ],
)
def test_no_right_to_write(
    server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch, there: bool, said: str
) -> None:
    if there:
        push(out, FILES, "org/varied", card=CARD)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD.replace("Varied", "More varied"))
    assert str(raised.value) == (
        f"repo must be one that your token may write to; got org/varied (403 from {server.url}: {said}). "
        "Use a token with write access, or another repository."
    )
    assert ("org/varied" in server.repositories) == there


def test_a_private_repository_of_others_is_not_told_apart_from_none(
    server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repositories["org/secret"] = Repository(private=True)
    server.tokens["hf_blind"] = "blind"
    monkeypatch.setenv("HF_TOKEN", "hf_blind")
    with pytest.raises(
        DataError, match=r"^repo must be one that your token may write to; got org/secret \(403 "
    ):
        push(out, FILES, "org/secret", card=CARD)


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline(server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    with pytest.raises(DataError) as raised:
        push(out, FILES, "org/varied", card=CARD)
    assert (
        str(raised.value) == f"HF_HUB_OFFLINE must be unset for a push; got {value}. Unset it, or push later."
    )
    assert server.requests == []


def test_nobody_answers(server: Hub, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(DataError) as raised:
            push(out, FILES, "org/varied", card=CARD)
    said = str(raised.value)
    assert said.startswith(f"the hub must be reachable; got no answer from {endpoint} (")
    assert "refused" in said
    assert said.endswith("). Check the network and HF_ENDPOINT, and push again.")
    assert "\n" not in said


def test_in_a_process_of_its_own_nothing_is_printed(server: Hub, out: Path, tmp_path: Path) -> None:
    server.large_from = 10_000
    program = (
        "import sys; from pathlib import Path; from assay.data.hub import push; "
        "Path(sys.argv[2]).write_text(push(Path(sys.argv[1]), ['selected.json', 'more/order.bin'], 'org/own', "
        "card='# Own\\n'))"
    )
    environment = os.environ | {"HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(out), str(tmp_path / "url")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = server.repositories["org/own"]
    assert (tmp_path / "url").read_text() == f"{server.url}/datasets/org/own/commit/{made.commits[-1]}"
    assert made.files["more/order.bin"] == (out / "more" / "order.bin").read_bytes()


def test_without_the_extra(out: Path) -> None:
    program = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from pathlib import Path; from assay.data.hub import push\n"
        "try: push(Path(sys.argv[1]), ['selected.json'], 'org/own', card='')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(out)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "--push needs huggingface_hub; install it with: pip install 'assay[hub]'"
