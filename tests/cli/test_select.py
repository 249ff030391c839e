"""`assay select`: which rows, in what file, with what said about them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import signal
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data import read, text
from assay.diversity import novelsum
from assay.embed import embed, resolve
from assay.errors import AssayWarning
from assay.neighbors import local_density
from assay.select import SELECTORS, kcenter, nearest_earlier, novelselect, random, repr_filter
from tests.cli.conftest import (
    PROGRAM,
    Assay,
    files_in,
    read_lines,
    rows,
    tfidf,
    write_json,
    write_lines,
    write_vectors,
)


def choices(folder: Path) -> list[dict[str, str]]:
    with open(folder / "selection.csv", encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def chosen(folder: Path) -> list[int]:
    return [int(line["row"]) for line in choices(folder)]


def numbers(folder: Path, column: str) -> list[float]:
    return [float(line[column] or "nan") for line in choices(folder)]


# ------------------------------------------------------------------------------------- the examples of the issue


def test_the_plain_example_with_the_default_encoder(assay: Assay, tmp_path: Path) -> None:
    builtin = str(files("assay.data") / "builtin" / "instructions.jsonl")
    records = [sample.row for sample in read(builtin, limit=90)]
    write_json(tmp_path / "data.json", records)
    done = assay("select", "data.json", "--budget", "20", "-o", "out/", "--format", "json")
    assert done.code == 0

    texts = [text(sample) for sample in read(tmp_path / "data.json")]
    vectors, _ = embed(texts, resolve("sentence", workers=1), cache=tmp_path / "other")
    density = local_density(vectors, reference=vectors)
    expected = novelselect(vectors, budget=20, density=density)
    out = tmp_path / "out"
    assert chosen(out) == expected.indices.tolist()
    assert json.loads((out / "selected.json").read_bytes()) == [records[row] for row in expected.indices]
    assert [line["id"] for line in choices(out)] == [records[row]["id"] for row in expected.indices]
    assert [line["order"] for line in choices(out)] == [str(order) for order in range(20)]
    assert list(choices(out)[0]) == ["order", "row", "id", "gain", "density", "nearest_distance"]
    near = nearest_earlier(vectors, expected.indices)
    for column, values in (
        ("gain", expected.gains),
        ("density", density[expected.indices]),
        ("nearest_distance", near),
    ):
        np.testing.assert_allclose(numbers(out, column), values, rtol=1e-8)

    beside = random(vectors, budget=20)
    results = json.loads(done.out)["results"]["novelsum"]
    assert results == {
        "selected": novelsum(vectors[expected.indices], density=density[expected.indices]),
        "random": novelsum(vectors[beside.indices], density=density[beside.indices]),
    }
    assert files_in(out) == {"selected.json", "selection.csv", "manifest.json"}
    assert json.loads((out / "manifest.json").read_bytes()) == json.loads(done.out)


def test_the_long_example(assay: Assay, tmp_path: Path) -> None:
    pool, kept = rows(60), rows(15, first=200)
    pool = [*pool, *pool[:10], *kept[:5]]  # copies within the pool, and of what is kept
    write_lines(tmp_path / "pool.jsonl", pool)
    write_lines(tmp_path / "kept.jsonl", kept)
    done = assay(
        "select", "pool.jsonl", "--budget", "10%", "--initial", "kept.jsonl", "--quality", "score",
        "--group-by", "source", "--max-per-group", 3, "--skip-duplicates", "-o", "out/", "--encoder", "tfidf",
        "--format", "json", "--compare", "kcenter,random",
    )  # fmt: skip
    assert done.code == 0, done.err
    both = np.concatenate(tfidf(pool, kept))
    density = local_density(both, reference=both[:75])
    inside = np.arange(75, 90)
    expected = novelselect(
        both,
        budget=7,
        density=density,
        initial_selected=inside,
        quality=[*(row["score"] for row in pool), *[1.0] * 15],
        groups=[*(row["source"] for row in pool), *["kept"] * 15],
        max_per_group=3,
        skip_duplicates=True,
    )
    out = tmp_path / "out"
    assert chosen(out) == expected.indices.tolist()
    assert read_lines(out / "selected.jsonl") == [pool[row] for row in expected.indices]
    np.testing.assert_allclose(numbers(out, "gain"), expected.gains, rtol=1e-8)
    np.testing.assert_allclose(
        numbers(out, "nearest_distance"), nearest_earlier(both, expected.indices, inside.tolist()), rtol=1e-8
    )
    sources = [pool[row]["source"] for row in chosen(out)]
    assert max(map(sources.count, sources)) <= 3
    whole = [*expected.indices, *inside]
    cover = [*kcenter(both, budget=7, initial_selected=inside).indices, *inside]
    results = json.loads(done.out)["results"]["novelsum"]
    assert results["selected"] == novelsum(both[whole], density=density[whole])
    assert results["kcenter"] == novelsum(both[cover], density=density[cover])
    assert json.loads(done.out)["counts"]["initial"] == 15


# ------------------------------------------------------------------------------------------------- the files


def as_csv(records: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\r\n", delimiter=";")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def as_parquet(records: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), stream)
    return stream.getvalue()


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in records).encode()


def flat(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: str(value) for key, value in row.items() if key != "meta"} for row in records]


CONTAINERS = {
    "array.json": (lambda r: json.dumps(r).encode(), rows, "selected.json", json.loads),
    "data.jsonl": (lines, rows, "selected.jsonl", lambda b: list(map(json.loads, b.splitlines()))),
    "lines.json": (lines, rows, "selected.json", lambda b: list(map(json.loads, b.splitlines()))),
    "data.jsonl.gz": (
        lambda r: gzip.compress(lines(r)),
        rows,
        "selected.jsonl.gz",
        lambda b: list(map(json.loads, gzip.decompress(b).splitlines())),
    ),
    "data.parquet": (
        as_parquet,
        lambda n: [row | {"meta": {"n": row["score"], "tags": ["é", None]}} for row in rows(n)],
        "selected.parquet",
        lambda b: pq.read_table(io.BytesIO(b)).to_pylist(),
    ),
    "data.csv": (
        as_csv,
        lambda n: flat(rows(n)),
        "selected.csv",
        lambda b: list(csv.DictReader(io.StringIO(b.decode(), newline=""), delimiter=";")),
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_rows_come_out_in_the_container_they_came_in(assay: Assay, tmp_path: Path, name: str) -> None:
    pack, make, selected, unpack = CONTAINERS[name]
    records = make(24)
    (tmp_path / name).write_bytes(pack(records))
    write_vectors(tmp_path / "v.npy", 24)
    done = assay("select", name, "--budget", 9, "--vectors", "v.npy", "-o", "out")
    assert done.code == 0, done.err
    found = unpack((tmp_path / "out" / selected).read_bytes())
    assert found == [records[row] for row in chosen(tmp_path / "out")]
    assert len(found) == 9
    assert ("JSON Lines under a .json name" in done.err) == (name == "lines.json")
    assert done.err.count("JSON Lines under") <= 1


def test_to_and_trainer(assay: Assay, tmp_path: Path) -> None:
    records = rows(20)
    write_lines(tmp_path / "data.jsonl", records)
    write_vectors(tmp_path / "v.npy", 20)
    done = assay(
        "select", "data.jsonl", "--budget", 4, "--vectors", "v.npy", "-o", "out", "--to", "messages",
        "--trainer", "axolotl",
    )  # fmt: skip
    assert done.code == 0, done.err
    out = tmp_path / "out"
    assert [row["messages"] for row in read_lines(out / "selected.jsonl")] == [
        [
            {"role": "user", "content": records[row]["instruction"]},
            {"role": "assistant", "content": records[row]["output"]},
        ]
        for row in chosen(out)
    ]
    assert "path: selected.jsonl" in (out / "axolotl.yml").read_text(encoding="utf-8")
    assert set(json.loads((out / "manifest.json").read_bytes())["outputs"]) == {
        "axolotl.yml",
        "selected.jsonl",
        "selection.csv",
    }


def test_a_pool_of_vectors_gives_row_numbers(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "pool.npy", 30)
    assert assay("select", "pool.npy", "--budget", "50%", "-o", "out").code == 0
    assert chosen(tmp_path / "out") == novelselect(vectors, budget=15).indices.tolist()
    assert files_in(tmp_path / "out") == {"selection.csv", "manifest.json"}


def test_standard_input_is_read_once(assay: Assay, tmp_path: Path) -> None:
    records = rows(14)
    done = assay(
        "select",
        "-",
        "--budget",
        3,
        "--encoder",
        "tfidf",
        "--neighbors",
        3,
        "-o",
        "out",
        stdin=lines(records),
    )
    assert done.code == 0, done.err
    found = read_lines(tmp_path / "out" / "selected.jsonl")
    assert found == [records[row] for row in chosen(tmp_path / "out")]
    inputs = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["inputs"]
    assert [entry["path"] for entry in inputs] == ["-"]
    done = assay("run", "out/manifest.json", "-o", "again")
    assert done.code == 2
    assert "standard input cannot be replayed" in done.err


def test_dropped_rows_are_counted_and_listed(assay: Assay, tmp_path: Path) -> None:
    records = rows(16)
    (tmp_path / "data.jsonl").write_bytes(lines(records[:5]) + b"{broken\n" + lines(records[5:]))
    common = ("--budget", 4, "--encoder", "tfidf", "--neighbors", 3, "-o", "out")
    done = assay("select", "data.jsonl", *common, "--quiet")
    assert done.code == 2
    assert done.err.startswith("error: data.jsonl:6: row must be JSON")
    assert assay("select", "data.jsonl", *common, "--on-bad", "skip").code == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["counts"] == {
        "pool": 16,
        "selected": 4,
        "initial": 0,
        "skipped": 1,
        "distinct_texts": 16,
    }
    [entry] = manifest["inputs"]
    assert [origin for origin, _ in entry["skipped"]] == ["data.jsonl:6"]
    assert read_lines(tmp_path / "out" / "selected.jsonl") == [
        records[row] for row in chosen(tmp_path / "out")
    ]


# ------------------------------------------------------------------------------------------------ the options


def test_the_reference_may_be_the_pool_by_its_path(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", rows(30))
    tables = []
    for reference in ("pool", "a.json"):
        done = assay(
            "select", "a.json", "--budget", 8, "--encoder", "tfidf", "--reference", reference, "-o", f"by {reference}"
        )  # fmt: skip
        assert done.code == 0, done.err
        tables.append((tmp_path / f"by {reference}" / "selection.csv").read_bytes())
    assert tables[0] == tables[1]


def test_without_a_reference_there_is_no_density(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 12)
    assert assay("select", "v.npy", "--budget", 5, "--reference", "none", "-o", "out").code == 0
    assert (
        chosen(tmp_path / "out")
        == novelselect(vectors, budget=5, reference=None, density_power=0).indices.tolist()
    )
    assert {line["density"] for line in choices(tmp_path / "out")} == {""}


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        (["--seed", "7"], {"seed": 7}),
        (["--start", "4"], {"start": 4}),
        (["--start", "densest"], {"start": "densest"}),
        (["--variant", "paper"], {"variant": "paper"}),
        (["--neighbors", "3"], {"neighbors": 3}),
        (["--density-power", "1.5"], {"density_power": 1.5}),
        (["--proximity-power", "0.3"], {"proximity_power": 0.3}),
        (["--density-side", "self"], {"density_side": "self"}),
        (["--density-statistic", "sum_cosine"], {"density_statistic": "sum_cosine"}),
        (["--rank-by", "distance"], {"rank_by": "distance"}),
        (["--limit", "25"], {}),
    ],
)
def test_options_mean_what_they_mean_in_python(
    assay: Assay, tmp_path: Path, options: list[str], keywords: dict[str, Any]
) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 40)
    if "--limit" in options:
        vectors = vectors[:25]
    assert assay("select", "v.npy", "--budget", 12, "-o", "out", *options).code == 0
    expected = novelselect(vectors, budget=12, **keywords)
    assert chosen(tmp_path / "out") == expected.indices.tolist()
    np.testing.assert_allclose(numbers(tmp_path / "out", "gain"), expected.gains, rtol=1e-8)


SCORE = [1 + n * 7 % 5 for n in range(60)]  # of `rows`
QUALITY = ["--quality", "score"]


@pytest.mark.parametrize(
    ("method", "options", "keywords"),
    [
        ("kcenter", [], {}),
        ("kcenter", [*QUALITY, "--quality-power", "2"], {"quality": SCORE, "quality_power": 2}),
        ("random", ["--seed", "3"], {"seed": 3}),
        ("farthest", QUALITY, {"quality": SCORE}),
        ("kmeans", ["--n-clusters", "5", "--seed", "2"], {"n_clusters": 5, "seed": 2}),
        ("kmeans", [], {}),
        ("facility_location", [], {}),
        ("facility_location", ["--quality", "share"], {"quality": [s / 5 for s in SCORE]}),
        (
            "facility_location",
            ["--quality", "share", "--quality-weight", "0.5"],
            {"quality": [s / 5 for s in SCORE], "quality_weight": 0.5},
        ),
        ("repr_filter", ["--threshold", "0.6"], {"threshold": 0.6}),
        ("repr_filter", [], {}),
        ("score_first", QUALITY, {"quality": SCORE}),
        ("score_first", ["--quality", "below"], {"quality": [s - 3 for s in SCORE]}),
        ("score_first", [*QUALITY, "--threshold", "none"], {"quality": SCORE, "threshold": None}),
    ],
)
def test_other_methods(
    assay: Assay, tmp_path: Path, method: str, options: list[str], keywords: dict[str, Any]
) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 60)
    vectors[40:] = vectors[:20]
    np.save(tmp_path / "v.npy", vectors)
    records = [row | {"share": row["score"] / 5, "below": row["score"] - 3} for row in rows(60)]
    write_lines(tmp_path / "data.jsonl", records)
    done = assay(
        "select", "data.jsonl", "--vectors", "v.npy", "--budget", 20, "--method", method, "-o", "out",
        "--skip-duplicates", *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = SELECTORS[method].function(vectors, budget=20, skip_duplicates=True, **keywords)
    assert chosen(tmp_path / "out") == expected.indices.tolist()
    np.testing.assert_allclose(numbers(tmp_path / "out", "gain"), expected.gains, rtol=1e-8)


def test_a_filter_may_choose_fewer(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 40)
    done = assay(
        "select", "v.npy", "--budget", 30, "--method", "repr_filter", "--threshold", "0.1", "-o", "out",
        "--compare", "random,kcenter", "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    with pytest.warns(AssayWarning, match="fewer than the budget of 30"):
        expected = repr_filter(vectors, budget=30, threshold=0.1).indices
    assert "warning: " in done.err
    assert "fewer than the budget of 30" in done.err
    assert chosen(tmp_path / "out") == expected.tolist()
    printed = json.loads(done.out)
    assert printed["counts"]["selected"] == len(expected) < 30
    density = local_density(vectors, reference=vectors)
    for name in ("random", "kcenter"):  # of the same size
        beside = SELECTORS[name].function(vectors, budget=len(expected)).indices
        value = novelsum(vectors[beside], density=density[beside])
        assert printed["results"]["novelsum"][name] == value
    np.save(tmp_path / "kept.npy", vectors[:1])
    done = assay(
        "select", "v.npy", "--budget", 3, "--method", "repr_filter", "--threshold", "-1", "--initial", "kept.npy",
        "-o", "none", "--quiet",
    )  # fmt: skip
    assert done.code == 2
    assert done.err.startswith(
        "error: --threshold must be one that a row passes beside the kept ones; got one"
    )


def test_a_score_may_be_compared_by_any_method(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 60)
    write_lines(tmp_path / "data.jsonl", rows(60))
    done = assay(
        "select", "data.jsonl", "--vectors", "v.npy", "--budget", 9, "--method", "random", *QUALITY, "-o", "out",
        "--compare", "score_first", "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    density = local_density(vectors, reference=vectors)
    best = SELECTORS["score_first"].function(vectors, budget=9, quality=SCORE).indices
    value = novelsum(vectors[best], density=density[best])
    assert json.loads(done.out)["results"]["novelsum"]["score_first"] == value


@pytest.mark.parametrize(
    ("budget", "k"), [("29%", 29), ("7%", 7), ("100%", 100), ("0.5 %", None), ("12.5%", 12), ("1_00", None)]
)
def test_a_share_is_exact_and_rounded_down(assay: Assay, tmp_path: Path, budget: str, k: int | None) -> None:
    write_vectors(tmp_path / "v.npy", 100)
    done = assay("select", "v.npy", "--method", "random", "--budget", budget, "-o", "out")
    assert (done.code == 0) == (k is not None)
    assert k is None or len(chosen(tmp_path / "out")) == k


@pytest.mark.parametrize("form", ["table", "csv", "md", "json"])
def test_the_comparison_is_printed_in_every_form(assay: Assay, tmp_path: Path, form: str) -> None:
    write_vectors(tmp_path / "v.npy", 15)
    done = assay("select", "v.npy", "--budget", 5, "-o", "out", "--format", form, "--quiet")
    assert (done.code, done.err) == (0, "")
    results = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["results"]["novelsum"]
    if form == "json":
        assert json.loads(done.out)["results"]["novelsum"] == results
    elif form == "csv":
        assert list(csv.reader(io.StringIO(done.out))) == [
            ["set", "n", "novelsum"],
            ["selected (novelselect)", "5", repr(results["selected"])],
            ["random", "5", repr(results["random"])],
        ]
    else:
        words = done.out.replace("|", " ").split()
        assert f"{results['selected']:.4f}" in words
        assert f"{results['random']:.4f}" in words


def test_a_choice_that_is_interrupted_goes_on(assay: Assay, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(6000, 16)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    command = ["select", "v.npy", "--budget", "2500", "--compare", "none", "-o"]
    assert assay(*command, "whole").code == 0
    with subprocess.Popen(
        [*PROGRAM, *command, "out"], cwd=tmp_path, stderr=subprocess.PIPE, process_group=0
    ) as run:
        while not (tmp_path / "out" / ".unfinished-density.npz").exists():
            assert run.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == [".unfinished-density.npz", ".unfinished-novelselect.npz"]
    with np.load(tmp_path / "out" / kept[1]) as file:
        assert 1 < len(file["rows"]) < 2500
    done = assay(*command, "out", "--resume")
    assert done.code == 0
    assert "density" not in done.err
    for name in ("selection.csv", "manifest.json"):
        one, other = ((tmp_path / folder / name).read_text() for folder in ("out", "whole"))
        if name == "manifest.json":
            one, other = (json.loads(content)["results"]["novelsum"] for content in (one, other))
        assert one == other
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"selection.csv", "manifest.json"}


def test_too_little_memory_and_a_wrong_reference_are_said_before_the_work(
    assay: Assay, tmp_path: Path
) -> None:
    write_vectors(tmp_path / "v.npy", 40)
    np.save(tmp_path / "wide.npy", np.ones((30, 99), dtype=np.float32))
    done = assay("select", "v.npy", "--budget", 9, "--memory-gb", "0.1", "-o", "out")
    assert done.code == 2
    assert "error: --memory-gb must be at least 0.27 for 9 of 40 rows" in done.err
    assert "density:" not in done.err
    for method in ("novelselect", "kcenter"):
        done = assay("select", "v.npy", "--budget", 9, "--memory-gb", 0, "--method", method, "-o", method)
        assert (done.code, "--memory-gb must be > 0; got 0.0." in done.err, "density:" in done.err) == (
            2,
            True,
            False,
        )
    done = assay("select", "v.npy", "--budget", 9, "--reference", "wide.npy", "-o", "wide")
    assert done.code == 2
    assert "reference must have as many dimensions as pool" in done.err
    assert "density:" not in done.err


def test_a_choice_in_two_stages(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 90)
    np.save(tmp_path / "kept.npy", np.load(tmp_path / "v.npy")[:5] + 0.5)
    command = ["select", "v.npy", "--initial", "kept.npy", "--budget", 12, "-o"]
    done = assay(*command, "out", "--parts", 4, "--compare", "kcenter,random")
    assert done.code == 0, done.err
    found = [int(row["row"]) for row in choices(tmp_path / "out")]
    assert len(set(found)) == 12
    assert max(found) < 90
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())["results"]["facts"]
    assert facts["second_stage_rows"] == 24
    done = assay(*command, "no", "--parts", 4, "--method", "random", "--compare", "none")
    assert (done.code, "--parts must be left out with method 'random'" in done.err) == (2, True)
    done = assay(*command, "no", "--parts", 0)
    assert (done.code, "--parts must be >= 1; got 0." in done.err) == (2, True)


def test_on_a_device_the_choice_is_the_same_and_close_calls_are_told(assay: Assay, tmp_path: Path) -> None:
    angle = np.arange(1, 8) * 0.4  # mirrored rows are equally far from the first
    angle = np.concatenate([[0.0], angle, -angle])
    np.save(tmp_path / "v.npy", np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32))
    options = ["--budget", 12, "--neighbors", 2, "--start", "0", "--compare", "kcenter"]
    assert assay("select", "v.npy", *options, "-o", "one").code == 0
    done = assay("select", "v.npy", *options, "-o", "two", "--device", "torch:cpu")
    assert done.code == 0, done.err
    assert chosen(tmp_path / "two") == chosen(tmp_path / "one")
    for method in ("novelselect", "kcenter"):
        assert re.search(rf"{method}: [1-9] of 12 choices were too close for torch:cpu", done.err)
