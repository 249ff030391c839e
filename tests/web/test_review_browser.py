"""The review in a real browser, from the first card to what apply would change, with a server that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.ner import Corpus, Document, Entity, conflicts, read_corpus, screen, write_cards, write_corpus
from assay.ner.decisions import FILE, Decision, Rule, read_decisions

PAIRS = 32  # labels that both corpora have, under two names
MENTIONS = 16
PROGRAM = [sys.executable, "-c", "from assay.cli import main; main()"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(label: int, mention: int) -> str:
    return "".join(LETTERS[n] for n in (label // 26, label % 26, mention // 26, mention % 26)).title() + "ok"


def _corpus(name: str, labels: Callable[[int, int], str]) -> Corpus:
    """Return a corpus in which every mention stands twice; the last label is one that only one corpus divides."""
    documents = []
    for label in range(PAIRS + 1):
        for mention in range(MENTIONS * (2 if label == PAIRS else 1)):
            for text in ("{} went home.", "Nobody saw {} again."):
                word = _word(label, mention)
                at = text.index("{")
                entity = Entity(at, at + len(word), labels(label, mention))
                id = f"{name}-{len(documents)}"
                documents.append(Document(id, text.format(word), (entity,), "en", name, "train"))
    return Corpus(name, tuple(documents), language="en")


def _left(label: int, mention: int) -> str:
    return "place" if label == PAIRS else f"kind {LETTERS[label // 26]}{LETTERS[label % 26]}"


def _right(label: int, mention: int) -> str:
    if label == PAIRS:
        return "country" if mention % 2 else "town"
    return f"sort {LETTERS[label // 26]}{LETTERS[label % 26]}"


@dataclass
class Server:
    """`assay ner review`, as it is typed."""

    folder: Path
    process: Any = None
    address: str = ""

    @property
    def base(self) -> str:
        return self.address.partition("/enter")[0]

    def start(self, port: int = 0) -> None:
        arguments = ["ner", "review", self.folder.name, "--port", str(port), "--no-browser", "--quiet"]
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], cwd=self.folder.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()[1]

    def end(self, by: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(by)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def decisions(self) -> tuple[Decision, ...]:
        return read_decisions(self.folder / FILE).entries


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora of 33 labels as files, screened."""
    root = tmp_path_factory.mktemp("review")
    found = []
    for name, labels in (("left", _left), ("right", _right)):
        path = root / f"{name}.jsonl"
        write_corpus(_corpus(name, labels), path, format="documents")
        found.append(read_corpus(path, name=name, language="en"))
    folder = root / "cards"
    folder.mkdir()
    readings = {name: {"language": "en"} for name in ("left", "right")}
    cards = conflicts(screen(found), readings=readings)
    assert len(cards.cards) == PAIRS + 2
    assert [card.kind for card in cards.cards[:3]] == ["part", "part", "same meaning"]
    write_cards(cards, folder)
    towns = [_word(PAIRS, mention) for mention in range(0, 2 * MENTIONS, 2)]
    (folder / "towns.txt").write_text("\n".join(towns) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    found = Server(project)
    found.start()
    yield found
    if found.process.poll() is None:
        found.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the pages complained of."""
    return []


@pytest.fixture(scope="module")
def page(browser: Any, server: Server, said: list[str]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    found = context.new_page()
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(f"error: {error}"))
    found.on("request", lambda asked: asked.url.startswith(server.base) or said.append(asked.url))
    found.goto(server.address)
    found.wait_for_url(f"{server.base}/")
    yield found
    context.close()


def _until(page: Any, true: Callable[[], bool]) -> None:
    """Wait for something to be true; the page's own policy forbids that its browser is asked to wait."""
    for _ in range(800):
        if true():
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"waited in vain at {page.url}: {page.locator('body').inner_text()[:2000]}")


def _goto(page: Any, address: str) -> None:
    """Open an address while the page of an answer that never came may still be on its way."""
    from playwright.sync_api import Error

    for _ in range(20):
        try:
            page.goto(address)
            return
        except Error as error:
            if "interrupted by another navigation" not in str(error):
                raise
            page.wait_for_timeout(250)
    raise AssertionError(f"{address} was always interrupted")


def _heading(page: Any) -> str:
    text: str = page.locator("h1").inner_text()
    return text


