"""Who may talk to the review server, and what they can reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from assay.ner.decisions import FILE, read_decisions
from assay.web.app import make_app
from tests.ner.sample_cards import HOSTILE
from tests.web.conftest import HERE, Reviewer

PAGES = ["/", "/taxonomy", "/preview", "/review.js"]
POSTS = ["/card/{}", "/card/{}/check", "/undo"]


@pytest.mark.parametrize("page", PAGES)
def test_without_the_printed_address_nothing_opens(folder: Path, page: str) -> None:
    client = TestClient(make_app(folder), base_url=HERE)
    assert client.get(page).status_code == 403
    assert client.get("/enter?key=guess").status_code == 403
    assert client.get("/enter").status_code == 403
    assert client.get(page).status_code == 403


def test_the_cookie_stays_with_this_site(reviewer: Reviewer) -> None:
    answer = reviewer.get(f"/enter?key={reviewer.guard.key}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "domain" not in cookie
    assert cookie.startswith("assay-review-8765=")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "0.0.0.0:8765", "[", ""]
)
@pytest.mark.parametrize("page", ["/", "/enter", "/style.css"])
def test_another_host_name_is_refused(reviewer: Reviewer, page: str, host: str) -> None:
    assert reviewer.get(page, host=host).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:9000", "[::1]:8765"])
def test_names_of_this_machine_are_not(reviewer: Reviewer, host: str) -> None:
    assert reviewer.get("/style.css", host=host).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://127.0.0.1:9999", ""]
)
@pytest.mark.parametrize("path", POSTS)
def test_a_foreign_origin_cannot_post(reviewer: Reviewer, path: str, origin: str) -> None:
    fields = reviewer.form(0, action="ignore")
    answer = reviewer.post(path.format(reviewer.cards.cards[0].id), fields, origin=origin)
    assert answer.status_code == 403
    assert not (reviewer.folder / FILE).exists()


@pytest.mark.parametrize("token", ["", "guess", "é"])
@pytest.mark.parametrize("path", POSTS)
def test_a_form_needs_its_token(reviewer: Reviewer, path: str, token: str) -> None:
    fields = reviewer.form(0, action="ignore", token=token)
    assert reviewer.post(path.format(reviewer.cards.cards[0].id), fields).status_code == 403
    assert not (reviewer.folder / FILE).exists()


def test_the_token_without_the_cookie_opens_nothing(reviewer: Reviewer) -> None:
    assert reviewer.guard.key != reviewer.guard.token
    fields = reviewer.form(0, action="ignore")
    stranger = TestClient(reviewer.client.app, base_url=HERE)
    path = f"/card/{reviewer.cards.cards[0].id}"
    assert stranger.post(path, data=fields, headers={"origin": HERE}).status_code == 403
    assert not (reviewer.folder / FILE).exists()


def test_only_forms_of_a_bearable_size_are_read(reviewer: Reviewer) -> None:
    path = f"/card/{reviewer.cards.cards[0].id}"
    fields = reviewer.form(0, action="ignore")
    assert reviewer.post(path, {**fields, "reason": "x" * 300_000}).status_code == 413
    assert reviewer.post(path, {**fields, "part": ["x"] * 600}).status_code == 400
    given = {"origin": HERE, "content-type": "application/x-www-form-urlencoded"}
    assert reviewer.client.post(path, content=b"reason=%ff", headers=given).status_code == 400
    assert reviewer.client.post(path, content=b"reason=\xff", headers=given).status_code == 400
    given["content-type"] = "text/plain"
    assert reviewer.client.post(path, content=b"action=ignore", headers=given).status_code == 415


@pytest.mark.parametrize("page", [*PAGES, "/style.css", "/nowhere", "/card/none", "/undo"])
def test_every_answer_forbids_the_outside(reviewer: Reviewer, page: str) -> None:
    headers = reviewer.get(page).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/../cards.json",
        "/..%2fcards.json",
        "/cards.json",
        "/decisions.yaml",
        "/card/..%2f..%2fcards.json",
        "/card/../../etc/passwd",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_file_can_be_asked_for(reviewer: Reviewer, path: str) -> None:
    answer = reviewer.get(path)
    assert answer.status_code == 404
    assert "assay.ner.cards" not in answer.text


@pytest.mark.parametrize(
    "file",
    ["../secret.txt", "/etc/passwd", "..\\secret.txt", "link.txt", "none.txt", ".", "a\x00b", "n" * 300],
)
def test_a_split_cannot_name_a_file_outside(reviewer: Reviewer, file: str) -> None:
    (reviewer.folder.parent / "secret.txt").write_text("secret\n", encoding="utf-8")
    (reviewer.folder / "link.txt").symlink_to(reviewer.folder.parent / "secret.txt")
    parts = {"part": ["country", "location"], "way": ["gazetteer", "rest"], "value": [file, ""]}
    for do in ("save", "anyway"):
        answer = reviewer.decide(0, action="split", do=do, **parts)
        assert answer.status_code == 422
        assert re.search(r"must be (a file in|an existing file|the path of a file)", answer.text)
    assert not (reviewer.folder / FILE).exists()
    assert "link.txt" not in reviewer.get(f"/card/{reviewer.cards.cards[0].id}").text


def test_text_of_corpora_and_of_forms_stays_text(reviewer: Reviewer) -> None:
    page = reviewer.get(f"/card/{reviewer.cards.cards[1].id}").text
    assert "alert(1)" in page
    answer = reviewer.decide(
        1, action="same", name=f"{HOSTILE};", reason=f'">{HOSTILE}', author=f"'{HOSTILE}"
    )
    assert answer.status_code == 422
    saved = reviewer.decide(1, action="ignore", reason=f"</textarea>{HOSTILE}", author=HOSTILE)
    assert saved.status_code == 303
    found = [
        reviewer.get(path).text
        for path in (
            "/",
            f"/?q={HOSTILE}&kind={HOSTILE}",
            f"/taxonomy?q={HOSTILE}",
            f"/card/{reviewer.cards.cards[1].id}?q={HOSTILE}&decision={HOSTILE}&saved={HOSTILE}",
            f"/enter?key={HOSTILE}",
        )
    ]
    for text in (page, answer.text, *found):
        assert "<script>alert" not in text
        assert "<img" not in text
        assert len(re.findall("<script", text)) <= 1


def test_no_page_names_anything_outside(reviewer: Reviewer) -> None:
    reviewer.decide(0, action="ignore")
    assert len(read_decisions(reviewer.folder / FILE).entries) == 1
    for page in ("/", "/taxonomy", "/preview", "/card/" + reviewer.cards.cards[1].id):
        addresses = re.findall(r'(?:href|src|action)="([^"]*)"', reviewer.get(page).text)
        assert addresses
        for address in addresses:
            assert re.match("[/#](?!/)", address), address
    style = reviewer.get("/style.css").text
    assert "url(" not in style
    assert "@import" not in style
