"""`assay run`: manifests replayed, recipes run by the same road."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Assay, files_in, rows, write_json, write_lines, write_vectors


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_bytes())


def same_but_for_the_run(one: Path, other: Path) -> bool:
    """Compare two output folders: every file byte for byte, the manifests without their run."""
    assert files_in(one) == files_in(other)
    for name in files_in(one) - {"manifest.json"}:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    first, second = manifest_of(one), manifest_of(other)
    assert first.pop("run").keys() == second.pop("run").keys()
    return first == second


def test_a_selection_is_replayed_to_the_byte(assay: Assay, tmp_path: Path) -> None:
    records = rows(40)
    write_lines(tmp_path / "pool.jsonl", [*records, records[0]])
    write_json(tmp_path / "kept.json", rows(5, first=100))
    done = assay(
        "select", "pool.jsonl", "--from", "alpaca", "--budget", "25%", "--initial", "kept.json", "--quality", "score",
        "--group-by", "source", "--max-per-group", 4, "--seed", 5, "--encoder", "tfidf", "--to", "messages",
        "--trainer", "trl", "-o", "out", "--cache", "shared", "--format", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    again = assay("run", "out/manifest.json", "-o", "other")
    assert (again.code, again.out) == (0, done.out)
    assert same_but_for_the_run(tmp_path / "out", tmp_path / "other")
    assert files_in(tmp_path / "other") == {
        "manifest.json",
        "selected.jsonl",
        "selection.csv",
        "train_trl.py",
    }


def test_what_a_manifest_says(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", rows(20))
    write_vectors(tmp_path / "v.npy", 20)
    assert assay("select", "pool.jsonl", "--budget", 4, "--vectors", "v.npy", "-o", "out").code == 0
    found = manifest_of(tmp_path / "out")
    assert list(found) == [
        "assay", "command", "parameters", "inputs", "encoder", "versions", "counts", "results", "warnings", "outputs",
        "run",
    ]  # fmt: skip
    assert found["command"] == "select"
    assert {"source": "pool.jsonl", "budget": "4", "vectors": "v.npy", "from": None}.items() <= found[
        "parameters"
    ].items()
    assert not {"output", "overwrite", "resume", "quiet", "cache", "push"} & set(found["parameters"])
    from assay._files import file_hash

    assert found["inputs"] == [
        {"role": "pool", "path": "pool.jsonl", "sha256": file_hash(tmp_path / "pool.jsonl"), "rows": 20},
        {"role": "pool vectors", "path": "v.npy", "sha256": file_hash(tmp_path / "v.npy")},
    ]
    assert found["outputs"] == {
        name: file_hash(tmp_path / "out" / name) for name in ("selected.jsonl", "selection.csv")
    }
    assert found["counts"] == {"pool": 20, "selected": 4, "initial": 0, "skipped": 0}
    assert found["results"]["selection"]["seed"] == 42
    assert found["versions"].keys() >= {"python", "numpy", "numba", "faiss-cpu"}
    assert found["run"]["seconds"].keys() >= {"read", "density", "novelselect", "measure"}
    assert found["run"]["peak_memory_bytes"] > 10_000_000


@pytest.mark.parametrize("per_row", [[], ["--per-row"]])
def test_a_measurement_is_replayed(assay: Assay, tmp_path: Path, per_row: list[str]) -> None:
    write_lines(tmp_path / "a.jsonl", rows(20))
    write_lines(tmp_path / "b.jsonl", rows(20, first=50))
    first = assay(
        "measure", "a.jsonl", "b.jsonl", "--encoder", "tfidf", "--reference", "b.jsonl", "-o", "out", *per_row
    )
    assert first.code == 0, first.err
    again = assay("run", "out/manifest.json", "-o", "other")
    assert again.out == first.out
    assert same_but_for_the_run(tmp_path / "out", tmp_path / "other")
    assert assay("run", "out/manifest.json").out == first.out  # a measurement needs no folder


def test_an_embedding_is_replayed(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(20))
    assert assay("embed", "a.jsonl", "--encoder", "tfidf", "-o", "out").code == 0
    assert assay("run", "out/manifest.json", "-o", "other").code == 0
    assert same_but_for_the_run(tmp_path / "out", tmp_path / "other")


def test_a_changed_or_missing_input_is_refused(assay: Assay, tmp_path: Path) -> None:
    pool = write_lines(tmp_path / "pool.jsonl", rows(20))
    write_vectors(tmp_path / "v.npy", 20)
    assert assay("select", "pool.jsonl", "--budget", 4, "--vectors", "v.npy", "-o", "out").code == 0
    write_lines(pool, rows(20, first=1))
    done = assay("run", "out/manifest.json", "-o", "other")
    assert (done.code, done.err) == (
        2,
        "error: out/manifest.json: input pool.jsonl has changed since. Run the command anew to use it as it is.\n",
    )
    pool.unlink()
    done = assay("run", "out/manifest.json", "-o", "other")
    assert done.err == (
        "error: out/manifest.json: input pool.jsonl is missing. Run from the folder that the run started in.\n"
    )
    assert not (tmp_path / "other").exists()


def test_other_versions_are_told(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 20)
    assert assay("select", "v.npy", "--budget", 4, "-o", "out").code == 0
    manifest = manifest_of(tmp_path / "out")
    manifest["versions"] |= {"numpy": "1.0"}
    write_json(tmp_path / "manifest.json", []).write_text(json.dumps(manifest), encoding="utf-8")
    done = assay("run", "manifest.json", "-o", "other")
    assert done.code == 0
    assert "other versions may give other numbers: numpy 1.0 then, " in done.err
    assert assay("run", "manifest.json", "-o", "third", "--quiet").err == ""


def test_a_recipe_goes_the_same_road(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", rows(30))
    (tmp_path / "recipe.yaml").write_text(
        "command: select\nsource: pool.jsonl\nfrom: alpaca\nbudget: 6\nencoder: tfidf\ngroup_by: source\n"
        "max_per_group: 3\nskip_duplicates: true\nstart: 2\ndensity_power: 1\noutput: by recipe\n",
        encoding="utf-8",
    )
    recipe = assay("run", "recipe.yaml")
    assert recipe.code == 0, recipe.err
    typed = assay(
        "select", "pool.jsonl", "--from", "alpaca", "--budget", 6, "--encoder", "tfidf", "--group-by", "source",
        "--max-per-group", 3, "--skip-duplicates", "--start", 2, "--density-power", 1, "-o", "typed",
    )  # fmt: skip
    assert recipe.out == typed.out
    assert same_but_for_the_run(tmp_path / "by recipe", tmp_path / "typed")
    done = assay("run", "recipe.yaml", "--quiet")
    assert done.err.startswith("error: --output must be a new or empty folder; by recipe holds files.")
    assert assay("run", "recipe.yaml", "--overwrite").code == 0
    assert assay("run", "recipe.yaml", "-o", "elsewhere").code == 0
    assert same_but_for_the_run(tmp_path / "elsewhere", tmp_path / "typed")


def test_recipes_of_the_other_commands(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    for command, more in {
        "measure": "sources: [a.jsonl]\nencoder: tfidf\nformat: csv\n",
        "embed": "source: a.jsonl\nencoder: tfidf\noutput: embedded\n",
        "convert": "source: a.jsonl\nto: messages\noutput: b.jsonl\n",
        "check": "source: a.jsonl\nnear: 1\n",
    }.items():
        (tmp_path / "recipe.yml").write_text(f"command: {command}\n{more}", encoding="utf-8")
        done = assay("run", "recipe.yml")
        assert done.code == 0, done.err
    assert (tmp_path / "embedded" / "embeddings.npy").exists()
    assert (tmp_path / "b.jsonl").exists()


BAD = [
    ("budgt: 3", "recipe.yaml: budgt is no option of select. Did you mean 'budget'?"),
    ("group-by: x", "recipe.yaml: group-by is no option of select. Did you mean 'group_by'?"),
    ("shape: alpaca", "recipe.yaml: shape is no option of select. There are: source, budget, output, "),
    (
        "neighbors: many",
        "recipe.yaml: neighbors must be a valid integer, unable to parse string as an integer; got 'many'.",
    ),
    (
        "neighbors: 2.5",
        "recipe.yaml: neighbors must be a valid integer, got a number with a fractional part; ",
    ),
    ("source: [a, b]", "recipe.yaml: source must be a valid string; got ['a', 'b']."),
    ("source: null", "recipe.yaml: source must be a valid string; got None."),
    ("neighbors: 0", "--neighbors must be >= 1; got 0."),
    ("max_per_group: {a: 1}", "recipe.yaml: max_per_group must be a valid integer; got {'a': 1}."),
    ("? [", "recipe.yaml must be YAML; "),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_wrong_recipe_names_the_field(assay: Assay, tmp_path: Path, line: str, message: str) -> None:
    key = line.partition(":")[0]
    lines = ["command: select", "source: v.npy", "budget: 3", "output: out"]
    text = "\n".join([*(old for old in lines if not old.startswith(f"{key}:")), line])
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    write_vectors(tmp_path / "v.npy", 20)
    done = assay("run", "recipe.yaml")
    assert done.code == 2
    assert done.err.startswith(f"error: {message}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("recipe.yaml", "source: v.npy", "recipe.yaml must be a mapping with a key 'command'."),
        ("recipe.yaml", "- command", "recipe.yaml must be a mapping with a key 'command'."),
        (
            "recipe.yaml",
            "command: selct",
            "recipe.yaml: command must be one of select, measure, compare, correlate, embed, train, convert, "
            "check, diversity, screen, crossval, apply, build, prune, export, predict, ner_train, study_knowledge, "
            "grade, divergence, world, evaluate, knowledge_export, weights_diff, weights_restore, weights_apply, "
            "weights_revert, weights_sweep; got 'selct'. "
            "Did you mean 'select'?",
        ),
        (
            "recipe.yaml",
            "command: select\nbudgt: 3",
            "recipe.yaml: budgt is no option of select. Did you mean 'budget'? 3 more are wrong too.",
        ),
        (
            "recipe.yaml",
            "command: select\nsource: v.npy\nbudget: 3",
            "recipe.yaml: output must be given. Add -o FOLDER.",
        ),
        ("recipe.toml", "", "recipe must end in .json, .yaml or .yml; got recipe.toml."),
        (
            "manifest.json",
            '{"command": "select"}',
            "manifest.json must be a manifest that assay wrote; it lacks parameters, inputs, versions.",
        ),
        (
            "manifest.json",
            "[]",
            "manifest.json must be a manifest that assay wrote; it lacks command, parameters, inputs, versions.",
        ),
        ("manifest.json", "{", "manifest.json:1: must be JSON; unexpected end of data."),
    ],
)
def test_what_is_no_recipe(assay: Assay, tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    done = assay("run", name)
    assert (done.code, done.err) == (2, f"error: {message}\n")


@pytest.mark.parametrize("name", ["none.json", "none.yaml"])
def test_no_recipe_at_all(assay: Assay, name: str) -> None:
    done = assay("run", name)
    assert (done.code, done.err) == (2, f"error: {name} must be an existing file; there is none.\n")
