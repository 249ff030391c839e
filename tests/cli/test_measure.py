"""`assay measure`: what the Python functions say, in every form."""

from __future__ import annotations

import csv
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import __version__
from assay.diversity import (
    MEASURES,
    cluster_inertia,
    facility_location,
    knn_distance,
    novelsum,
    novelty,
    partition_entropy,
    radius,
    ttr,
    vendi_score,
)
from assay.neighbors import knn
from tests.cli.conftest import Assay, files_in, rows, tfidf, write_json, write_lines, write_vectors


def test_sets_against_a_reference(assay: Assay, tmp_path: Path) -> None:
    a, b, pool = rows(16), rows(16, first=30), rows(60)
    write_json(tmp_path / "a.json", a)
    write_lines(tmp_path / "b.jsonl", b)
    write_lines(tmp_path / "pool.jsonl", pool)
    done = assay(
        "measure", "a.json", "b.jsonl", "--reference", "pool.jsonl", "--format", "json", "--encoder", "tfidf"
    )
    assert done.code == 0, done.err
    va, vb, vp = tfidf(a, b, pool)
    whole = json.loads(done.out)
    for result, name, vectors in zip(whole["results"], ("a.json", "b.jsonl"), (va, vb), strict=True):
        assert result == {
            "set": name,
            "n": 16,
            "measure": "novelsum",
            "value": novelsum(vectors, reference=vp),
            "direction": "higher is more diverse",
            "note": "",
            "parameters": {
                "variant": "official",
                "neighbors": 10,
                "density_power": 0.5,
                "proximity_power": 1.0,
                "density_side": "self",
                "density_statistic": "mean_sq_l2",
                "include_self": True,
                "reduction": "mean",
                "rank_by": "distance",
                "device": "cpu",
            },
            "warnings": [],
        }
    assert whole["reference"] == "pool.jsonl"
    assert whole["assay"] == __version__
    assert whole["encoder"]["encoder"] == "tfidf"
    assert whole["warnings"] == []


def test_new_records_against_kept_ones(assay: Assay, tmp_path: Path) -> None:
    new, kept = rows(6, first=25), rows(40)
    new[3] |= {"id": 'a "named", row'}
    write_lines(tmp_path / "new.jsonl", new)
    write_lines(tmp_path / "kept.jsonl", kept)
    done = assay("measure", "new.jsonl", "--reference", "kept.jsonl", "--per-row", "--encoder", "tfidf")
    assert done.code == 0, done.err
    vn, vk = tfidf(new, kept)
    values = novelty(vn, reference=vk, against=vk)
    near = knn(vn, 1, reference=vk, metric="cosine")
    found = list(csv.DictReader(io.StringIO(done.out)))
    assert list(found[0]) == [
        "set",
        "row",
        "id",
        "novelty",
        "nearest_distance",
        "nearest_row",
        "nearest_id",
    ]
    assert [line["id"] for line in found] == ["0", "1", "2", 'a "named", row', "4", "5"]
    assert [float(line["novelty"]) for line in found] == values.tolist()
    assert [float(line["nearest_distance"]) for line in found] == near.distances[:, 0].tolist()
    assert [int(line["nearest_row"]) for line in found] == near.indices[:, 0].tolist() == list(range(25, 31))
    assert [line["nearest_id"] for line in found] == [str(row) for row in range(25, 31)]


def test_records_of_one_set(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 12)
    done = assay("measure", "v.npy", "--per-row", "--format", "json")
    values, near = novelty(vectors), knn(vectors, 1, metric="cosine")
    assert json.loads(done.out) == [
        {
            "set": "v.npy",
            "row": row,
            "id": str(row),
            "novelty": values[row],
            "nearest_distance": near.distances[row, 0],
            "nearest_row": near.indices[row, 0],
            "nearest_id": str(near.indices[row, 0]),
        }
        for row in range(12)
    ]


def test_one_record_has_no_neighbour(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 1)
    done = assay("measure", "v.npy", "--per-row")
    assert done.out.splitlines()[1:] == ["v.npy,0,0,0.0,,,"]
    assert "warning: one sample has no distances; its novelty is 0." in done.err


