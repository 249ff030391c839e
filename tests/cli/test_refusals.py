"""`assay select` refuses: early where it can, in one line, with nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Assay, files_in, rows, write_lines, write_vectors

EARLY = [
    (["--budget", "0"], "--budget must be a whole number >= 1, or a share over 0% and up to 100%; got '0'."),
    (["--budget", "0%"], "--budget must be a whole number >= 1, or a share over 0% and up to 100%; got '0%'."),
    (
        ["--budget", "200%"],
        "--budget must be a whole number >= 1, or a share over 0% and up to 100%; got '200%'.",
    ),
    (
        ["--budget", "abc"],
        "--budget must be a whole number >= 1, or a share over 0% and up to 100%; got 'abc'.",
    ),
    (
        ["--budget", "1e400"],
        "--budget must be a whole number >= 1, or a share over 0% and up to 100%; got '1e400'.",
    ),
    (
        ["--method", "novelselct"],
        "unknown method 'novelselct'. Did you mean 'novelselect'? See: assay selectors",
    ),
    (["--compare", "random,kcentre"], "unknown method 'kcentre'. Did you mean 'kcenter'? See: assay selectors"),
    (["--encoder", "tfdf"], "unknown encoder 'tfdf'. Did you mean 'tfidf'? See: assay embed --help"),
    (["--encoder", "hf:"], "--encoder must be of the form hf:<path or id>; got 'hf:'."),
    (["--variant", "offical"], "--variant must be one of official, paper; got 'offical'. Did you mean 'official'?"),
    (["--trainer", "tlr"], "--trainer must be one of llamafactory, trl, axolotl; got 'tlr'. Did you mean 'trl'?"),
    (["--format", "tabel"], "--format must be one of table, json, csv, md; got 'tabel'. Did you mean 'table'?"),
    (["--on-bad", "skipp"], "--on-bad must be one of error, skip; got 'skipp'. Did you mean 'skip'?"),
    (["--text", "al"], "--text must be one of all, instruction; got 'al'. Did you mean 'all'?"),
    (["--start", "densst"], "--start must be one of random, densest; got 'densst'. Did you mean 'densest'?"),
    (["--method", "kcenter", "--start", "densest"], "--start must be one of random; got 'densest'."),
    (["--neighbors", "0"], "--neighbors must be >= 1; got 0."),
    (["--limit", "0"], "--limit must be >= 1; got 0."),
    (["--proximity-power", "-1"], "--proximity-power must be >= 0; got -1.0."),
    (["--seed", "-1"], "--seed must be from 0 to 4294967295; got -1."),
    (
        ["--method", "random", "--quality", "score"],
        "--quality must be left out with method 'random', which cannot use it; got 'score'. "
        "Methods that can: novelselect, kcenter, facility_location, score_first, farthest.",
    ),
    (
        ["--method", "random", "--start", "3"],
        "--start must be left out with method 'random', which cannot use it; got '3'. "
        "Methods that can: novelselect, kcenter.",
    ),
    (
        ["--method", "kcenter", "--rank-by", "distance"],
        "--rank-by must be left out with method 'kcenter', which cannot use it; got 'distance'. "
        "Methods that can: novelselect.",
    ),
    (
        ["--method", "facility_location", "--quality", "score", "--quality-power", "2"],
        "--quality-power must be left out with method 'facility_location', which cannot use it; got 2.0. "
        "Methods that can: novelselect, kcenter, farthest.",
    ),
    (
        ["--quality", "score", "--quality-weight", "0.5"],
        "--quality-weight must be left out with method 'novelselect', which cannot use it; got 0.5. "
        "Methods that can: facility_location.",
    ),
    (
        ["--method", "facility_location", "--quality-weight", "0.5"],
        "--quality-weight must come with quality; got 0.5 alone.",
    ),
    (
        ["--method", "facility_location", "--quality", "score", "--quality-weight", "2"],
        "--quality-weight must be from 0 to 1; got 2.0.",
    ),
    (
        ["--threshold", "0.5"],
        "--threshold must be left out with method 'novelselect', which cannot use it; got '0.5'. "
        "Methods that can: repr_filter, score_first.",
    ),
    (["--method", "repr_filter", "--threshold", "1.5"], "--threshold must be from -1 to 1; got 1.5."),
    (
        ["--method", "repr_filter", "--threshold", "none"],
        "--threshold must be a number from -1 to 1, or none without repr_filter; got 'none'.",
    ),
    (
        ["--method", "score_first", "--quality", "score", "--threshold", "high"],
        "--threshold must be a number from -1 to 1, or none; got 'high'.",
    ),
    (
        ["--n-clusters", "5"],
        "--n-clusters must be left out with method 'novelselect', which cannot use it; got 5. "
        "Methods that can: kmeans.",
    ),
    (["--method", "kmeans", "--n-clusters", "0"], "--n-clusters must be >= 1; got 0."),
    (
        ["--compare", "score_first"],
        "--quality must be given with 'score_first', which chooses by it. Name the column of the score.",
    ),
    (
        ["--method", "farthest", "--compare", "none", "--seed", "3"],
        "--seed must be left out with method 'farthest', which draws nothing; got 3.",
    ),
    (["--quality-power", "2"], "--quality-power must come with quality; got 2 alone."),
    (["--group-by", "source"], "--group-by and --max-per-group must be given together; got one of them."),
    (
        ["--initial", "kept.jsonl", "--start", "3"],
        "--start must be left out with initial, whose rows are the start; got '3'.",
    ),
    (["--initial-vectors", "v.npy"], "--initial-vectors must come with initial; got 'v.npy' alone."),
    (
        ["--reference-vectors", "v.npy"],
        "--reference-vectors must come with a source as reference; got reference 'pool'.",
    ),
    (
        ["--reference", "none", "--density-power", "0.5"],
        "--density-power must be 0 where there is no reference; got 0.5. Give a reference (the pool, or 'self').",
    ),
    (
        ["--initial", "-", "--reference", "-"],
        "standard input must be one source only; got - more than once.",
    ),
    (
        ["--vectors", "v.npy", "--encoder", "tfidf"],
        "--encoder must be left out with ready vectors; got 'tfidf'.",
    ),
    (["--vectors", "w.npy"], "--vectors must be an existing file; there is no w.npy."),
    (
        ["--vectors", "v.npy", "--initial", "kept.jsonl"],
        "every set must come with ready vectors, or none; data.jsonl has them and kept.jsonl has not. "
        "Vectors of different encoders do not compare.",
    ),
    (["--vectors-column", "x"], "--vectors-column must be left out without ready vectors; got one."),
    (
        ["--push", "https://hub/org/name"],
        "--push must be org/name, of letters, digits, '-', '_' and '.'; got 'https://hub/org/name'. "
        "Give the name of the repository, not its address.",
    ),
    (["--budgt", "3"], "no such option: --budgt. Did you mean --budget? See: assay select --help"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), EARLY, ids=lambda value: " ".join(value)[:40])
def test_what_is_wrong_from_the_start_is_said_before_reading(
    assay: Assay, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "data.jsonl").write_bytes(b"this would be an error of its own\n")
    write_lines(tmp_path / "kept.jsonl", rows(3))
    write_vectors(tmp_path / "v.npy", 3)
    done = assay("select", "data.jsonl", "--budget", "3", "-o", "out", *options)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
    assert not (tmp_path / "out").exists()


LATE = [
    (["--budget", "17"], "--budget must be from 1 to the rows of the pool (16); got 17."),
    (["--budget", "1%"], "--budget must be from 1 to the rows of the pool (16); got 1%, which is 0 rows."),
    (
        ["--quality", "scor"],
        "data.jsonl:1: row must have a column 'scor'; its columns are: instruction, input, output, score, source, "
        "meta.",
    ),
    (
        ["--quality", "source"],
        "data.jsonl:1: source must be a positive number; got 'web'. Shift or scale the scores.",
    ),
    (
        ["--start", "16", "--encoder", "tfidf", "--neighbors", "3"],
        "--start must be a row of the pool, 0 to 15; got 16.",
    ),
    (
        ["--encoder", "tfidf"],
        "--neighbors must be <= the usable rows of the reference (9); got 10. Copies and the row itself do not "
        "count. Use fewer neighbors or a larger reference.",
    ),
    (["--vectors", "v.npy"], "--vectors must have one row a record (16 in data.jsonl); v.npy has 3."),
]


@pytest.mark.parametrize(("options", "message"), LATE, ids=lambda value: " ".join(value)[:40])
def test_a_run_that_fails_leaves_no_result(
    assay: Assay, tmp_path: Path, options: list[str], message: str
) -> None:
    pool = rows(10 if options == ["--encoder", "tfidf"] else 16)
    write_lines(tmp_path / "data.jsonl", pool)
    write_vectors(tmp_path / "v.npy", 3)
    done = assay("select", "data.jsonl", "--budget", "3", "-o", "out", "--quiet", *options)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
    assert files_in(tmp_path / "out") == set()


def test_vectors_of_two_widths(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "pool.npy", 20, width=8)
    write_vectors(tmp_path / "kept.npy", 20, width=6)
    for role in ("initial", "reference"):
        done = assay("select", "pool.npy", "--budget", 3, f"--{role}", "kept.npy", "-o", role, "--quiet")
        assert done.code == 2
        assert "must have as many dimensions as" in done.err
        assert done.err.count("\n") == 1
        assert files_in(tmp_path / role) == set()


@pytest.mark.parametrize("option", ["--to", "--trainer", "--push"])
def test_a_pool_of_vectors_has_no_records(assay: Assay, tmp_path: Path, option: str) -> None:
    write_vectors(tmp_path / "v.npy", 20)
    value = {"--to": "messages", "--trainer": "trl", "--push": "org/name"}[option]
    done = assay("select", "v.npy", "--budget", 3, option, value, "-o", "out")
    assert done.err == (
        f"error: {option} must be left out for a pool of vectors, which has no records; got {value!r}.\n"
    )
