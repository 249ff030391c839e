"""Vectors that a user brings, in every form, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.embed import load_vectors
from assay.errors import DataError

MATRIX = np.random.default_rng(0).normal(size=(7, 3))


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npy_is_memory_mapped(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "v.npy", MATRIX.astype(dtype))
    matrix, ids = load_vectors(tmp_path / "v.npy")
    assert isinstance(matrix, np.memmap)
    assert ids is None
    np.testing.assert_array_equal(matrix, MATRIX.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_safetensors(tmp_path: Path, dtype: type) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    file = tmp_path / "v.safetensors"
    safetensors.save_file({"a": MATRIX.astype(dtype)}, file, metadata={"made": "here"})
    np.testing.assert_array_equal(load_vectors(file)[0], MATRIX.astype(dtype))
    safetensors.save_file({"a": MATRIX.astype(dtype), "b": 2 * MATRIX.astype(dtype)}, file)
    np.testing.assert_array_equal(load_vectors(file, column="b")[0], 2 * MATRIX.astype(dtype))
    with pytest.raises(DataError, match=r"column must name one tensor of .*; it holds a, b\."):
        load_vectors(file)
    with pytest.raises(DataError, match=r"unknown tensor 'c'\. .*See: the tensors of"):
        load_vectors(file, column="c")


def test_safetensors_in_bfloat16_are_widened(torch: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensor = torch.tensor(MATRIX).to(torch.bfloat16)
    save_file({"a": tensor}, tmp_path / "v.safetensors")
    matrix, _ = load_vectors(tmp_path / "v.safetensors")
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, tensor.float().numpy())


def test_damaged_safetensors_are_refused(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    file = tmp_path / "v.safetensors"
    safetensors.save_file({"a": MATRIX}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="must be whole; got a file that ends before a does"):
        load_vectors(file)
    for content in (b"", b"hello, this is no such file", whole[:30]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"must be a \.safetensors file; got something else"):
            load_vectors(file)
    safetensors.save_file({"a": np.arange(4)}, file)
    with pytest.raises(DataError, match=r"a must be a matrix of F64, F32, F16, BF16; got I64 of shape \[4\]"):
        load_vectors(file)


def test_parquet(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "v.parquet", {"id": list(range(7)), "embedding": MATRIX.tolist()})
    matrix, ids = load_vectors(file)
    np.testing.assert_array_equal(matrix, MATRIX)
    assert ids == ("0", "1", "2", "3", "4", "5", "6")
    file = write_parquet(tmp_path / "w.parquet", {"v": MATRIX.astype(np.float32).tolist()})
    assert load_vectors(file, column="v")[1] is None
    with pytest.raises(DataError, match=r"unknown column 'embedding'\. There are: v\. See: the columns of"):
        load_vectors(file)


def test_parquet_of_fixed_size_lists(tmp_path: Path) -> None:
    import pyarrow as pa

    flat = pa.array(MATRIX.astype(np.float32).ravel())
    file = write_parquet(tmp_path / "v.parquet", {"embedding": pa.FixedSizeListArray.from_arrays(flat, 3)})
    matrix, _ = load_vectors(file)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, MATRIX.astype(np.float32))


def test_parquet_that_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "v.parquet"
    for values, message in (
        ([[1.0, 2.0], [3.0]], "row 0 has 2 numbers, row 1 has 1, 1 of 2 rows differ from row 0"),
        ([[1.0, 2.0], None], "embedding must hold no nulls; got 1"),
        ([[1.0, None], [1.0, 2.0]], "embedding must hold no nulls; got 1"),
        (["a", "b"], "embedding must be a column of lists of numbers; got string"),
        ([["a"], ["b"]], "embedding must be a column of lists of numbers; got list<"),
        ([[1.0], [float("nan")]], "must be finite; 1 of 2 rows hold NaN or inf, first at row 1"),
    ):
        write_parquet(file, {"embedding": values})
        with pytest.raises(DataError, match=message):
            load_vectors(file)
    file.write_text("hello")
    with pytest.raises(DataError, match="must be a Parquet file; got"):
        load_vectors(file)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)))
def test_json_forms_say_the_same(tmp_path_factory: pytest.TempPathFactory, expected: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("json")
    rows = expected.tolist()
    objects = [{"id": f"row {n}", "embedding": row, "more": [1, "x"]} for n, row in enumerate(rows)]
    names = tuple(f"row {n}" for n in range(len(rows)))
    (folder / "lists.json").write_text(json.dumps(rows))
    (folder / "objects.json").write_text(json.dumps(objects))
    (folder / "lists.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (folder / "objects.jsonl").write_text("\n".join(map(json.dumps, objects)))
    for file, ids in (("lists", None), ("objects", names)):
        for suffix in (".json", ".jsonl"):
            matrix, got = load_vectors(folder / f"{file}{suffix}")
            np.testing.assert_array_equal(matrix, expected)
            assert got == ids


def test_json_under_another_key(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('[{"v": [1, 2]}, {"v": [3, 4.5]}]')
    np.testing.assert_array_equal(load_vectors(tmp_path / "v.json", column="v")[0], [[1, 2], [3, 4.5]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "v.json",
            "[[1, 2], [3]]",
            "{}: embedding must hold lists of one length; row 0 has 2 numbers, row 1 has 1",
        ),
        (
            "v.json",
            "[[1, 2], [3, null]]",
            "{}: row 1: embedding must be a non-empty list of numbers; got [3, None].",
        ),
        (
            "v.json",
            "[[1, 2], [3, true]]",
            "{}: row 1: embedding must be a non-empty list of numbers; got [3, True].",
        ),
        ("v.json", "[[]]", "{}: row 0: embedding must be a non-empty list of numbers; got []."),
        ("v.json", "[]", "{} must hold at least one vector; got none."),
        ("v.json", '{"a": 1}', "{} must be a list of vectors; got dict."),
        ("v.json", "[[1, 2]", "{}:1: must be JSON; "),
        ("v.json", '[{"e": [1]}]', "{}: row 0: embedding must be a non-empty list of numbers; got None."),
        ("v.jsonl", "[1, 2]\n[3, \n", "{}:2: must be JSON; "),
        ("v.jsonl", '[1, 2]\n"a"\n', "{}:2: embedding must be a non-empty list of numbers; got a."),
        (
            "v.jsonl",
            '{"id": 1, "embedding": [1]}\n[2]',
            "{}: id must stand in every row or in none; got it in 1 of 2.",
        ),
        ("v.npy", "hello", "{} must be a .npy file of numbers; got "),
        (
            "v.txt",
            "1 2",
            "vectors must be a file of kind .npy, .safetensors, .parquet, .json, .jsonl; got '{}'.",
        ),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(DataError) as error:
        load_vectors(file)
    assert str(error.value).startswith(message.format(file))


def test_a_key_for_bare_lists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text("[[1, 2]]")
    with pytest.raises(DataError, match="row 0: must be an object with the key 'v'; got a list"):
        load_vectors(tmp_path / "v.json", column="v")


def test_npy_that_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "v.npy"
    for array, message in (
        (np.ones(3), r"must be a matrix \(n, d\) with at least one row and column; got \(3,\)"),
        (np.ones((0, 3)), r"must be a matrix \(n, d\) with at least one row and column; got \(0, 3\)"),
        (np.ones((2, 3), np.int8), r"must hold floats; got dtype int8\. Save it as float32"),
        (
            np.array([[1.0], [np.nan], [np.inf]]),
            "must be finite; 2 of 3 rows hold NaN or inf, first at row 1",
        ),
        (np.array([[{}]], dtype=object), r"must be a \.npy file of numbers; got"),
    ):
        np.save(file, array)
        with pytest.raises(DataError, match=message):
            load_vectors(file)
    np.save(file, MATRIX)
    with pytest.raises(DataError, match=r"column must be left out for a \.npy file"):
        load_vectors(file, column="a")
    with pytest.raises(DataError, match="vectors must be an existing file; got"):
        load_vectors(tmp_path / "none.npy")
