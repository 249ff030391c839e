"""The decision file: its form, two writers, crashes, history."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError, StaleError
from assay.ner import Decision, Rule, read_decisions
from assay.ner.decisions import (
    add,
    edit,
    history,
    parse_decision,
    remove,
    replace,
    undo,
    write_decisions,
)

SAME = Decision(labels=("a/x", "b/y"), action="same", name="person")
SPLIT = Decision(
    labels=("a/place",),
    action="split",
    into={"country": Rule(gazetteer="countries.txt"), "location": "rest"},
    author="jane",
    date=datetime.date(2026, 1, 5),
    reason="politics marks countries apart",
    card="c0123456789",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.yaml"


def test_the_entry_of_the_specification_is_read(path):
    path.write_text(
        "- {id: d7, labels: [conll2003/location, crossner_politics/location], action: split,\n"
        "   into: {country: {gazetteer: countries.txt}, location: rest},\n"
        "   author: jane, date: 2026-01-05, reason: politics marks countries apart}\n",
        encoding="utf-8",
    )
    (entry,) = read_decisions(path).entries
    assert entry.labels == ("conll2003/location", "crossner_politics/location")
    assert entry.into == {"country": Rule(gazetteer="countries.txt"), "location": "rest"}
    assert entry.date == datetime.date(2026, 1, 5)
    assert entry.names == ("country", "location")


def test_what_is_written_is_read_and_the_same_decisions_are_the_same_bytes(path, tmp_path):
    odd = Decision(id="d10", labels=("a/NO", "a/1: #x"), action="merge", name="no", reason="'\"\n— 中文: {}")
    plain = Decision(id="d2", labels=("a/yes",), action="ignore")
    first = write_decisions(path, [odd, plain])
    assert [entry.id for entry in first.entries] == ["d2", "d10"]
    assert read_decisions(path) == first
    assert write_decisions(tmp_path / "again.yaml", [plain, odd]).revision == first.revision


def test_a_missing_file_holds_nothing_and_is_made(path):
    assert read_decisions(path).entries == ()
    made = add(path, SAME)
    assert [entry.id for entry in made.entries] == ["d1"]
    assert read_decisions(path) == made
    assert made.get("d1") == SAME.model_copy(update={"id": "d1"})


def test_ids_are_never_used_again(path):
    add(path, SAME)
    add(path, SPLIT)
    remove(path, "d2")
    assert [entry.id for entry in add(path, SPLIT).entries] == ["d1", "d3"]
    with pytest.raises(DataError, match=r"id must be new; 'd2' is or was in use"):
        add(path, SPLIT.model_copy(update={"id": "d2"}))


def test_decisions_of_a_card(path):
    found = edit(path, add=(SAME, SPLIT))
    assert [entry.id for entry in found.of_card("c0123456789")] == ["d2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("decisions: []", r"must be a list of decisions, each with id, labels and action\."),
        ("- {id: d1", r"decisions\.yaml must be YAML; "),
        ("- 3", r"must be a list of decisions"),
        (
            "- {id: d1, labels: [a/x], action: ignore, date: 2026-13-01}",
            r"must be YAML; month must be in 1\.\.12",
        ),
        ("- {id: d1, labels: [a/x], action: ignore, 1: y}", r"d1: 1 .*string"),
        (
            "- {id: d1, labels: a/x, action: ignore}",
            r"d1: labels must be a list, such as \[news/PER\]; got 'a/x'\.",
        ),
        ("- {labels: [a/x], action: ignore}", r"decision 1: id must be given\."),
        (
            "- {id: d1, id: d2, labels: [a/x], action: ignore}",
            r"yaml:1: a key must stand once; got 'id' again\.",
        ),
        ("- {id: d1, labels: [x], action: ignore}", r"d1: labels must be corpus/label each; got 'x'\."),
        (
            "- {id: d1, labels: [], action: ignore}",
            r"d1: labels must be one or more different ones; got \[\]",
        ),
        ("- {id: d1, labels: [a/x, a/x], action: ignore}", r"must be one or more different ones"),
        ("- {id: d1, labels: [a/x], action: drop}", r"d1: action must be 'same', .*; got 'drop'\."),
        ("- {id: d1, action: ignore}", r"d1: labels must be given\."),
        (
            "- {id: d1, labels: [a/x], action: ignore, note: y}",
            r"d1: note is no field; there are: id, labels",
        ),
        (
            "- {id: d1, labels: [a/x], action: rename, name: no}",
            r"name must be a valid string; got False\. Quote",
        ),
        ("- {id: d1, labels: [a/x], action: rename}", r"d1: name must be given for rename"),
        (
            "- {id: d1, labels: [a/x, b/y], action: rename, name: z}",
            r"labels must be one for rename; got 2: use same",
        ),
        (
            "- {id: d1, labels: [a/x], action: merge, name: z}",
            r"labels must be two or more for merge; got a/x",
        ),
        ("- {id: d1, labels: [a/x], action: ignore, name: z}", r"name must be left out for ignore; got 'z'"),
        (
            "- {id: d1, labels: [a/x], action: split}",
            r"into must be given for split and only there; got none",
        ),
        (
            "- {id: d1, labels: [a/x], action: ignore, into: {y: rest}}",
            r"into must be given for split and only there",
        ),
        (
            "- {id: d1, labels: [a/x], action: split, into: {y: other}}",
            r"d1: into\.y must be rest or a rule such as \{gazetteer: FILE\}; got 'other'\.",
        ),
        (
            "- {id: d1, labels: [a/x], action: split, into: {y: {}}}",
            r"into\.y must be rest, or have a gazetteer",
        ),
        (
            "- {id: d1, labels: [a/x], action: split, into: {y: {list: f}}}",
            r"into\.y\.list is no field; there are: gaz",
        ),
        (
            "- {id: d1, labels: [a/x], action: split, into: {y: {regex: (}}}",
            r"must be a regular expression; got '\('",
        ),
        (
            "- {id: d1, labels: [a/x], action: ignore}\n- {id: d1, labels: [b/x], action: ignore}",
            r"id must be unique; got 'd1' twice\. Give one of them another\.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path, content, message):
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_decisions(path)


def test_a_form_is_told_what_is_wrong():
    with pytest.raises(DataError, match=r"^form: action must be given\.$"):
        parse_decision({"labels": ["a/x"]}, where="form")


def test_a_stale_revision_changes_nothing(path):
    seen = add(path, SAME)
    now = add(path, SPLIT)
    for change in (
        lambda: add(path, SAME, revision=seen.revision),
        lambda: replace(path, SAME.model_copy(update={"id": "d1"}), revision=seen.revision),
        lambda: remove(path, "d1", revision=seen.revision),
        lambda: undo(path, revision=seen.revision),
    ):
        with pytest.raises(
            StaleError, match=r"must be as it was when it was read; it has changed since\. Look again\."
        ):
            change()
    assert read_decisions(path) == now
    assert len(remove(path, "d1", revision=now.revision).entries) == 1


def test_what_is_not_there_cannot_change(path):
    add(path, SAME)
    with pytest.raises(DataError, match=r"replace must name decisions of .*; there is no 'd9'\."):
        replace(path, SAME.model_copy(update={"id": "d9"}))
    with pytest.raises(DataError, match=r"remove must name decisions of .*; there is no 'd9'\."):
        remove(path, "d9")
    assert len(history(path)) == 1


def test_undo_takes_back_whole_steps_to_the_byte(path):
    states = [path.read_bytes() if path.exists() else b"[]\n"]
    for step in (
        lambda: edit(path, add=(SAME, SPLIT)),
        lambda: replace(path, SAME.model_copy(update={"id": "d1", "name": "human"})),
        lambda: remove(path, "d2"),
        lambda: edit(path, add=(SPLIT,), remove=("d1",)),
    ):
        step()
        states.append(path.read_bytes())
    assert len(history(path)) == 4
    for state in reversed(states[:-1]):
        undo(path)
        assert path.read_bytes() == state
    with pytest.raises(DataError, match=r"must have a step to take back; there is none\."):
        undo(path)


def test_undo_goes_on_after_new_steps(path):
    add(path, SAME)
    add(path, SPLIT)
    undo(path)
    replace(path, SAME.model_copy(update={"id": "d1", "name": "human"}))
    undo(path)
    assert [(entry.id, entry.name) for entry in read_decisions(path).entries] == [("d1", "person")]
    assert undo(path).entries == ()


def test_a_replacement_by_the_same_is_no_step(path):
    before = add(path, SAME)
    assert replace(path, before.entries[0]) == before
    assert len(history(path)) == 1


def test_undo_does_not_lose_what_an_editor_wrote(path):
    add(path, SAME)
    path.write_text(path.read_text().replace("person", "human"))
    with pytest.raises(
        DataError, match=r"d1 must be as the last step left it; .* was edited since\. Edit it again\."
    ):
        undo(path)
    path.write_text(path.read_text().replace("human", "person") + "# a remark\n")
    assert undo(path).entries == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["add", "replace", "remove", "undo", "crash"]), max_size=14))
def test_history_equals_a_list_of_states(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("d") / "decisions.yaml"
    states = [()]
    for number, step in enumerate(steps):
        now = states[-1]
        changed = SAME.model_copy(update={"name": f"name {number} x"})
        if step == "add":
            states.append(add(path, changed).entries)
        elif step == "replace" and now:
            states.append(replace(path, changed.model_copy(update={"id": now[0].id})).entries)
        elif step == "remove" and now:
            states.append(remove(path, now[-1].id).entries)
        elif step == "undo" and len(states) > 1:
            states.pop()
            assert undo(path).entries == states[-1]
        elif step == "crash" and path.exists():  # logged, but the file was not replaced
            before = path.read_bytes()
            add(path, changed)
            path.write_bytes(before)
        assert read_decisions(path).entries == states[-1]
        assert len(history(path)) == len(states) - 1


def test_a_line_that_a_crash_cut_off_does_no_harm(path):
    add(path, SAME)
    log = path.with_name("decisions.log.jsonl")
    whole = log.read_bytes()
    log.write_bytes(whole + whole[: len(whole) // 2])
    add(path, SPLIT)
    assert len(history(path)) == 2
    undo(path)
    assert undo(path).entries == ()


def _adds(path, name, count):
    for number in range(count):
        add(path, Decision(labels=(f"{name}/{number}",), action="rename", name=f"{name} {number} x"))


def test_no_update_is_lost_between_processes_and_threads(path):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_adds, args=(path, f"p{n}", 15)) for n in range(2)]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: _adds(path, f"t{n}", 10), range(3)))
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    found = read_decisions(path).entries
    assert {entry.labels[0] for entry in found} == {
        *(f"p{n}/{m}" for n in range(2) for m in range(15)),
        *(f"t{n}/{m}" for n in range(3) for m in range(10)),
    }
    assert [entry.id for entry in found] == [f"d{n}" for n in range(1, 61)]
    assert len(history(path)) == 60


WRITER = """
import sys
from assay.ner.decisions import Decision, add
number = 0
while True:
    number += 1
    made = add(sys.argv[1], Decision(labels=(f"a/{number}",), action="rename", name=f"name {number} x"))
    print(len(made.entries), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a POSIX signal")
def test_a_killed_writer_loses_nothing_it_reported_and_lets_go_of_the_lock(path):
    reported = 0
    for pause in (0.03, 0.05):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause)
            os.kill(process.pid, signal.SIGKILL)
            reported = max([reported + 1, *(int(line) for line in process.stdout.read().split())])
        assert len(read_decisions(path).entries) >= reported
        assert len(add(path, SAME).entries) == len(history(path))
        reported = len(read_decisions(path).entries)
    assert not [name for name in os.listdir(path.parent) if name.endswith(".yaml") and name != path.name]
