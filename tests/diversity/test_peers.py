"""The same numbers as other packages and as the authors' calls, where they are there to be asked."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.diversity import partition_entropy, ttr, vendi_score, vocd_d
from assay.diversity.lexical import tokens

ORDERS = [0.5, 1, 2, 3, "inf"]


@pytest.fixture(scope="module")
def peer():
    with warnings.catch_warnings():  # both import what warns
        warnings.simplefilter("ignore")
        import lexicalrichness
        from vendi_score import vendi

    return lexicalrichness.LexicalRichness, vendi


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(60, 8), (12, 40)])
def test_vendi_score_is_that_of_its_authors(peer, monkeypatch, shape, order):
    _, vendi = peer
    rows = np.random.default_rng(0).normal(size=shape)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    value = vendi_score(rows, order=float(order))
    _let_it_run(monkeypatch, vendi)
    wide = shape[0] <= shape[1]
    # the larger of the two matrices has eigenvalues that are rounding: they count at small orders, and here they do not
    if wide or order != 0.5:
        assert_allclose(vendi.score_K(unit @ unit.T, q=order), value, rtol=1e-9)
    if not wide or order != 0.5:
        assert_allclose(vendi.score_dual(rows, q=order), value, rtol=1e-9)


def _let_it_run(monkeypatch, vendi):
    """vendi-score 0.0.3 asks scipy for a module that newer ones lack."""
    import scipy.sparse

    class csr:
        csr_matrix = scipy.sparse.csr_matrix

    monkeypatch.setattr(scipy.sparse, "csr", csr, raising=False)


TEXT = """
The heron stood in the shallow water and waited. A boat went by, and a second boat, and the water rose and fell
around its thin legs. When the last wave had gone the heron was still there, looking at the same stone as before.
Then it took one slow step, and another, and the fish that had come back with the calm was gone as well. A child on
the bridge saw it all and said nothing for a long while, as if the bird had asked for silence and had been heard.
"""


@pytest.mark.parametrize("draws", [5, 30, 42])
def test_ttr_is_the_hypergeometric_diversity_of_lexicalrichness(peer, draws):
    lexical, _ = peer
    assert_allclose(ttr([TEXT], n_tokens=draws), lexical(TEXT, tokenizer=_lower).hdd(draws=draws), rtol=1e-10)


def _lower(text):
    return tokens(text.lower())


def test_vocd_d_is_that_of_lexicalrichness_within_its_sampling(peer):
    lexical, _ = peer
    state = random.getstate()  # it seeds Python's own generator
    try:
        draws = [lexical(TEXT, tokenizer=_lower).vocd(within_sample=200, seed=seed) for seed in range(5)]
    finally:
        random.setstate(state)
    noise = np.std(draws, ddof=1)
    assert abs(vocd_d([TEXT]) - np.mean(draws)) < 3 * noise
    sampled = vocd_d([TEXT], method="sampled", within_sample=200, seed=1)
    assert abs(sampled - np.mean(draws)) < 4 * noise


def test_partition_entropy_is_what_the_authors_program_calls():
    import faiss

    rng = np.random.default_rng(3)
    pool = rng.normal(size=(3000, 6)).astype(np.float32)
    rows = pool[:400]
    kmeans = faiss.Kmeans(6, 10, niter=20, seed=42, max_points_per_centroid=256)
    kmeans.train(pool)
    _, cell = kmeans.index.search(rows, 1)
    share = np.bincount(cell[:, 0], minlength=10) / 400
    official = partition_entropy(
        rows, reference=pool, n_clusters=10, max_points_per_centroid=256, log_base="2", seed=42
    )
    assert_allclose(official, -(share * np.log2(share)).sum(), rtol=1e-12)
    assert official != partition_entropy(rows, reference=pool, n_clusters=10, log_base="2", seed=42)