@pytest.mark.parametrize("copies", [0, 1])
def test_the_reference_may_be_the_set_itself(assay: Assay, tmp_path: Path, copies: int) -> None:
    records = rows(20)
    write_json(tmp_path / "a.json", [*records, *records[:copies]])
    done = assay(
        "measure", "a.json", "--reference", "a.json", "--format", "json", "--encoder", "tfidf", "--quiet"
    )
    vectors = np.concatenate(tfidf([*records, *records[:copies]]))
    [result] = json.loads(done.out)["results"]
    assert result["value"] == _quiet_novelsum(vectors, reference=vectors)
    # the row's own text is left out of its neighbours, so that this is what the set as its own reference gives
    assert result["value"] == _quiet_novelsum(vectors, reference="self")


def _quiet_novelsum(vectors: np.ndarray, **keywords: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return novelsum(vectors, **keywords)


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        (["--variant", "paper"], {"variant": "paper"}),
        (["--neighbors", "3"], {"neighbors": 3}),
        (["--density-power", "1.5"], {"density_power": 1.5}),
        (["--proximity-power", "0.3"], {"proximity_power": 0.3}),
        (["--density-side", "both"], {"density_side": "both"}),
        (["--density-statistic", "sum_cosine"], {"density_statistic": "sum_cosine"}),
        (
            ["--density-side", "both", "--rank-by", "weighted"],
            {"density_side": "both", "rank_by": "weighted"},
        ),
        (["--without-self"], {"include_self": False}),
        (["--variant", "paper", "--include-self"], {"variant": "paper", "include_self": True}),
        (["--reduction", "sum"], {"reduction": "sum"}),
    ],
)
def test_options_mean_what_they_mean_in_python(
    assay: Assay, tmp_path: Path, options: list[str], keywords: dict[str, Any]
) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 20)
    reference = write_vectors(tmp_path / "r.npy", 30, seed=1)
    done = assay("measure", "v.npy", "--reference", "r.npy", "--format", "json", *options)
    [result] = json.loads(done.out)["results"]
    assert result["value"] == novelsum(vectors, reference=reference, **keywords)
    plain = assay("measure", "v.npy", "--reference", "r.npy", "--format", "json")
    assert result["value"] != json.loads(plain.out)["results"][0]["value"]


