"""`assay weights diff`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from assay.weights import diff, open_pair
from tests.cli.conftest import Assay, files_in
from tests.weights.made import llama_arrays, write_floats, write_model


@pytest.fixture
def models(tmp_path: Path) -> None:
    """A model, one of small changes, and an adapter of one matrix."""
    random = np.random.default_rng(3)
    p = llama_arrays()
    s = {name: p[name] + np.float32(1e-3) * random.standard_normal(p[name].shape).astype("f4") for name in p}
    s["model.layers.0.mlp.up_proj.weight"] = p["model.layers.0.mlp.up_proj.weight"]
    s["model.embed_tokens.weight"] = np.concatenate([s["model.embed_tokens.weight"], np.ones((1, 4), "f4")])
    write_model(tmp_path / "p", p)
    write_model(tmp_path / "s", s)
    name = "base_model.model.model.layers.1.self_attn.v_proj.lora_"
    write_floats(
        tmp_path / "lora" / "adapter_model.safetensors",
        {f"{name}A.weight": np.ones((1, 4), "f4"), f"{name}B.weight": np.ones((4, 1), "f4")},
    )
    (tmp_path / "lora" / "adapter_config.json").write_text(
        '{"r": 1, "lora_alpha": 0.01, "base_model_name_or_path": "someone/base"}'
    )


@pytest.mark.usefixtures("models")
def test_what_is_written_is_what_was_found_and_replays(assay: Assay, tmp_path: Path) -> None:
    done = assay(
        "weights", "diff", "p", "s", "--percent", "5,20", "--draws", 2, "-o", "out", "--format", "json"
    )
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result == json.loads((tmp_path / "out" / "diff.json").read_bytes())
    found = diff(open_pair(tmp_path / "p", tmp_path / "s"), [5, 20], draws=2)
    assert result["shares"] == found.share_rows()
    assert result["by"]["layer"] == found.rows("layer")
    assert result["enrichment"]["cell"] == found.enrichment_rows("cell")
    assert (result["counts"]["weights"], result["counts"]["tensors"]) == (248, 14)
    assert files_in(tmp_path / "out") == {"diff.json", "tables", "report.html", "manifest.json"}
    with open(tmp_path / "out" / "tables" / "modules.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [row["module"] for row in rows] == [row["module"] for row in result["by"]["module"]]
    assert float(rows[0]["share_squared"]) == result["by"]["module"][0]["share_squared"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert {(entry["role"], Path(entry["path"]).name) for entry in manifest["inputs"]} == {
        (role, name) for role in ("original", "tuned") for name in ("config.json", "model.safetensors")
    }
    assert manifest["parameters"]["percent"] == "5,20"
    again = assay("run", "out/manifest.json", "-o", "other")
    assert (again.code, again.out) == (0, done.out)
    for name in (
        "diff.json",
        "report.html",
        *(f"tables/{one}" for one in files_in(tmp_path / "out" / "tables")),
    ):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    both = [json.loads((tmp_path / name / "manifest.json").read_bytes()) for name in ("out", "other")]
    assert both[0].pop("run").keys() == both[1].pop("run").keys()
    assert both[0] == both[1]


@pytest.mark.usefixtures("models")
def test_no_share_of_sum_r_is_said_without_chance(assay: Assay) -> None:
    for more, chance in (((), "shuffled"), (("--draws", 1), "shuffled"), (("--draws", 0), "gaussian")):
        done = assay("weights", "diff", "p", "s", "--percent", 20, *more)
        assert done.code == 0, done.err
        [said] = [line for line in done.err.splitlines() if "sum r" in line]
        assert said.startswith("20 % of parameters: ")
        assert f"; by chance ({chance}) " in said
        assert ("(sd " in said) is (not more)
        assert chance in done.out.splitlines()[0].split()
    assert "8.06 % of 248 weights are unchanged" in done.err
    assert "llama: 14 tensors of scope transformer; 7 are outside" in done.err
    assert "model.embed_tokens.weight: 6 rows in the original, 7 in the tuned one" in done.err
    done = assay("weights", "diff", "p", "p")
    assert (done.code, "no weight in scope differs" in done.err) == (0, True)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("by", ["tensor", "layer", "module", "region"])
def test_rows_by_group(assay: Assay, by: str) -> None:
    done = assay(
        "weights",
        "diff",
        "p",
        "lora",
        "--by",
        by,
        "--percent",
        "1,6,50",
        "--format",
        "csv",
        "--quiet",
        "--draws",
        0,
    )
    assert (done.code, done.err) == (0, "")
    rows = list(csv.DictReader(done.out.splitlines()))
    moved = [row for row in rows if float(row["unchanged"]) < 100]
    names = {
        "tensor": "model.layers.1.self_attn.v_proj.weight", "layer": "1", "module": "self_attn.v_proj",
        "region": "attention",
    }  # fmt: skip
    assert [row[by] for row in moved] == [names[by]]
    assert (moved[0]["share_squared"], moved[0]["drawn_6"]) == ("100.0", "")
    shares = {"tensor": 16, "layer": 124, "module": 32, "region": 128}
    assert float(moved[0]["enrichment_6"]) == pytest.approx(248 / shares[by])  # 14 of the 16 that moved
    table = assay("weights", "diff", "p", "lora", "--by", by, "--draws", 0)
    assert table.out.split()[:3] == [by, "weights", "unchanged"]
    assert "the adapter says that its base is someone/base" in table.err.splitlines()


@pytest.mark.usefixtures("models")
def test_scope_layers_and_pattern(assay: Assay) -> None:
    done = assay(
        "weights", "diff", "p", "s", "--scope", "mlp", "--layers", "1", "--pattern", "up|down", "--by", "tensor",
        "--format", "csv", "--draws", 0,
    )  # fmt: skip
    assert [row["tensor"] for row in csv.DictReader(done.out.splitlines())] == [
        "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    ]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--percent", "1,x"), "--percent must be numbers with commas between, such as 1,5,20; got '1,x'."),
        (("--percent", "5,1"), "percents must be 1 to 254 numbers that rise; got [5.0, 1.0]. Sort them."),
        (("--layers", "first"), "--layers must be a first and a last one, such as 0-11; got 'first'."),
        (("--layers", "1-2"), "--layers must be a first and a last one from 0 to 1; got 1 and 2."),
        (("--draws", "-1"), "--draws must be >= 0; got -1."),
        (("--by", "head"), "--by must be one of percent, tensor, layer, module, region; got 'head'."),
        (
            ("-o", "p/out"),
            "--output must be apart from the data; p/out is where p is read from. Name another place.",
        ),
    ],
)
def test_what_is_refused(assay: Assay, tmp_path: Path, given: tuple[str, ...], said: str) -> None:
    done = assay("weights", "diff", "p", "s", *given)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"error: {said[:-1]}"), done.err
    assert not (tmp_path / "p" / "out").exists()


@pytest.mark.usefixtures("models")
def test_a_broken_model_leaves_no_folder(assay: Assay, tmp_path: Path) -> None:
    broken = llama_arrays()
    broken["model.layers.1.mlp.up_proj.weight"] = broken["model.layers.1.mlp.up_proj.weight"] * np.float32(
        np.nan
    )
    write_model(tmp_path / "nan", broken)
    done = assay("weights", "diff", "p", "nan", "-o", "out")
    assert done.code == 2
    assert "model.layers.1.mlp.up_proj.weight has nan at place 0" in done.err
    assert files_in(tmp_path / "out") == set()
    assert assay("weights", "diff", "p", "missing").code == 2


@pytest.mark.usefixtures("models")
def test_a_page_of_equal_models_and_of_names_that_no_table_has(assay: Assay, tmp_path: Path) -> None:
    done = assay("weights", "diff", "p", "p", "--draws", 0, "--scope", "all", "-o", "same")
    assert done.code == 0, done.err
    hostile = "a<b>.0.</script>"
    for name, value in (("a", 1), ("b", 2)):
        write_floats(
            tmp_path / f"{name}.safetensors", {hostile: np.full((2, 2), value, "f4"), "w": np.ones(3, "f4")}
        )
    done = assay("weights", "diff", "a.safetensors", "b.safetensors", "--scope", "all", "-o", "other")
    assert done.code == 0, done.err
    page = (tmp_path / "other" / "report.html").read_text(encoding="utf-8")
    assert hostile not in page
    assert "a&lt;b&gt;" in page
    assert "unknown architecture: 2 tensors of scope all; 0 are outside" in done.err
