"""`assay ner crossval`: matrices in four formats, the page, the cards, ready predictions, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest

from assay.ner import read_cards
from tests.cli.conftest import Assay, files_in

PEOPLE = [
    f"{first}{last}" for first in ("An", "Bel", "Cor", "Dun") for last in ("ora", "ton", "wick", "dal", "ley")
]
TOWNS = ("Oslo", "Rome", "Bern")


def columns(path: Path, person: str, town: str, *, seed: int) -> Path:
    """Write a corpus of journeys with every person three times, in columns; an empty label leaves a mention bare."""
    rng = random.Random(seed)

    def tag(label: str) -> str:
        return f"B-{label}" if label else "O"

    blocks = [
        f"{name}\t{tag(person)}\nleft\tO\n{rng.choice(TOWNS)}\t{tag(town)}\non\tO\nday\tO\n{n}{seed}\tO\n"
        for n, name in enumerate(PEOPLE * 3)
    ]
    path.mkdir(parents=True)
    (path / "train.conll").write_text("\n".join(blocks[:40]) + "\n", encoding="utf-8")
    (path / "test.conll").write_text("\n".join(blocks[40:]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def corpora(tmp_path: Path) -> tuple[Path, Path]:
    """Two corpora: the other calls a person a human, and leaves towns out of its gold."""
    return (
        columns(tmp_path / "one", "PER", "LOC", seed=1),
        columns(tmp_path / "two", "human", "", seed=2),
    )


def test_matrices_in_every_format(assay: Assay, corpora: tuple[Path, Path]) -> None:
    words = ("ner", "crossval", *corpora, "--pair", "one/PER=two/human")
    done = assay(*words)
    assert done.code == 0
    assert done.out.splitlines()[0].startswith(
        "rows: trained on; columns: tested on; F1 / over the own model's"
    )
    table = [line.split("  ") for line in done.out.splitlines() if line.startswith("one/PER")]
    assert [cell.strip() for cell in table[0] if cell] == ["one/PER", *["1.00 / 1.00 / 1.00"] * 2]
    whole = json.loads(assay(*words, "--format", "json").out)
    assert whole["tagger"]["tagger"] == "crf"
    assert whole["corpora"] == {"one": {"train": 40, "test": 20}, "two": {"train": 40, "test": 20}}
    assert {(cell["train"], cell["test"]) for cell in whole["cells"]} == {
        (a, b) for a in ("one/PER", "two/human") for b in ("one/PER", "two/human")
    }
    assert [(m["measure"], m["labels"]) for m in whole["matrices"]] == [
        (measure, ["one/PER", "two/human"]) for measure in ("f1", "transfer", "seen_f1")
    ]
    rows = list(csv.DictReader(io.StringIO(assay(*words, "--format", "csv").out)))
    assert [float(row["f1"]) for row in rows] == [cell["f1"] for cell in whole["cells"]]
    assert "| two/human | 1.00 / 1.00 / 1.00 |" in assay(*words, "--format", "md").out


def test_it_writes_a_folder_that_is_repeated(assay: Assay, corpora: tuple[Path, Path]) -> None:
    words = (
        "ner",
        "crossval",
        *corpora,
        "--rename",
        "human=PER",
        "--rename",
        "LOC=",
        "--train",
        "30",
        "-o",
        "out",
    )
    assert assay(*words).code == 0
    assert files_in(Path("out")) == {"crossval.json", "crossval.html", "manifest.json"}
    whole = json.loads(Path("out/crossval.json").read_text())
    assert {cell["train"] for cell in whole["cells"]} == {"one/PER", "two/PER"}
    assert whole["settings"]["names"] == {"human": "PER", "LOC": ""}
    assert assay("run", "out/manifest.json", "-o", "again").code == 0
    for name in ("crossval.json", "crossval.html"):
        assert (Path("again") / name).read_bytes() == (Path("out") / name).read_bytes()
    done = assay(*words)
    assert (done.code, "Use --resume to go on" in done.err) == (2, True)


def test_an_interrupted_run_goes_on(
    assay: Assay, corpora: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.ner.taggers.crf import CRF

    words = ("ner", "crossval", *corpora, "--pair", "one/PER=two/human", "-o", "out")
    fit, trained = CRF.fit, []

    def interrupted(self: CRF, documents: object) -> None:
        trained.append(self)
        if len(trained) == 2:
            raise KeyboardInterrupt
        fit(self, documents)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(CRF, "fit", interrupted)
        done = assay(*words)
    assert done.code == 130
    assert "Go on with --resume." in done.err
    assert len(list(Path("out/.unfinished-crossval").iterdir())) == 1
    monkeypatch.setattr(CRF, "fit", lambda self, documents: trained.append(self) or fit(self, documents))
    assert assay(*words, "--resume").code == 0
    assert len(trained) == 3
    assert not Path("out/.unfinished-crossval").exists()
    assert len(json.loads(Path("out/crossval.json").read_text())["cells"]) == 4


def test_figures_join_the_cards(assay: Assay, corpora: tuple[Path, Path], tmp_path: Path) -> None:
    """Labels of equal names are compared too, though towns are too few for a card."""
    other = columns(tmp_path / "three", "human", "loc", seed=3)
    assert assay("ner", "screen", corpora[0], other, "-o", "cards").code == 0
    before = read_cards("cards")
    done = assay("ner", "crossval", "--cards", "cards", "--format", "json")
    assert done.code == 0
    assert files_in(Path("cards")) == {
        "cards.json", "cards.tsv", "crossval.html", "crossval.json", "index.html", "manifest.json"
    }  # fmt: skip
    after = read_cards("cards")
    [card] = [card for card in after.cards if set(card.labels) == {"one/PER", "three/human"}]
    assert card.crossval is not None
    assert card.crossval["one/PER → three/human"]["f1"] == 1.0
    assert card.crossval["three/human → one/PER"]["transfer"] == 1.0
    assert [c.model_copy(update={"crossval": None}) for c in after.cards] == list(before.cards)
    compared = {cell["train"] for cell in json.loads(done.out)["cells"]}
    assert compared == {"one/PER", "three/human", "one/LOC", "three/loc"}
    assert "one/PER → three/human" in Path("cards/index.html").read_text(encoding="utf-8")
    assert json.loads(Path("cards/crossval.json").read_text()) == json.loads(done.out)


def test_ready_predictions_answer_for_a_model(
    assay: Assay, corpora: tuple[Path, Path], tmp_path: Path
) -> None:
    """A model of `one` that finds everything, and one of `two` that finds nothing."""
    everything = tmp_path / "everything.jsonl"
    nothing = tmp_path / "nothing.jsonl"
    rows = []
    for corpus in corpora:
        for file in sorted(corpus.iterdir()):
            for block in file.read_text().strip().split("\n\n"):
                rows.append([line.split("\t")[0] for line in block.split("\n")])
    everything.write_text(
        "".join(json.dumps({"tokenized_text": tokens, "ner": [[0, 0, "PER"]]}) + "\n" for tokens in rows)
    )
    nothing.write_text("".join(json.dumps({"tokenized_text": tokens, "ner": []}) + "\n" for tokens in rows))
    given = (
        "--tagger",
        "predictions",
        "--predictions",
        f"one={everything}",
        "--predictions",
        f"two={nothing}",
    )
    done = assay("ner", "crossval", *corpora, "--pair", "one/PER=two/human", *given, "--format", "json")
    assert done.code == 0, done.err
    cells = {(c["train"], c["test"]): c for c in json.loads(done.out)["cells"]}
    assert cells["one/PER", "two/human"]["f1"] == 1.0
    assert cells["one/PER", "two/human"]["transfer"] is None
    assert cells["two/human", "one/PER"]["missed"] == 1.0
    nothing.write_text(nothing.read_text().split("\n")[0] + "\n")
    done = assay("ner", "crossval", *corpora, "--pair", "one/PER=two/human", *given)
    assert done.code == 2
    assert "predictions must hold every document that is tested" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "corpora must be two or more; got none. Name them, or give --cards."),
        (("one", "two"), "corpora must share names of labels; got none in one, two."),
        (("one", "two", "--pair", "one/PER"), "pair must be of the form A=B; got 'one/PER'."),
        (("one", "two", "--pair", "one/PER=two/x"), "unknown label 'two/x'."),
        (("one", "two", "--tagger", "crv"), "unknown tagger 'crv'. Did you mean 'crf'?"),
        (
            ("one", "two", "--predictions", "a=b"),
            "--predictions must be given with --tagger predictions; got --tagger crf.",
        ),
        (
            ("one", "two", "--tagger", "predictions", "--predictions", "one=x"),
            "--predictions must be given once for each of one, two; got one.",
        ),
        (("one", "two", "--cards", "nowhere"), "cards.json must be an existing file; there is none."),
        (
            ("one", "two", "--cards", "c", "--rename", "a=b"),
            "--cards must be given without --pair and --rename",
        ),
        (("one", "two", "--split", "half"), "--split must be one of own, seeded; got 'half'."),
        (("one", "two", "-o", "one"), "must be apart from the data"),
    ],
)
def test_refusals(assay: Assay, corpora: tuple[Path, Path], words: tuple[str, ...], message: str) -> None:
    done = assay("ner", "crossval", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()[-1].split("error: ")) == 2