def test_all_measures_with_their_settings_notes_and_reasons(assay: Assay, tmp_path: Path) -> None:
    records = rows(40)
    write_lines(tmp_path / "a.jsonl", [*records, records[3]])
    write_lines(tmp_path / "pool.jsonl", rows(60))
    done = assay(
        "measure", "a.jsonl", "--measures", "all", "--reference", "pool.jsonl", "--encoder", "tfidf",
        "--format", "json", "--set", "cluster_inertia.n_clusters=5", "--set", "ttr.n_tokens=8",
        "--set", "radius.ddof=1", "--set", "vendi_score.order=inf", "--set", "knn_distance.metric=l2",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = {row["measure"]: row for row in json.loads(done.out)["results"]}
    assert list(found) == list(MEASURES)
    va, vp = tfidf([*records, records[3]], rows(60))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["cluster_inertia"]["value"] == cluster_inertia(va, n_clusters=5)
        assert found["radius"]["value"] == radius(va, ddof=1)
        assert found["vendi_score"]["value"] == vendi_score(va, order=float("inf"))
        assert found["knn_distance"]["value"] == knn_distance(va, metric="l2")
        assert found["facility_location"]["value"] == facility_location(va, reference=vp)
        texts = [f"{row['instruction']}\n{row['output']}" for row in [*records, records[3]]]
        assert found["ttr"]["value"] == ttr(texts, n_tokens=8)
    assert found["radius"]["parameters"] == {"ddof": 1, "floor": 1e-10}
    assert found["ttr"]["parameters"] == {
        "n_tokens": 8,
        "tokenizer": "tokens",
        "lowercase": True,
        "level": "sample",
    }
    copies = "1 of 41 samples are copies of another; they make the set less diverse."
    assert found["distsum_l2"]["warnings"] == [copies]
    assert found["distsum_l2"]["note"] == copies
    assert found["partition_entropy"]["value"] is None
    assert found["partition_entropy"]["note"] == (
        "not computed: reference must have at least n_clusters rows (1000); got 60. Use fewer clusters."
    )
    assert found["vocd_d"]["note"] == (
        "not computed: texts must have enough words for n_max=50; all 41 have at most 50 words."
    )
    assert done.err.count(copies) == 1


def test_measures_that_lack_their_data_say_so(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 12)
    done = assay("measure", "v.npy", "--measures", "radius,ttr,facility_location", "--format", "csv")
    [header, *lines] = csv.reader(io.StringIO(done.out))
    assert header == ["set", "n", "measure", "value", "direction", "note"]
    assert [line[-1] for line in lines] == [
        "",
        "not computed: ttr needs texts; got none.",
        "not computed: facility_location needs a reference; got none.",
    ]
    for name, reason in (
        ("ttr", "ttr needs texts"),
        ("facility_location", "facility_location needs a reference"),
    ):
        done = assay("measure", "v.npy", "--measures", name)
        assert (done.code, done.out) == (2, "")
        assert done.err.endswith(f"error: {reason}; got none.\n")
    done = assay("measure", "v.npy", "--measures", "knn_distance", "--set", "knn_distance.neighbors=12")
    assert done.err.endswith(
        "error: knn_distance: neighbors must be < the rows of embeddings (12); got 12. Use fewer neighbors.\n"
    )


def test_settings_are_replayed_and_given_centroids_are_inputs(assay: Assay, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "v.npy", 30)
    centroids = write_vectors(tmp_path / "c.npy", 4, seed=1)
    first = assay(
        "measure", "v.npy", "--measures", "partition_entropy,knn_distance", "-o", "out", "--format", "json",
        "--set", "partition_entropy.centroids=c.npy", "--set", "partition_entropy.log_base=2",
        "--set", "knn_distance.statistic=mean", "--set", "knn_distance.neighbors=3",
        "--set", "partition_entropy.max_points_per_centroid=none", "--set", "partition_entropy.normalise=true",
    )  # fmt: skip
    assert first.code == 0, first.err
    [entropy, near] = json.loads(first.out)["results"]
    assert entropy["value"] == partition_entropy(vectors, centroids=centroids, log_base="2", normalise=True)
    assert near["value"] == knn_distance(vectors, neighbors=3, statistic="mean")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["parameters"]["set"][2] == "knn_distance.statistic=mean"
    assert [entry["path"] for entry in manifest["inputs"]] == ["v.npy", "c.npy"]
    assert manifest["results"][1]["parameters"]["statistic"] == "mean"
    assert json.loads(assay("run", "out/manifest.json").out) == json.loads(first.out)
    write_vectors(tmp_path / "c.npy", 4, seed=2)
    assert "input c.npy has changed since" in assay("run", "out/manifest.json").err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("knn_distance.neighbors", "--set must be MEASURE.OPTION=VALUE; got 'knn_distance.neighbors'."),
        (
            "knn_dist.neighbors=2",
            "unknown measure 'knn_dist'. Did you mean 'knn_distance'? See: assay measures",
        ),
        (
            "knn_distance.neighbours=2",
            "unknown option of knn_distance 'neighbours'. Did you mean 'neighbors'? See: assay measures knn_distance",
        ),
        ("knn_distance.neighbors=two", "knn_distance.neighbors must be a whole number; got 'two'."),
        ("knn_distance.neighbors=2.5", "knn_distance.neighbors must be a whole number; got '2.5'."),
        ("radius.floor=low", "radius.floor must be a number; got 'low'."),
        ("radius.ddof=2", "radius.ddof must be one of 0, 1; got '2'."),
        ("partition_entropy.normalise=yes", "partition_entropy.normalise must be true or false; got 'yes'."),
        (
            "knn_distance.metric=cosin",
            "knn_distance.metric must be one of cosine, l2, sqeuclidean; got 'cosin'. Did you mean 'cosine'?",
        ),
        (
            "cluster_inertia.centroids=c.npy",
            "cluster_inertia.centroids must be an existing file; there is no c.npy.",
        ),
        (
            "novelsum.rank_by=weighted",
            "--set must be for other measures; got 'novelsum.rank_by=weighted'. Use --rank-by.",
        ),
        ("ttr.tokenizer=split", "--set must not be ttr.tokenizer; a tokenizer is a function: use Python."),
        ("knn_distance.device=cuda", "--set must not be knn_distance.device; use --device."),
        (
            "vocd_d.seed=1",
            "--set must be for a measure that is computed; got 'vocd_d.seed=1'. Add it to --measures.",
        ),
    ],
)
def test_settings_are_checked_before_anything_is_read(
    assay: Assay, tmp_path: Path, given: str, message: str
) -> None:
    measures = ",".join(name for name in MEASURES if name != "vocd_d")
    done = assay("measure", "none.npy", "--measures", measures, "--set", given)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
    done = assay("measure", "none.npy", "--measures", measures, *["--set", "radius.ddof=1"] * 2)
    assert done.err == "error: --set must give radius.ddof once; got it twice.\n"


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_different_sizes_are_warned_of(assay: Assay, tmp_path: Path, quiet: list[str]) -> None:
    write_vectors(tmp_path / "a.npy", 12)
    write_vectors(tmp_path / "b.npy", 14)
    warning = (
        "the sets have different sizes (12, 14), and novelsum depends on the size. "
        "Compare equal sizes: assay compare draws them."
    )
    done = assay("measure", "a.npy", "b.npy", "--format", "json", *quiet)
    assert json.loads(done.out)["warnings"] == [warning]
    assert (f"warning: {warning}\n" in done.err) == (not quiet)
    assert not quiet or done.err == ""
    equal = assay("measure", "a.npy", "b.npy", "--format", "json", "--limit", 12)
    assert json.loads(equal.out)["warnings"] == []


