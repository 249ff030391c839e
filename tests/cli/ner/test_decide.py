"""`assay ner apply`, `propose` and `recover-mapping`."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from pathlib import Path

import pytest

from assay.ner import read_corpus, read_decisions
from tests.cli.conftest import Assay, read_lines

# IOB1, CRLF, comments, boundaries, blank-filled lines, no final line end
TRAIN = (
    b"# a comment\r\n-DOCSTART- O\r\n\r\nParis I-LOC\r\nis O\r\n \r\n# sent_id = 7\r\n"
    b"New I-LOC\r\nYork I-LOC\r\nRome B-LOC\r\nAda I-PER"
)
TEST = b"\xef\xbb\xbfBo I-PER\nin O\nFrance I-LOC\n\n\n"
WEB = '[{"sentence": "见  Ada 于 France 😀", "entities": [{"name": "Ada", "type": "人", "pos": [3, 6]}, \n' \
    '{"name": "France", "type": "地: x", "pos": []}]}, {"sentence": "空", "entities": []}]'  # fmt: skip
DECISIONS = """\
- {id: d1, labels: [news/PER, web/人], action: same, name: person, author: jane}
- {id: d2, labels: [news/LOC, 'web/地: x'], action: split, author: jane,
   into: {country: {gazetteer: countries.txt}, location: rest}}
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Write two corpora and decisions on them."""
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "train.conll").write_bytes(TRAIN)
    (tmp_path / "news" / "test.conll").write_bytes(TEST)
    (tmp_path / "news" / "README").write_bytes(b"not data")
    (tmp_path / "web.json").write_bytes(WEB.encode())
    (tmp_path / "decisions.yaml").write_text(DECISIONS, encoding="utf-8")
    (tmp_path / "countries.txt").write_text("france\n", encoding="utf-8")
    return tmp_path


def labelled(folder: Path) -> list[tuple[str, str, str]]:
    """Return corpus, words and label of every entity in the files of a unified folder."""
    return [
        (row["corpus"], row["text"][e["start"] : e["end"]], e["label"])
        for path in sorted(folder.glob("*.jsonl"))
        for row in read_lines(path)[1:]
        for e in row["entities"]
    ]


def test_apply_then_revert_restores_every_byte(assay: Assay, given: Path) -> None:
    done = assay("ner", "apply", "news", "web.json", "--decisions", "decisions.yaml", "-o", "one")
    assert done.code == 0, done.err
    assert labelled(given / "one") == [
        ("news", "Bo", "person"),
        ("news", "France", "country"),
        ("news", "Paris", "location"),
        ("news", "New York", "location"),
        ("news", "Rome", "location"),
        ("news", "Ada", "person"),
        ("web", "Ada", "person"),
        ("web", "France", "country"),
    ]
    first = read_lines(given / "one" / "test.jsonl")[1]
    assert first["entities"][0]["meta"] == {"decided": {"label": "PER", "decision": "d1"}}
    assert first["meta"]["source"] == {"file": "test.conll"}
    assert set(read_corpus(given / "one").labels) == {"person", "country", "location"}
    manifest = json.loads((given / "one" / "manifest.json").read_text())
    assert manifest["command"] == "apply"
    assert manifest["counts"] == {
        "corpora": 2, "documents": 5, "entities": 8, "changed": 8, "undecided": 0, "folded": 0,
    }  # fmt: skip
    assert {entry["role"] for entry in manifest["inputs"]} == {"corpus", "decisions", "rule"}

    for path in ("news/train.conll", "news/test.conll", "web.json"):
        (given / path).unlink()  # the unified folder is all it takes
    done = assay("ner", "apply", "--revert", "one", "-o", "restored", "--format", "json")
    assert done.code == 0, done.err
    assert {row["how"] for row in json.loads(done.out)} == {"byte for byte"}
    assert (given / "restored" / "news" / "train.conll").read_bytes() == TRAIN
    assert (given / "restored" / "news" / "test.conll").read_bytes() == TEST
    assert (given / "restored" / "web" / "web.json").read_bytes() == WEB.encode()


def test_apply_is_repeated_to_the_byte(assay: Assay, given: Path) -> None:
    arguments = ("ner", "apply", "news", "web.json", "--decisions", "decisions.yaml", "-o")
    assert assay(*arguments, "one").code == 0
    assert assay(*arguments, "two").code == 0
    assert assay("run", "one/manifest.json", "-o", "three").code == 0
    for name in ("train.jsonl", "test.jsonl", "web.jsonl", "originals.zip", "decisions.yaml"):
        assert len({(given / folder / name).read_bytes() for folder in ("one", "two", "three")}) == 1
    assert assay(*arguments, "one").code == 2
    assert assay(*arguments, "one", "--overwrite").code == 0


def test_what_somebody_edited_is_kept_and_said(assay: Assay, given: Path) -> None:
    assert assay("ner", "apply", "news", "web.json", "--decisions", "decisions.yaml", "-o", "one").code == 0
    path = given / "one" / "train.jsonl"
    edited = path.read_text(encoding="utf-8").replace(
        '"start":0,"end":5,"label":"location"', '"start":6,"end":8,"label":"location"'
    )
    path.write_text(edited, encoding="utf-8")
    done = assay("ner", "apply", "--revert", "one", "-o", "restored")
    assert done.code == 0
    assert "train.conll  written anew: edited since" in done.out
    assert "restored 2 files byte for byte to restored; 1 were edited since" in done.err
    news = read_corpus(given / "restored" / "news")
    assert [
        (d.surface(e), e.label, dict(e.meta))
        for d in news.documents
        for e in d.entities
        if d.split == "train"
    ] == [
        ("is", "LOC", {}),
        ("New York", "LOC", {}),
        ("Rome", "LOC", {}),
        ("Ada", "PER", {}),
    ]
    assert (given / "restored" / "news" / "test.conll").read_bytes() == TEST

    # an entity inside another, which columns cannot hold, and a document of a new split
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[2])
    row["entities"].append({"start": 0, "end": 3, "label": "new"})
    extra = {
        "id": "n",
        "text": "Oslo",
        "entities": [{"start": 0, "end": 4, "label": "location"}],
        "corpus": "news",
        "split": "more",
    }
    lines[2:] = [json.dumps(row), *lines[3:], json.dumps(extra)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert assay("ner", "apply", "--revert", "one", "-o", "again").code == 0
    found = read_corpus(given / "again" / "news" / "train.jsonl")
    assert ("New", "new") in [(d.surface(e), e.label) for d in found.documents for e in d.entities]
    assert [d.text for d in read_corpus(given / "again" / "news" / "more.conll").documents] == ["Oslo"]


def test_every_file_of_other_formats_comes_back(assay: Assay, tmp_path: Path) -> None:
    made = {
        "brat/train/a.txt": b"Ada\r\nin Rome",
        "brat/train/a.ann": b"T1\tPER 0 3\tAda\nT2\tLOC 8 12\tRome\nR1\tin Arg1:T1 Arg2:T2\n",
        "brat/test/b.txt": "Bo 😀".encode(),
        "brat/test/b.ann": b"T1\tPER 0 2\tBo\r\n",
        "packed/train.jsonl.gz": gzip.compress(b'{"text": "Ada", "labels": [[0, 3, "PER"]]}\n', mtime=1),
        "set/data/train.json": b'[{"sentence": "Ada", "entities": [{"name": "Ada", "type": "PER", "pos": []}]}]',
        "set/data/labels.json": b'[ "PER","LOC" ]',
    }
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "decisions.yaml").write_text(
        "- {id: d1, labels: [brat/PER, packed/PER, set/PER], action: same, name: person}\n"
    )
    done = assay("ner", "apply", "brat", "packed", "set=set", "--decisions", "decisions.yaml", "-o", "one")
    assert done.code == 0, done.err
    for path in (tmp_path / "one").glob("*.jsonl"):  # written by another program is not edited
        rows = [json.dumps(row, sort_keys=True, indent=None) for row in read_lines(path)]
        path.write_text("\n".join(rows), encoding="utf-8")
    done = assay("ner", "apply", "--revert", "one", "-o", "back", "--format", "json")
    assert done.code == 0, done.err
    assert {row["how"] for row in json.loads(done.out)} == {"byte for byte"}
    assert {name: (tmp_path / "back" / name).read_bytes() for name in made} == made


def test_a_split_that_somebody_deleted_is_left_out(assay: Assay, given: Path) -> None:
    assert assay("ner", "apply", "news", "--decisions", "decisions.yaml", "-o", "one").code == 0
    (given / "one" / "test.jsonl").unlink()
    done = assay("ner", "apply", "--revert", "one", "-o", "back")
    assert done.code == 0
    assert "test.conll   left out: deleted since" in done.out
    assert [path.name for path in (given / "back" / "news").iterdir()] == ["train.conll"]


def test_a_damaged_or_foreign_folder_is_not_restored(assay: Assay, given: Path) -> None:
    assert assay("ner", "apply", "web.json", "--decisions", "decisions.yaml", "-o", "one").code == 0
    done = assay("ner", "apply", "--revert", "news", "-o", "restored")
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        "error: news must be a folder that assay ner apply wrote; it has no originals.zip.",
    )
    good = given / "one" / "originals.zip"
    with zipfile.ZipFile(good) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(parts["index.json"])
    [web] = index["corpora"]
    files = web["parts"][0]["files"]
    for change, message in (
        ({"web/web.json": b"[]"}, "its hash differs. Apply again."),
        (
            {
                "index.json": parts["index.json"].replace(b'"path": "web.json"', b'"path": "../x.json"'),
                "web/../x.json": parts["web/web.json"],
            },
            "must hold files of its corpora only; got web/../x.json.",
        ),
        (
            {
                "index.json": json.dumps(
                    {**index, "corpora": [{**web, "name": "../../web", "beside": files}]}
                ),
                "../../web/web.json": parts["web/web.json"],
            },
            "must hold files of its corpora only; got ../../web/",
        ),
        ({"index.json": b"{}"}, "must be as assay ner apply wrote it; "),
    ):
        with zipfile.ZipFile(good, "w") as archive:
            for name, content in (parts | change).items():
                archive.writestr(name, content)
        there = sorted(given.parent.rglob("*"))
        done = assay("ner", "apply", "--revert", "one", "-o", "restored")
        assert done.code == 2
        assert set(given.parent.rglob("*")) - set(there) <= {given / "restored"}
        assert message in done.err
        assert not [path for path in (given / "restored").rglob("*") if path.is_file()]
    good.write_bytes(b"no archive")
    assert (
        "must be as assay ner apply wrote it"
        in assay("ner", "apply", "--revert", "one", "-o", "restored").err
    )


def test_preview_shows_what_would_change_and_writes_nothing(assay: Assay, given: Path) -> None:
    before = sorted(given.rglob("*"))
    done = assay(
        "ner", "apply", "news", "web.json", "--decisions", "decisions.yaml", "--preview", "--format", "csv"
    )
    assert done.code == 0
    assert list(csv.reader(done.out.splitlines())) == [
        ["label", "name", "decision", "entities", "examples"],
        ["news/LOC", "country", "d2", "1", "France"],
        ["news/LOC", "location", "d2", "3", "Paris, New York, Rome"],
        ["news/PER", "person", "d1", "2", "Ada, Bo"],
        ["web/人", "person", "d1", "1", "Ada"],
        ["web/地: x", "country", "d2", "1", "France"],
    ]
    assert "4 labels with 8 entities become 3; 8 entities are decided" in done.err
    assert sorted(given.rglob("*")) == before
    whole = assay(
        "ner", "apply", "news", "web.json", "--decisions", "decisions.yaml", "--preview", "--format", "json"
    )
    assert json.loads(whole.out)["after"] == {"country": 2, "location": 3, "person": 3}


def test_undecided_entities_are_listed_filled_in_and_applied(assay: Assay, given: Path) -> None:
    path = given / "decisions.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("gazetteer: countries.txt", "manual: undecided.tsv")
    )
    table = given / "undecided.tsv"
    table.write_text("corpus\tsplit\tdocument\tstart\tend\tlabel\tsurface\tname\n")
    arguments = ("ner", "apply", "news", "web.json", "--decisions", "decisions.yaml")
    assert assay(*arguments, "--preview").code == 1
    done = assay(*arguments, "-o", "one")
    assert done.code == 1
    assert "undecided: Paris (news/LOC in train:1, d2): country or location" in done.err
    assert "listed in undecided.tsv; nothing else was written" in done.err
    assert not (given / "one").exists()
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert [row["surface"] for row in rows] == ["Paris", "New York", "Rome", "France", "France"]

    assert assay(*arguments, "-o", "raw", "--undecided", "keep-raw").code == 0
    assert ("news", "Paris", "LOC") in labelled(given / "raw")

    with table.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(
            {**row, "name": "country" if row["surface"] == "France" else "location"} for row in rows
        )
    assert assay(*arguments, "-o", "one").code == 0
    assert ("web", "France", "country") in labelled(given / "one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["news", "-o", "one"],
            "--decisions must be given where corpora are; got none. Add --decisions decisions.yaml.",
        ),
        (["card", "-o", "one"], "sources must be existing files or folders; there is no card."),
        (
            ["news", "--decisions", "no.yaml", "-o", "one"],
            "--decisions must be an existing file; there is no no.yaml.",
        ),
        (
            ["news", "--decisions", "decisions.yaml"],
            "--output must be given; got none. Add -o FOLDER, or --preview.",
        ),
        (
            ["news", "--decisions", "decisions.yaml", "-o", "."],
            "--output must be apart from the decisions; . holds them.",
        ),
        (["news", "--decisions", "decisions.yaml", "-o", "news"], "--output must be apart from the data"),
        (
            ["news", "--decisions", "decisions.yaml", "-o", "one", "--undecided", "guess"],
            "must be one of error, keep-raw",
        ),
        (["--revert", "a", "b", "-o", "one"], "--revert must be given one unified folder; got 2."),
        (["--revert", "a"], "--output must be given; got none."),
        (["--revert", "a", "-o", "b", "--decisions", "decisions.yaml"], "neither decisions nor preview"),
    ],
)
def test_refusals(assay: Assay, given: Path, arguments: list[str], message: str) -> None:
    done = assay("ner", "apply", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (given / "one").exists()


def test_decisions_on_other_corpora_are_told_of(assay: Assay, given: Path) -> None:
    done = assay("ner", "apply", "other=news", "--decisions", "decisions.yaml", "--preview")
    assert done.code == 0
    assert "warning: the decisions are about news, web, and none of these is given." in done.err


def test_decisions_that_are_not_valid_are_all_said_and_not_applied(assay: Assay, given: Path) -> None:
    (given / "decisions.yaml").write_text(
        "- {id: d1, labels: [news/PER], action: rename, name: 'a: b'}\n"
        "- {id: d2, labels: [news/LOC], action: rename, name: place 2}\n",
        encoding="utf-8",
    )
    done = assay("ner", "apply", "news", "--decisions", "decisions.yaml", "-o", "one")
    assert done.code == 2
    lines = done.err.splitlines()
    assert lines[-1].startswith("error: decisions.yaml must be valid; d1: name must have none of")
    assert lines[-1].endswith("1 more are wrong.")
    assert sum("must not end in a digit" in line for line in lines) == 1
    assert not (given / "one").exists()


def test_from_cards_to_one_corpus_and_back(assay: Assay, tmp_path: Path) -> None:
    assert assay("ner", "example", "-o", "mini").code == 0
    corpora = sorted(path.name for path in (tmp_path / "mini").iterdir())
    assert assay("ner", "screen", *(f"mini/{name}" for name in corpora), "-o", "cards").code == 0
    assert assay("ner", "propose", "cards", "--confirm", "jane").code == 2
    done = assay("ner", "propose", "cards", "--format", "json")
    assert done.code == 0
    proposed = json.loads(done.out)["decisions"]
    assert proposed
    assert {entry["author"] for entry in proposed} == {"proposal"}
    assert assay("ner", "propose", "cards").code == 2  # what a person may have edited is not replaced
    (tmp_path / "cards" / "decisions.yaml").write_bytes(
        (tmp_path / "cards" / "decisions.proposed.yaml").read_bytes()
    )
    done = assay("ner", "apply", "cards", "-o", "one")
    assert done.code == 2
    assert "author must be a person; got a proposal" in done.err
    (tmp_path / "cards" / "decisions.yaml").unlink()

    done = assay("ner", "propose", "cards", "--confirm", "jane")
    assert done.code == 0
    entries = read_decisions(tmp_path / "cards" / "decisions.yaml").entries
    assert len(entries) == len(proposed)
    assert {entry.author for entry in entries} == {"jane"}
    done = assay("ner", "propose", "cards", "--confirm", "jane")
    assert f"0 decisions of jane added to cards/decisions.yaml; {len(proposed)} left out" in done.err
    assert assay("ner", "propose", "cards", "--confirm", "proposal").code == 2

    done = assay("ner", "apply", "cards", "-o", "one")
    assert done.code == 0, done.err
    assert "the test set of dispatch (test) is touched" in done.err
    assert assay("ner", "apply", "cards", "-o", "two", "--scheme", "IOB2").code == 2
    assert assay("ner", "apply", "--revert", "one", "-o", "restored").code == 0
    made = {
        path.relative_to(tmp_path / "mini"): path.read_bytes() for path in (tmp_path / "mini").rglob("*.*")
    }
    again = {
        path.relative_to(tmp_path / "restored"): path.read_bytes()
        for path in (tmp_path / "restored").rglob("*.*")
    }
    assert made == again


def test_proposals_wait_for_the_review_card_by_card(assay: Assay, tmp_path: Path) -> None:
    from assay.ner import Decision, write_cards
    from assay.ner.decisions import add, replace, undo
    from tests.ner.made_cards import card, cards

    found = cards(
        {"a": {"PER": 9, "LOC": 8}, "b": {"person": 7, "place": 6}, "c": {"human": 5}, "d": {"PERSON": 2}},
        card("a/PER", "b/person", "equal", 0.9, 0.8),
        card("b/person", "c/human", "equal"),
        card("a/LOC", "b/place", "equal"),
    )
    (tmp_path / "cards").mkdir()
    write_cards(found, tmp_path / "cards")
    path = tmp_path / "cards" / "decisions.yaml"
    add(path, Decision(labels=("a/LOC",), action="rename", name="site", author="jo"))
    done = assay("ner", "propose", "cards", "--review")
    assert done.code == 0
    assert "added 2 proposals to cards, a card each" in done.err
    made = read_decisions(path).entries
    assert [(d.labels, d.name, d.author, d.card) for d in made[1:]] == [
        (("a/PER", "b/person"), "person", "proposal", found.cards[0].id),
        (("b/person", "c/human"), "person", "proposal", found.cards[1].id),
    ]
    assert made[1].reason == "equal: 0.90 and 0.80"
    assert "added 0 proposals" in assay("ner", "propose", "cards", "--review", "--overwrite").err
    assert assay("ner", "propose", "cards", "--review", "--confirm", "jo").code == 2

    confirmed = assay(
        "ner", "propose", "cards", "--confirm", "jane"
    )  # all at once, in place of those that wait
    assert (confirmed.code, {d.author for d in read_decisions(path).entries}) == (0, {"jo", "jane"})
    undo(path)

    # a person calls them otherwise on the page; what has no card then joins under that name
    for entry in made[1:]:
        replace(path, entry.model_copy(update={"author": "jo", "name": "human being"}))
    done = assay("ner", "propose", "cards", "--confirm", "jane")
    assert done.code == 0
    assert [(d.labels, d.name) for d in read_decisions(path).entries[3:]] == [
        (("a/PER", "b/person", "c/human", "d/PERSON"), "human being"),
        (("a/LOC", "b/place"), "site"),
    ]


def test_a_corpus_that_moved_is_said(assay: Assay, given: Path) -> None:
    from assay.ner import write_cards
    from tests.ner.made_cards import cards

    (given / "cards").mkdir()
    summaries = cards({"news": {"LOC": 4, "PER": 2}})
    write_cards(summaries, given / "cards")
    (given / "cards" / "decisions.yaml").write_text(
        "- {id: d1, labels: [news/PER], action: rename, name: person}\n"
    )
    done = assay("ner", "apply", "cards", "--preview")
    assert done.code == 0
    assert "news has 3 documents now and had 1 when it was screened" in done.err
    write_cards(
        summaries.model_copy(
            update={"corpora": (summaries.corpora[0].model_copy(update={"source": "gone/news"}),)}
        ),
        given / "cards",
    )
    done = assay("ner", "apply", "cards", "--preview")
    assert done.code == 2
    assert "news must be where it was screened; there is no gone/news. Run where the screen ran" in done.err


def put(path: Path, *rows: tuple[str, str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"sentence": s, "entities": [{"name": n, "type": t, "pos": [0, len(n)]}]} for s, n, t in rows]
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")


def test_recover_mapping_of_trees(assay: Assay, tmp_path: Path) -> None:
    for side, person, place in (("raw", "PER", "LOC"), ("std", "person", "location")):
        put(
            tmp_path / side / "NER_en" / "one" / "train.json",
            ("Ada is", "Ada", person),
            ("Oslo is", "Oslo", place),
        )
        put(
            tmp_path / side / "NER_zh" / "two" / "train.json",
            ("艾达来", "艾达", person + "N" * (side == "raw")),
        )
    put(tmp_path / "raw" / "NER_zh" / "three" / "train.json", ("艾达来", "艾达", "x"))
    done = assay("ner", "recover-mapping", "raw", "std", "-o", "decisions.yaml", "--format", "csv")
    assert done.code == 1
    assert "raw/NER_zh/three has no counterpart" in done.err
    assert done.out.splitlines() == [
        "corpus,label,name,entities,share",
        "one,PER,person,1,1.0",
        "one,LOC,location,1,1.0",
        "two,PERN,person,1,1.0",
    ]
    assert [(d.action, d.labels, d.name) for d in read_decisions(tmp_path / "decisions.yaml").entries] == [
        ("rename", ("one/LOC",), "location"),
        ("same", ("one/PER", "two/PERN"), "person"),
    ]
    done = assay("ner", "recover-mapping", "raw", "std", "-o", "decisions.yaml")
    assert done.code == 2
    done = assay("ner", "recover-mapping", "raw/NER_en/one", "std/NER_en/one")
    assert done.code == 0
    assert "2 documents aligned, 0 not; 0 entities only in the raw version" in done.err
    assert (
        "standard must hold corpora at the places" in assay("ner", "recover-mapping", "raw", "std/NER_zh").err
    )


def test_recover_mapping_finds_conflicts(assay: Assay, tmp_path: Path) -> None:
    put(tmp_path / "raw.json", ("Ada is", "Ada", "PER"), ("Bo is", "Bo", "PER"))
    put(tmp_path / "std.json", ("Ada is", "Ada", "person"), ("Bo is", "Bo", "politician"))
    done = assay("ner", "recover-mapping", "raw.json", "std.json", "--format", "json")
    assert done.code == 1
    assert json.loads(done.out)["conflicts"] == ["raw/PER"]
    assert "raw/PER came to several names" in done.err
    assert "; 0 decisions" in done.err
