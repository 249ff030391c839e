"""What a person does on the pages, by requests: decide, mend, undo, find, and never overwrite what another did."""

from __future__ import annotations

import html
import re
from datetime import date
from typing import Any

import pytest

from assay.ner import decisions as store
from assay.ner.cards import write_cards
from assay.ner.decisions import FILE, Decision, Rule, read_decisions
from tests.web.conftest import Reviewer


def _entries(reviewer: Reviewer) -> tuple[Decision, ...]:
    return read_decisions(reviewer.folder / FILE).entries


def _text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", answer.text)).split())


def _undo(reviewer: Reviewer) -> Any:
    revision = re.search('name="revision" value="([^"]*)"', reviewer.get("/").text)
    assert revision is not None
    return reviewer.post("/undo", {"token": reviewer.guard.token, "revision": revision[1]})


def test_a_decision_is_on_disk_and_leads_to_the_next_card(reviewer: Reviewer) -> None:
    first, second = reviewer.cards.cards[1], reviewer.cards.cards[2]
    answer = reviewer.decide(1, action="merge", name="person", reason="one is enough")
    assert answer.status_code == 303
    (entry,) = _entries(reviewer)
    assert entry == Decision(
        id="d1",
        labels=first.labels,
        action="merge",
        name="person",
        author="jane",
        date=date.today(),
        reason="one is enough",
        card=first.id,
    )
    assert answer.headers["location"] == f"/card/{second.id}?saved=d1"
    page = _text(reviewer.get(answer.headers["location"]))
    assert "Saved d1 : politics/politician, news/person → person" in page
    assert "1 of 6" in page


def test_every_action(reviewer: Reviewer) -> None:
    reviewer.decide(2, action="same", name="地点")
    reviewer.decide(1, action="rename", label=["politics/politician"], name="politician")
    reviewer.decide(4, action="merge", name="group")
    parts = {"part": ["country", "country", "location"], "way": ["gazetteer", "regex", "rest"]}
    reviewer.decide(0, action="split", value=["countries.txt", "^New .*land$", ""], **parts)
    reviewer.decide(5, action="ignore", name="is left out")
    same, rename, merge, split, ignore = _entries(reviewer)
    assert (same.action, same.name) == ("same", "地点")
    assert (rename.labels, rename.name) == (("politics/politician",), "politician")
    assert (merge.action, merge.name) == ("merge", "group")
    assert split.labels == reviewer.cards.cards[0].labels
    assert split.into == {
        "country": Rule(gazetteer="countries.txt", regex="^New .*land$"),
        "location": "rest",
    }
    assert (ignore.name, ignore.into) == (None, None)
    assert "5 of 6" in _text(reviewer.get("/"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "action must be chosen"),
        ({"action": "same"}, "name must be given for same"),
        ({"action": "same", "name": "a: b"}, "name must have none of"),
        ({"action": "same", "name": "place 1"}, "must not end in a digit"),
        ({"action": "rename", "name": "x"}, "labels must be one for rename"),
        ({"action": "same", "name": "x", "label": []}, "labels must be one or more"),
        ({"action": "same", "name": "x", "author": " "}, "author must be given"),
        ({"action": "same", "name": "x", "author": "proposal"}, "author must be a person"),
        ({"action": "explode", "name": "x"}, "action must be"),
        ({"action": "split"}, "into must be given for split"),
        (
            {"action": "split", "part": "a", "way": "regex", "value": "("},
            "regex must be a regular expression",
        ),
        ({"action": "split", "part": "a", "way": "", "value": "x"}, "a must say which entities get it"),
        ({"action": "split", "part": "", "way": "rest", "value": ""}, "name of a part must be given"),
        ({"action": "split", "part": "a", "way": "gazetteer", "value": ""}, "a must have its gazetteer"),
        (
            {"action": "split", "part": ["a", "a"], "way": ["rest", "regex"], "value": ["", "x"]},
            "must be the rest or have rules",
        ),
        (
            {"action": "split", "part": ["a", "a"], "way": ["regex", "regex"], "value": ["y", "x"]},
            "must have one regex",
        ),
        (
            {"action": "split", "part": ["a", "b"], "way": ["regex", "regex"], "value": ["y", "x"]},
            "exactly one name for the rest",
        ),
    ],
)
def test_what_is_wrong_comes_back_with_the_form(
    reviewer: Reviewer, fields: dict[str, Any], message: str
) -> None:
    answer = reviewer.decide(0, **{"reason": "kept <words>", **fields})
    assert answer.status_code == 422
    assert message in html.unescape(answer.text)
    assert "kept &lt;words&gt;</textarea>" in answer.text
    assert "Save all the same" not in answer.text
    if fields.get("action") in ("same", "rename"):
        assert f'value="{fields["action"]}" checked' in answer.text
    checked = reviewer.post(f"/card/{reviewer.cards.cards[0].id}/check", reviewer.form(0, **fields)).json()
    assert checked["grave"]
    assert any(message in text for text in checked["errors"])
    assert not (reviewer.folder / FILE).exists()