def test_ready_vectors_of_several_sets(assay: Assay, tmp_path: Path) -> None:
    for name in "ab":
        write_lines(tmp_path / f"{name}.jsonl", rows(12))
    va = write_vectors(tmp_path / "a.npy", 12)
    vb = write_vectors(tmp_path / "b.npy", 12, seed=1)
    done = assay("measure", "a.jsonl", "b.jsonl", "--vectors", "a.npy,b.npy", "--format", "json")
    assert [row["value"] for row in json.loads(done.out)["results"]] == [novelsum(va), novelsum(vb)]
    done = assay("measure", "a.jsonl", "b.jsonl", "--vectors", "a.npy")
    assert done.err == "error: --vectors must name one file a set (2); got 1.\n"


def test_an_output_folder_holds_result_and_manifest(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.npy", 12)
    done = assay("measure", "a.npy", "-o", "out", "--format", "json")
    assert files_in(tmp_path / "out") == {"measure.json", "manifest.json"}
    assert json.loads((tmp_path / "out" / "measure.json").read_bytes()) == json.loads(done.out)


def test_long_tables_are_whole(assay: Assay, tmp_path: Path) -> None:
    name = "a name so long that it would not fit on any terminal " * 4
    write_lines(tmp_path / "a.jsonl", [row | {"id": f"{name}{n} 长"} for n, row in enumerate(rows(1300))])
    vectors = write_vectors(tmp_path / "v.npy", 1300)
    done = assay("measure", "a.jsonl", "--vectors", "v.npy", "--per-row", "--format", "table", "--quiet")
    printed = done.out.splitlines()
    values = novelty(vectors)
    assert len(printed) == 1301
    for row, line in enumerate(printed[1:]):
        assert f"{name}{row} 长" in line
        assert f" {row:,} " in line
        assert f" {values[row]:.4f} " in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--measures", "novelsumm"],
            "unknown measure 'novelsumm'. Did you mean 'novelsum'? See: assay measures",
        ),
        (
            ["--variant", "papers"],
            "--variant must be one of official, paper; got 'papers'. Did you mean 'paper'?",
        ),
        (["--reduction", "meen"], "--reduction must be one of mean, sum; got 'meen'. Did you mean 'mean'?"),
        (
            ["--density-power", "1"],
            "--density-power must be 0 where there is no reference; got 1. Give a reference (the pool, or 'self').",
        ),
        (
            ["--reference-vectors", "v.npy"],
            "--reference-vectors must come with a source as reference; got none.",
        ),
        (["--format", "yaml"], "--format must be one of table, json, csv, md; got 'yaml'."),
        (
            ["--reference", "none.npy"],
            "--reference must be an existing file; there is no none.npy.",
        ),
        (["--text", "instruction"], "--text must be left out with ready vectors; got 'instruction'."),
    ],
)
def test_what_is_wrong_is_said(assay: Assay, tmp_path: Path, options: list[str], message: str) -> None:
    write_vectors(tmp_path / "v.npy", 12)
    done = assay("measure", "v.npy", *options)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_standard_input_is_one_source(assay: Assay, tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows(12)).encode()
    done = assay("measure", "-", "--encoder", "tfidf", "--format", "csv", stdin=lines)
    assert done.out.splitlines()[1].startswith("-,12,novelsum,")
    done = assay("measure", "-", "--reference", "-", stdin=lines)
    assert done.err == "error: standard input must be one source only; got - more than once.\n"
