"""The encoder without weights."""

from __future__ import annotations

import numpy as np
import pytest

from assay.embed import resolve, tfidf
from assay.errors import DataError

TEXTS = [
    f"Write a {kind} about {topic}."
    for kind in ("poem", "story", "letter")
    for topic in ("rain", "tea", "war")
]
TEXTS += ["写一首关于雨的诗。", "写一个关于茶的故事。", "", "half \ud83d"]


def fitted(texts: list[str]) -> tfidf.TfidfEncoder:
    encoder = resolve("tfidf")
    assert isinstance(encoder, tfidf.TfidfEncoder)
    return encoder.fit(texts)


def test_it_must_be_fitted_first() -> None:
    encoder = resolve("tfidf")
    with pytest.raises(DataError, match=r"encoder 'tfidf' must be fitted before use.*Call fit\(texts\)\."):
        encoder.encode(["a"])
    with pytest.raises(DataError, match="must be fitted before use"):
        _ = encoder.fingerprint
    with pytest.raises(DataError, match="texts must hold at least one text to fit on; got none"):
        fitted([])


def test_rows_are_unit_and_lexical() -> None:
    vectors = fitted(TEXTS).encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (13, 14)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    near = vectors @ vectors.T
    assert near[9, 10] > near[9, 0] + 0.1  # the two Chinese texts
    assert near[0, 1] > near[0, 10] + 0.1


def test_an_empty_text_is_its_own_direction() -> None:
    encoder = fitted(TEXTS)
    vectors = encoder.encode(["", "  \n", "Write a poem about rain."])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0, -1] == 1
    assert vectors[0] @ vectors[2] == 0


@pytest.mark.parametrize("texts", [[""], ["a"], ["same", "same"]])
def test_tiny_sets_have_vectors(texts: list[str]) -> None:
    vectors = fitted(texts).encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_fit_knows_neither_order_nor_copies() -> None:
    one, other = fitted(TEXTS), fitted(TEXTS[::-1] + TEXTS[:3])
    assert one.fingerprint == other.fingerprint
    assert one.encode(TEXTS).tobytes() == other.encode(TEXTS).tobytes()
    assert fitted(TEXTS[:-1]).fingerprint != one.fingerprint


def test_company_does_not_change_a_byte() -> None:
    encoder = fitted(TEXTS)
    assert encoder.encode(TEXTS)[4:5].tobytes() == encoder.encode(TEXTS[4:5]).tobytes()
    assert encoder.encode([]).shape == (0, 14)


def test_a_large_set_is_fitted_on_a_seeded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number} bottles of {number * 7}" for number in range(60)]
    whole = fitted(texts).encode(texts)
    monkeypatch.setattr(tfidf, "FIT_AT_MOST", 20)
    part = fitted(texts)
    assert part.encode(texts).shape == (60, 21)
    assert whole.shape == (60, 61)
    assert part.encode(texts).tobytes() == fitted(texts).encode(texts).tobytes()


def test_similarities_are_those_of_full_tfidf_when_nothing_is_cut() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = TEXTS[:11]
    exact = TfidfVectorizer(analyzer="char_wb", ngram_range=tfidf.NGRAMS, sublinear_tf=True).fit_transform(
        texts
    )
    vectors = fitted(texts).encode(texts)
    np.testing.assert_allclose(vectors @ vectors.T, (exact @ exact.T).toarray(), atol=0.02)