def test_what_is_wrong_only_beside_another_can_be_saved_all_the_same(reviewer: Reviewer) -> None:
    reviewer.decide(0, action="merge", name="location")
    path = f"/card/{reviewer.cards.cards[0].id}"
    fields = reviewer.form(0, action="rename", label=["politics/location"], name="place", id="")
    answer = reviewer.post(path, fields)
    assert answer.status_code == 422
    assert "this decision and d1: politics/location must come to one thing" in _text(answer)
    assert "Save all the same" in answer.text
    assert reviewer.post(path, {**fields, "do": "anyway"}).status_code == 303
    assert [entry.id for entry in _entries(reviewer)] == ["d1", "d2"]
    assert "1 error" in _text(reviewer.get("/"))
    assert "refuses such decisions" in _text(reviewer.get("/preview"))


def test_more_rows_keep_what_was_typed(reviewer: Reviewer) -> None:
    parts = {"part": ["country", "location"], "way": ["gazetteer", "rest"], "value": ["countries.txt", ""]}
    answer = reviewer.decide(0, action="split", do="rows", reason="because", **parts)
    assert answer.status_code == 200
    assert answer.text.count('<div class="part">') == 2 + 4 + 1
    assert 'value="countries.txt" list' in answer.text
    assert "because</textarea>" in answer.text
    assert not (reviewer.folder / FILE).exists()


def test_the_form_offers_lawful_names(reviewer: Reviewer) -> None:
    page = reviewer.get(f"/card/{reviewer.cards.cards[4].id}").text
    assert 'name="name" value="organization"' in page  # of news/organisation, which no name may contain
    page = reviewer.get(f"/card/{reviewer.cards.cards[0].id}").text
    assert re.findall('name="part" value="([^"]*)"', page) == ["country", "location", ""]


def test_a_decision_is_changed_and_removed(reviewer: Reviewer) -> None:
    reviewer.decide(1, action="merge", name="person")
    reviewer.decide(1, action="ignore")
    assert [(entry.id, entry.action) for entry in _entries(reviewer)] == [("d1", "ignore")]
    answer = reviewer.decide(1, do="remove")
    assert answer.headers["location"] == f"/card/{reviewer.cards.cards[1].id}"
    assert _entries(reviewer) == ()
    assert reviewer.decide(1, do="remove").status_code == 422


def test_two_decisions_on_one_card(reviewer: Reviewer) -> None:
    reviewer.decide(0, action="rename", label=["news/location"], name="place")
    path = f"/card/{reviewer.cards.cards[0].id}"
    fields = reviewer.form(0, action="rename", label=["politics/location"], name="region", id="")
    assert reviewer.post(path, fields).status_code == 303
    assert [entry.name for entry in _entries(reviewer)] == ["place", "region"]
    page = reviewer.get(f"{path}?decision=d2").text
    assert "Change d2" in page
    assert 'name="name" value="region"' in page
    assert "<h2>Decide</h2>" in reviewer.get(f"{path}?decision=new").text


