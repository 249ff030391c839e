"""A project folder of invented cards, and a client that speaks to its review without a network."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.ner.cards import Cards, write_cards
from assay.web.app import make_app
from assay.web.guard import Guard
from tests.ner.sample_cards import sample_cards

HERE = "http://127.0.0.1:8765"


@dataclass
class Reviewer:
    """A person with a browser: the cookie, and forms sent as the page has them."""

    client: TestClient
    cards: Cards
    folder: Path
    guard: Guard

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> Any:
        """Send a form as a browser does, to the next page, not beyond it."""
        given = {"origin": HERE} | headers
        return self.client.post(path, data=fields, headers=given, follow_redirects=False)

    def form(self, at: int, **changes: Any) -> dict[str, Any]:
        """Return the form of a card as its page shows it, with what the person changes."""
        page = self.get(f"/card/{self.cards.cards[at].id}").text
        decision = page[page.index('<form id="decision"') :]
        fields: dict[str, Any] = {
            name: html.unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', decision)
        }
        labels = re.findall(r'name="label" value="([^"]*)" checked', decision)
        fields["label"] = [html.unescape(label) for label in labels]
        return {**fields, "author": "jane", "name": "", "reason": "", **changes}

    def decide(self, at: int, **changes: Any) -> Any:
        return self.post(f"/card/{self.cards.cards[at].id}", self.form(at, **changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cards"
    path.mkdir()
    write_cards(sample_cards(), path)
    (path / "countries.txt").write_text("France\nMalta\n", encoding="utf-8")
    return path


@pytest.fixture
def reviewer(folder: Path) -> Reviewer:
    """A reviewer who has followed the printed address."""
    guard = Guard()
    client = TestClient(make_app(folder, guard=guard), base_url=HERE)
    found = Reviewer(client, sample_cards(), folder, guard)
    assert found.get(f"/enter?key={guard.key}").status_code == 200
    return found