def _decide(page: Any, server: Server, action: str) -> None:
    """Choose with a key, save with another, and wait until the next card is there."""
    page.wait_for_load_state()  # the script is there
    before, heading = len(server.decisions()), _heading(page)
    page.keyboard.press(action)
    page.keyboard.press("Enter")
    _until(page, lambda: _heading(page) != heading)
    assert len(server.decisions()) == before + 1


def test_thirty_decisions_a_killed_server_and_back(page: Any, server: Server, said: list[str]) -> None:
    # the first card: a split, by a list in the folder; what is missing is said while it is typed
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.className") == "item"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1.pair")
    page.wait_for_load_state()
    page.keyboard.press("4")
    page.wait_for_selector("#found .error")
    assert "must say which entities" in page.locator("#found").inner_text()
    assert not page.locator("input[name=name]").is_visible()
    first = page.locator(".part").nth(0)
    kept = page.locator(".part").nth(1).locator("[name=part]").input_value()
    assert {first.locator("[name=part]").input_value(), kept} == {"country", "town"}
    first.locator("[name=part]").fill("town")
    page.locator(".part").nth(1).locator("[name=part]").fill("country")
    first.locator("[name=way]").select_option("gazetteer")
    first.locator("[name=value]").fill("../left.jsonl")
    _until(page, lambda: "or below; got" in page.locator("#found").inner_text())
    first.locator("[name=value]").fill("towns.txt")
    _until(page, lambda: page.locator("#found .error").count() == 0)
    ticked = page.locator("input[name=label]:checked")
    assert [box.get_attribute("value") for box in ticked.all()] == ["left/place"]
    page.locator("textarea").fill("right tells them apart")
    page.locator("input[name=author]").fill("jane")
    page.locator("button.primary").click()
    page.wait_for_selector(".saved")
    (split,) = server.decisions()
    assert split.labels == ("left/place",)
    assert split.into == {"town": Rule(gazetteer="towns.txt"), "country": "rest"}
    assert (split.author, split.reason) == ("jane", "right tells them apart")

    # the second by hand of the first's parts: nothing is left to do
    page.wait_for_load_state()
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    _until(page, lambda: "Saved d2" in page.locator(".saved").inner_text())
    for _ in range(12):
        _decide(page, server, "1")
    assert len(server.decisions()) == 14
    assert {entry.author for entry in server.decisions()} == {"jane"}

    # the server dies while a decision is on its way: it is there whole, or not at all
    before = server.decisions()
    page.wait_for_load_state()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.communicate()
    after = server.decisions()
    assert after[: len(before)] == before
    assert len(after) - len(before) in (0, 1)
    port = int(server.base.rpartition(":")[2])
    said.clear()  # that the server was gone
    server.start(port)
    _goto(page, server.base)  # the key of the last start
    assert "Open the address that the terminal shows" in page.locator("h1").inner_text()
    said.clear()
    page.goto(server.address)
    page.wait_for_url(f"{server.base}/")
    assert server.decisions() == after
    page.locator("a.button").click()
    page.wait_for_selector("h1.pair")
    while len(server.decisions()) < 29:
        _decide(page, server, "1")
    _decide(page, server, "5")
    entries = server.decisions()
    assert len(entries) == 30
    assert len({entry.id for entry in entries}) == 30
    assert sorted({entry.action for entry in entries}) == ["ignore", "same", "split"]

    page.wait_for_load_state()
    # undo, in the place of what it takes back, and once more decided
    page.keyboard.press("u")
    _until(page, lambda: len(server.decisions()) == 29)
    page.wait_for_selector("h1.pair")
    _decide(page, server, "1")
    assert server.decisions()[-1].action == "same"
    assert said == []


def test_keys_search_and_help(page: Any, server: Server, said: list[str]) -> None:
    page.goto(f"{server.base}/")
    page.locator("a.item").nth(1).click()
    page.wait_for_selector("h1.pair")
    page.wait_for_load_state()
    heading = page.locator("h1").inner_text()
    page.keyboard.press("j")
    _until(page, lambda: _heading(page) != heading)
    page.wait_for_load_state()
    page.keyboard.press("k")
    _until(page, lambda: _heading(page) == heading)
    page.wait_for_load_state()
    page.keyboard.press("?")
    assert page.locator(".keys").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("kind aj")  # letters are letters in a field
    page.keyboard.press("Enter")
    _until(
        page, lambda: page.locator(".note").count() == 1 and "1 card" in page.locator(".note").inner_text()
    )
    assert "left/kind aj" in page.locator("a.item").inner_text()
    assert said == []