def test_undo_takes_back_the_last_step_whatever_it_was(reviewer: Reviewer) -> None:
    reviewer.decide(1, action="merge", name="person")
    reviewer.decide(1, action="ignore")
    reviewer.decide(2, action="same", name="地点")
    assert _undo(reviewer).headers["location"] == f"/card/{reviewer.cards.cards[2].id}"
    assert _undo(reviewer).headers["location"] == f"/card/{reviewer.cards.cards[1].id}"
    assert [(entry.id, entry.action, entry.name) for entry in _entries(reviewer)] == [
        ("d1", "merge", "person")
    ]
    _undo(reviewer)
    assert _entries(reviewer) == ()
    assert _undo(reviewer).status_code == 409
    assert 'disabled title="Nothing to take back"' in reviewer.get("/").text


def test_a_stale_tab_does_not_overwrite(reviewer: Reviewer) -> None:
    mine = reviewer.form(1, action="ignore", reason="mine")
    yours = reviewer.form(1, action="merge", name="person")
    path = f"/card/{reviewer.cards.cards[1].id}"
    assert reviewer.post(path, yours).status_code == 303
    answer = reviewer.post(path, mine)
    assert answer.status_code == 409
    assert "Changed meanwhile" in answer.text
    assert "d1 merge" in _text(answer)
    assert "mine</textarea>" in answer.text
    assert [entry.action for entry in _entries(reviewer)] == ["merge"]
    # the form that came back has seen what is there now, and may be saved beside it or in its place
    form = answer.text[answer.text.index('<form id="decision"') :]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    assert reviewer.post(path, {**mine, **fields}).status_code == 303
    assert [(entry.id, entry.action) for entry in _entries(reviewer)] == [("d1", "ignore")]


def test_a_stale_tab_does_not_bring_back_what_was_removed(reviewer: Reviewer) -> None:
    reviewer.decide(1, action="merge", name="person")
    mine = reviewer.form(1, action="ignore")
    reviewer.decide(1, do="remove")
    answer = reviewer.post(f"/card/{reviewer.cards.cards[1].id}", mine)
    assert answer.status_code == 409
    assert "Its decision is gone" in _text(answer)
    assert _entries(reviewer) == ()


def test_a_stale_page_takes_nothing_back(reviewer: Reviewer) -> None:
    reviewer.decide(1, action="merge", name="person")
    page = re.search('name="revision" value="([^"]*)"', reviewer.get("/").text)
    assert page is not None
    reviewer.decide(2, action="same", name="地点")
    answer = reviewer.post("/undo", {"token": reviewer.guard.token, "revision": page[1]})
    assert answer.status_code == 409
    assert "Changed meanwhile" in answer.text
    assert len(_entries(reviewer)) == 2


def test_tabs_on_different_cards_do_not_disturb_each_other(reviewer: Reviewer) -> None:
    one, two = reviewer.form(1, action="ignore"), reviewer.form(2, action="ignore")
    assert reviewer.post(f"/card/{reviewer.cards.cards[1].id}", one).status_code == 303
    elsewhere = Decision(labels=("news/person",), action="rename", name="person", author="ed")
    store.add(reviewer.folder / FILE, elsewhere)
    assert reviewer.post(f"/card/{reviewer.cards.cards[2].id}", two).status_code == 303
    assert len(_entries(reviewer)) == 3


def test_sending_a_form_twice_decides_once(reviewer: Reviewer) -> None:
    fields = reviewer.form(1, action="merge", name="person")
    path = f"/card/{reviewer.cards.cards[1].id}"
    assert [reviewer.post(path, fields).status_code for _ in range(2)] == [303, 303]
    assert [entry.id for entry in _entries(reviewer)] == ["d1"]


def test_a_file_written_by_hand_is_read_at_once_and_a_broken_one_is_said(reviewer: Reviewer) -> None:
    (reviewer.folder / FILE).write_text(
        "- {id: d7, labels: [politics/politician, news/person], action: merge, name: person}\n",
        encoding="utf-8",
    )
    assert "Change d7" in reviewer.get(f"/card/{reviewer.cards.cards[1].id}").text
    (reviewer.folder / FILE).write_text("- {id: d7, labels: [politics/politician", encoding="utf-8")
    answer = reviewer.get("/")
    assert answer.status_code == 500
    assert "must be YAML" in answer.text


