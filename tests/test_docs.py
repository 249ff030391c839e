"""Every command and every Python block of the README and the guides runs, on data made here.

Budgets of 5,000 are a tenth of that here: choosing nearly all of a pool takes long, and shows no more.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assay.cli import main
from tests.training.conftest import make_llama, save_llama
from tests.weights.made import nudge

ROOT = Path(__file__).parents[1]
FIGURE = "examples/novelsum_figure.csv"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def steps(page: Path) -> list[tuple[str, str, str]]:
    """Return the blocks of a page in order: language, file to write (```yaml FILE) or "", text."""
    return re.findall(
        r"^```(\S+)(?: (\S+))?\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def records(count: int, first: int = 0) -> list[dict]:
    """Short instructions, all different."""
    verbs = (
        "Name Draw Sell Find Count Paint Praise Hide Wash Move Sort Carry Describe Mend Weigh Order Shelve"
    )
    kinds = (
        "red old small heavy quiet broken cheap wooden round empty rare sweet wet loud flat strange new late"
    )
    things = "boats maps lamps birds shoes clocks cakes doors rivers coats stones bells ropes chairs songs kites tents"
    words = itertools.islice(
        itertools.product(verbs.split(), kinds.split(), things.split()), first, first + count
    )
    return [
        {
            "id": f"r{first + row}",
            "instruction": f"{verb} {kind} {thing}.",
            "input": "",
            "output": f"{kind} {thing}",
            "score": 1 + row % 5,
            "source": f"s{row % 3}",
        }
        for row, (verb, kind, thing) in enumerate(words)
    ]


def results():
    """Measures and scores of twelve sets."""
    lines = ["set,strategy,novelsum,vendi_score,mt_bench,alpaca_eval,loss"]
    for row in range(12):
        strategy = ("duplicate", "random", "kmeans", "novelselect")[row % 4]
        up = row % 4 + row % 3 / 4
        lines.append(
            f"{strategy} {row},{strategy},{up / 5},{30 + up * row},{5 + up},{70 + 2 * up - row % 2},{2 - up}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    for name, rows in {
        "data.json": records(600),
        "pool.jsonl": records(400),
        "kept.jsonl": records(40, 1000),
        "a.json": records(50),
        "b.jsonl": records(50, 2000),
        "new.jsonl": records(20, 980),
        "test.jsonl": records(30, 90),
    }.items():
        lines = (
            json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
        )
        Path(name).write_text(lines, encoding="utf-8")
    shutil.copytree(ROOT / "examples", "examples", ignore=shutil.ignore_patterns("__pycache__"))
    Path("results.csv").write_text(results(), encoding="utf-8")
    return tmp_path


@pytest.fixture
def small_model(folder, request, monkeypatch):
    """A language model beside them, for the pages that need one, and a tuned one; or a world of fewer facts."""
    page = request.getfixturevalue("page").name
    if page in ("train.md", "weights.md"):
        save_llama(folder / "my-model")
    if page == "weights.md":
        nudge(make_llama()).save_pretrained(folder / "tuned")
        facts = [
            {
                "subject": f"w{n}",
                "relation": f"P{n % 2}",
                "prompt": f"w{n} w{n + 1}",
                "answers": [f"w{n % 9}"],
            }
            for n in range(24)
        ]
        (folder / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in facts))
    if page == "knowledge.md":
        from assay.knowledge.world import WORLDS

        small = replace(
            WORLDS["ci"], relations=2, ood_relations=1, facts=72, name_words=10, objects=6, ood_objects=5, templates=2,
            exposures=(0, 6, 200), layers=1, width=32, mlp_width=48, heads=2, row_tokens=24, batch_rows=8,
            learning_rate=1e-2, passes=4,
        )  # fmt: skip
        monkeypatch.setitem(WORLDS, "ci", small)


def smaller(text: str) -> str:
    """Return a command or recipe with a tenth of its budget, or a fourth of its few facts."""
    return re.sub(r"(--sizes? )16\b", r"\g<1>4", re.sub(r"(budget:? )5000\b", r"\g<1>500", text))


def run(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command of a page; only one that checks may find something."""
    assert Path(command[0]).name == "assay"
    monkeypatch.setattr("sys.argv", ["assay", *command[1:]])
    printed = io.StringIO()
    code = 0
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert code in ((0, 1) if "check" in command[1:3] else (0,)), f"{command}: {printed.getvalue()}"


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_run(page, folder, small_model, monkeypatch):
    for number, recipe in enumerate(blocks(page, "yaml")):
        (folder / ("recipe.yaml" if number == 0 else f"recipe{number}.yaml")).write_text(
            smaller(recipe), encoding="utf-8"
        )
    ran = 0
    for language, file, text in steps(page):
        if file:
            Path(file).write_text(text, encoding="utf-8")
        lines = [line for line in text.splitlines() if "assay " in line] if language == "sh" else []
        for line in lines:
            if not line.startswith(("#", "make")):
                run(shlex.split(smaller(line), comments=True), monkeypatch)
                ran += 1
    assert ran
    chosen = (
        json.loads((folder / "out" / "selected.json").read_text(encoding="utf-8"))
        if (folder / "out").exists()
        else []
    )
    rows = {row["id"]: row for row in records(600)}
    assert all(rows[row["id"]] == row for row in chosen)


def test_python_runs():
    for page in PAGES:
        for block in blocks(page, "python"):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(block, {})
            assert "False" not in printed.getvalue()


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_guide_prints_what_the_command_prints(folder, monkeypatch):
    monkeypatch.setattr(
        "sys.argv",
        f"assay correlate {FIGURE} --performance performance --format csv --quiet".split(),
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        main()
    guide = (ROOT / "docs" / "guide" / "compare.md").read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO(printed.getvalue())):
        cells = [
            f"{float(row[name]):.3f} [{float(row[f'{name}_low']):.3f}, {float(row[f'{name}_high']):.3f}]"
            for name in ("pearson", "spearman", "mean")
        ]
        assert f"| {row['sets']} | {row['n']} | {' | '.join(cells)} |" in guide


def test_the_guide_shows_the_cards_that_are_printed(folder, monkeypatch):
    mini = ["mini/dispatch", "mini/civics", "mini/chatter", "mini/ribao", "mini/wenku"]
    run(["assay", "ner", "example", "-o", "mini"], monkeypatch)
    monkeypatch.setattr("sys.argv", ["assay", "ner", "screen", *mini, "--format", "md", "--quiet"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        main()
    rows = {tuple(line.split(" | ")[1:5]) for line in printed.getvalue().splitlines()}
    guide = (ROOT / "docs" / "guide" / "ner.md").read_text(encoding="utf-8")
    table = guide.split("| kind | labels | forward | back |\n|---|---|---|---|\n")[1].split("\n\n")[0]
    shown = [tuple(line.strip("| ").split(" | ")) for line in table.splitlines()]
    assert len(shown) == 7
    assert f"These are 7 of the {len(rows) - 2} cards" in guide
    assert set(shown) <= rows