def test_what_apply_would_change(page: Any, server: Server, said: list[str]) -> None:
    page.goto(f"{server.base}/preview")
    text = page.locator("main").inner_text()
    same = sum(entry.action == "same" for entry in server.decisions())
    assert f"{2 * 2 * MENTIONS * same + 4 * MENTIONS:,} entities get a name from a decision" in text
    rows = [
        row.inner_text().split("\t")[:3] for row in page.locator(".changes").nth(0).locator("tbody tr").all()
    ]
    assert ["left/place", "town", str(2 * MENTIONS)] in rows
    assert ["left/place", "country", str(2 * MENTIONS)] in rows
    assert ["right/sort ab", "kind ab", str(2 * MENTIONS)] in rows
    page.goto(f"{server.base}/taxonomy?q=kind ab")
    assert "right/sort ab" in page.locator("main").inner_text()
    assert said == []


def test_apply_and_revert_give_back_the_bytes(page: Any, server: Server) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*PROGRAM, "ner", "apply", *arguments],
            cwd=server.folder.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    root = server.folder.parent
    run("cards", "-o", "unified")
    (corpus,) = [read_corpus(root / "unified")]
    names = {entity.label for document in corpus.documents for entity in document.entities}
    assert {"town", "country", "kind ab"} <= names
    assert not {"place", "sort ab"} & names
    run("--revert", "unified", "-o", "restored")
    for name in ("left", "right"):
        (restored,) = (root / "restored").rglob(f"{name}.jsonl")
        assert restored.read_bytes() == (root / f"{name}.jsonl").read_bytes()


def test_without_a_script(browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_url(f"{server.base}/")
    count = len(server.decisions())
    page.locator("select[name=status]").select_option("open")
    page.get_by_role("button", name="Filter").click()
    page.locator("a.item").first.click()
    page.get_by_role("button", name="Save").click()
    assert "action must be chosen" in page.locator(".error").inner_text()
    page.locator("input[value=same]").check()
    page.locator("input[name=name]").fill("wrong: name")
    page.get_by_role("button", name="Save").click()
    assert "name must have none of" in page.locator(".error").inner_text()
    assert page.locator("input[name=name]").input_value() == "wrong: name"
    page.locator("input[name=name]").fill("right name")
    page.get_by_role("button", name="Save").click()
    assert "right name" in page.locator(".saved").inner_text()
    assert server.decisions()[-1].name == "right name"
    assert page.locator("main").bounding_box()["width"] <= 390
    page.get_by_role("button", name="Undo").click()
    assert len(server.decisions()) == count
    context.close()


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 22, 24)")])
def test_light_and_dark_and_a_phone(browser: Any, server: Server, scheme: str, paper: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_url(f"{server.base}/")
    card = page.locator("a.item").first.get_attribute("href")
    for path in ("/", card, "/taxonomy", "/preview"):
        page.goto(f"{server.base}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    context.close()


def test_a_page_of_another_site_cannot_decide(browser: Any, server: Server) -> None:
    """A page in the same browser, on another port of this machine, sends our form: the worst neighbour there is."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_url(f"{server.base}/")
    href = page.locator("a.item").first.get_attribute("href")
    count = len(server.decisions())
    page.route("http://localhost:1/", lambda route: route.fulfill(content_type="text/html", body=(
        f'<form method="post" action="{server.base}{href}"><input name="action" value="ignore">'
        '<input name="author" value="mallory"><button>win</button></form>'
    )))  # fmt: skip
    page.goto("http://localhost:1/")
    page.locator("button").click()
    assert (
        "Not from this page" in page.locator("h1").inner_text()
        or "Open the address" in page.locator("h1").inner_text()
    )
    assert len(server.decisions()) == count
    context.close()


def test_a_taken_port_is_said_and_ctrl_c_ends_well(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["ner", "review", server.folder.name, "--port", str(port), "--no-browser"]
        done = subprocess.run(
            [*PROGRAM, *arguments], cwd=server.folder.parent, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"port must be a free one; {port} cannot be had" in done.stderr
    code, said = server.end(signal.SIGINT)
    assert (code, said) == (0, "")