def test_the_queue_is_filtered_and_keeps_its_filter(reviewer: Reviewer) -> None:
    def ranks(query: str) -> list[int]:
        rows = re.findall(r'<tr class="\w+"><td class="number">(\d+)</td>', reviewer.get(f"/{query}").text)
        return [int(rank) for rank in rows]

    assert ranks("") == [1, 2, 3, 4, 5, 6]
    assert ranks("?kind=gap") == [4]
    assert ranks("?relation=subset") == [2]
    assert ranks("?corpus=weibo") == [3, 4, 6]
    assert ranks("?q=ADA+okoro") == [2]
    assert ranks("?q=nothing") == []
    cards = [card.id for card in reviewer.cards.cards]
    answer = reviewer.post(f"/card/{cards[2]}?corpus=weibo", reviewer.form(2, action="ignore"))
    assert answer.headers["location"] == f"/card/{cards[3]}?corpus=weibo&saved=d1"
    fields = {"token": reviewer.guard.token, "revision": read_decisions(reviewer.folder / FILE).revision}
    assert reviewer.post("/undo?corpus=weibo", fields).headers["location"] == f"/card/{cards[2]}?corpus=weibo"
    reviewer.decide(2, action="ignore")
    assert ranks("?status=decided") == [3]
    assert ranks("?status=open&corpus=weibo") == [4, 6]
    page = reviewer.get(f"/card/{cards[3]}?corpus=weibo").text
    assert f'rel="prev" href="/card/{cards[2]}?corpus=weibo"' in page
    assert f'rel="next" href="/card/{cards[5]}?corpus=weibo"' in page


def test_a_card_is_settled_by_decisions_on_others(reviewer: Reviewer) -> None:
    labels = ("weibo/机构", "politics/party", "news/organisation")
    store.add(reviewer.folder / FILE, Decision(labels=labels, action="merge", name="group", author="ed"))
    page = _text(reviewer.get("/?status=settled"))
    assert "2 cards" in page
    assert "2 of 6" in page


def test_a_proposal_waits_to_be_confirmed(reviewer: Reviewer) -> None:
    card = reviewer.cards.cards[1]
    proposed = Decision(labels=card.labels, action="merge", name="person", author="proposal", card=card.id)
    store.add(reviewer.folder / FILE, proposed)
    assert "0 of 6" in _text(reviewer.get("/"))
    assert 'value="merge" checked' in reviewer.get(f"/card/{card.id}").text
    reviewer.decide(1, action="merge", name="person")
    assert [(entry.id, entry.author) for entry in _entries(reviewer)] == [("d1", "jane")]
    assert "1 of 6" in _text(reviewer.get("/"))


def test_the_taxonomy_is_a_tree_to_search(reviewer: Reviewer) -> None:
    (reviewer.folder / "taxonomy.yaml").write_text(
        """version: 1
types:
- {id: place, en: place, zh: 地方, definition: {en: where something is}}
- {id: country, en: country, zh: 国家, parent: place, sources: [politics/country]}
- {id: other-place, en: other place, zh: 其它地方, parent: place, other: true}
- {id: person, en: person, zh: 人名}
""",
        encoding="utf-8",
    )
    reviewer.decide(1, action="merge", name="person")
    reviewer.decide(5, action="rename", label=["weibo/地点"], name="spot", do="anyway")
    page = _text(reviewer.get("/taxonomy"))
    assert "place 地方 where something is country 国家 politics/ country" in page
    assert "person 人名 politics/ politician , news/ person" in page
    assert "Names that are no type spot weibo/ 地点" in page
    found = _text(reviewer.get("/taxonomy?q=politics/COUNTRY"))
    assert "1 type," in found
    assert "place 地方" in found  # what the hit is part of
    assert "person 人名" not in found


def test_the_corpora_may_be_screened_again_meanwhile(reviewer: Reviewer) -> None:
    gone = reviewer.form(3, action="ignore")
    write_cards(reviewer.cards.model_copy(update={"cards": reviewer.cards.cards[:2]}), reviewer.folder)
    assert "2 cards" in _text(reviewer.get("/"))
    answer = reviewer.post(f"/card/{reviewer.cards.cards[3].id}", gone)
    assert answer.status_code == 404
    assert not (reviewer.folder / FILE).exists()
