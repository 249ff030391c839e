"""`assay ner export`: what it writes, the same again from its manifest, pushed, and refused."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Assay, read_lines
from tests.data.test_hub import Hub, server

__all__ = ["server"]  # a fixture

ALL = "b2ner,messages,prompt,gliner,hub"


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_a_folder_a_target_and_repeats_it(assay: Assay, tmp_path: Path) -> None:
    assert assay("ner", "example", "-o", "mini").code == 0
    typed = ("ner", "export", "mini/chatter", "mini/wenku", "--to", ALL, "--examples", 1, "--seed", 5)
    done = assay(*typed, "-o", "out", "--format", "json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["counts"]["corpora"] == 2
    assert said["counts"]["documents"] == said["counts"]["exemplars"]
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["outputs"].keys() == files_below(Path("out")) - {"manifest.json"} == set(said["files"])
    assert manifest["counts"] == said["counts"]
    assert {name.split("/")[0] for name in said["files"]} == set(ALL.split(","))
    assert assay("run", "out/manifest.json", "-o", "out2").code == 0
    again = json.loads(Path("out2/manifest.json").read_text())
    assert again["outputs"] == manifest["outputs"]
    # what an earlier run wrote and this one does not is gone
    assert (
        assay("ner", "export", "mini/chatter", "-o", "out2", "--overwrite", "--mode", "inference").code == 0
    )
    assert files_below(Path("out2")) == {
        "manifest.json", "prompt/train.jsonl", "prompt/test.jsonl", "prompt/chat_template.jinja",
    }  # fmt: skip
    assert len({tuple(row["labels"]) for row in read_lines(Path("out2/prompt/train.jsonl"))}) == 1


def test_descriptions_and_long_ones(assay: Assay, tmp_path: Path) -> None:
    Path("c.jsonl").write_text(
        '{"sentence": "Ada", "entities": [{"name": "Ada", "type": "person", "pos": [0, 3]}]}\n'
        f'{{"sentence": "{"a b " * 300}", "entities": []}}\n',
        encoding="utf-8",
    )
    Path("d.yaml").write_text("person: somebody\n", encoding="utf-8")
    typed = ("ner", "export", "c.jsonl", "-o", "o/out", "--descriptions", "d.yaml", "--max-chars", 800)
    done = assay(*typed)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: c/c:2: prompt must have at most 800 characters;")
    assert files_below(Path("o/out")) == set()
    done = assay(*typed, "--on-long", "skip")
    assert done.code == 0, done.err
    assert "no split is called train" in done.err
    [row] = read_lines(Path("o/out/prompt/c.jsonl"))
    assert 'Label Description: person means "somebody" \n' in row["prompt"]
    assert "skipped c/c:2: " in done.err
    manifest = json.loads(Path("o/out/manifest.json").read_text())
    assert manifest["results"]["skipped"][0][0] == "c/c:2"
    assert [entry["role"] for entry in manifest["inputs"]] == ["corpus", "descriptions"]
    Path("d.yaml").write_text("person: 1\n", encoding="utf-8")
    assert "d.yaml must be a mapping of labels to texts" in assay(*typed, "--overwrite").err


def test_the_hub_data_set_is_pushed(server: Hub, assay: Assay, tmp_path: Path) -> None:
    assert assay("ner", "example", "-o", "mini").code == 0
    done = assay("ner", "export", "mini/wenku", "-o", "out", "--to", "hub,prompt", "--push", "org/wenku")
    assert done.code == 0, done.err
    made = server.repositories["org/wenku"].files
    assert "# wenku\n" in made["README.md"].decode()
    for name in ("data/train.parquet", "data/test.parquet"):
        assert made[name] == Path("out/hub", name).read_bytes()
    assert f"pushed to {server.url}/datasets/org/wenku/commit/" in done.err
    done = assay("ner", "export", "mini/wenku", "-o", "out3", "--push", "org/wenku")
    assert done.err == "error: --to must hold hub for a push; got prompt. Add it: --to prompt,hub\n"
    assert not Path("out3").exists()


def test_refusals(assay: Assay, tmp_path: Path) -> None:
    assert assay("ner", "example", "-o", "mini").code == 0
    assert assay("ner", "export", "mini/wenku", "-o", "out", "--mode", "train").err == (
        "error: --mode must be one of auto, training, inference; got 'train'. Did you mean 'training'?\n"
    )
    assert "unknown target 'gilner'. Did you mean 'gliner'?" in assay(
        "ner", "export", "mini/wenku", "-o", "out", "--to", "gilner"
    ).err  # fmt: skip
    done = assay("ner", "export", "mini/wenku", "-o", "mini/wenku/out")
    assert "--output must be apart from the data" in done.err
