"""Measures made of words: how many different ones a text of a given length has."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError, warn

# Han characters and kana one by one
_HAN = (
    r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)

Tokenizer = Callable[[str], Sequence[str]]


def tokens(text: str) -> list[str]:
    """Return the words of a text: runs of letters, their marks and digits, apostrophes and joiners within them.

    Chinese and Japanese characters are words of their own. Text is normalised first (NFKC, and ’ to '), so that
    full-width forms and letters with accents are the same word however they are typed. Everything else separates
    words and is none: spaces, punctuation, hyphens, underscores, emoji. Languages written without spaces, such as
    Thai, have long words.

    Examples
    --------
    >>> tokens("Don't mix 3 things: 中文 too. 👍 ＡＢＣ")
    ["Don't", 'mix', '3', 'things', '中', '文', 'too', 'ABC']
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text).replace("’", "'")
    return _pattern().findall(plain)


@cache
def _pattern() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in (*range(0x300, 0x1E000), *range(0xE0100, 0xE01F0))
                    if unicodedata.category(chr(code))[0] == "M")  # fmt: skip
    letter = rf"(?:(?![{_HAN}])[^\W_][{marks}]*)"
    return re.compile(rf"[{_HAN}]|{letter}+(?:['\u200c\u200d]{letter}+)*")


def ttr(
    texts: Sequence[str],
    *,
    n_tokens: int = 30,
    tokenizer: Tokenizer = tokens,
    lowercase: bool = True,
    level: Literal["sample", "corpus"] = "sample",
) -> float:
    """Return the expected share of different words among `n_tokens` words drawn from a text, mean over texts.

    Higher means more diverse. Drawing the same number of words everywhere takes the length of texts out; at
    ``level="corpus"`` all texts are one, and the value grows with their number.

    Parameters
    ----------
    texts : sequence of str
    n_tokens : int
        Words drawn without replacement. The paper's 30 is unverified.
    tokenizer : callable
        From a text to its words, by default `assay.diversity.lexical.tokens`; the paper's is unknown.
    lowercase : bool
        Whether case is ignored.
    level : {"sample", "corpus"}

    Returns
    -------
    float
        In 0..1.

    Raises
    ------
    DataError
        No text has `n_tokens` words.

    Warns
    -----
    AssayWarning
        Some texts are shorter and were left out.

    Notes
    -----
    The expectation is exact (hypergeometric), the only method, so there is no seed: for type counts c with sum T,
    E[types] = sum over types of 1 - C(T - c, N) / C(T, N). O(words).
    Source: Richards 1987.

    Examples
    --------
    >>> ttr(["a b a b"], n_tokens=2)
    0.8333333333333334
    """
    _check.choice("level", level, ("sample", "corpus"))
    _check.whole("n_tokens", n_tokens, 1)
    counts = _counts(texts, tokenizer, lowercase, level)
    long = [c for c in counts if c.sum() >= n_tokens]
    _left_out(len(counts) - len(long), len(counts), f"n_tokens={n_tokens}", f"fewer than {n_tokens} words")
    return float(np.mean([_expected_types(c, np.array([n_tokens]))[0] / n_tokens for c in long]))


def vocd_d(
    texts: Sequence[str],
    *,
    n_min: int = 35,
    n_max: int = 50,
    method: Literal["exact", "sampled"] = "exact",
    within_sample: int = 100,
    iterations: int = 3,
    seed: int = 0,
    on_unbounded: Literal["exclude", "cap", "median"] = "exclude",
    tokenizer: Tokenizer = tokens,
    lowercase: bool = True,
) -> float:
    """Return the vocabulary diversity D that best explains how the type-token ratio falls with length, mean over texts.

    Higher means more diverse.

    Parameters
    ----------
    texts : sequence of str
        Texts of at most `n_max` words are left out, with a warning.
    n_min, n_max : int
        Lengths at which the curve is fitted. 35 and 50 are lexicalrichness's defaults; the paper's are unverified.
    method : {"exact", "sampled"}
        Expected ratios (no seed), or means over `within_sample` draws, the fit repeated `iterations` times.
    within_sample, iterations, seed : int
        Of the sampled method.
    on_unbounded : {"exclude", "cap", "median"}
        D has no bound where all words of a text differ. Leave such texts out, count them as the largest other D,
        or as the median of the others; a warning says how many there were.
    tokenizer, lowercase
        As in `ttr`.

    Returns
    -------
    float
        Above 0.

    Raises
    ------
    DataError
        No text is long enough and has a repeated word.

    Notes
    -----
    Least squares of TTR(N) = (D / N) (sqrt(1 + 2 N / D) - 1) in log D. O(16 types) a text.
    Source: Malvern et al. 2004; McCarthy & Jarvis 2010.

    Examples
    --------
    >>> round(vocd_d([" ".join("abcdefghijklmnopqrst") + " " + " ".join("abcdefghijklmnopqrst" * 4)]), 4)
    7.5606
    """
    _check.choice("method", method, ("exact", "sampled"))
    _check.choice("on_unbounded", on_unbounded, ("exclude", "cap", "median"))
    _check.whole("within_sample", within_sample, 1)
    _check.whole("iterations", iterations, 1)
    if not 1 <= _check.whole("n_min", n_min) <= _check.whole("n_max", n_max):
        raise DataError(f"n_min and n_max must be 1 <= n_min <= n_max; got {n_min} and {n_max}.")
    counts = _counts(texts, tokenizer, lowercase, "sample")
    long = [c for c in counts if c.sum() > n_max]
    _left_out(len(counts) - len(long), len(counts), f"n_max={n_max}", f"at most {n_max} words")
    sizes = np.arange(n_min, n_max + 1)
    rng = np.random.default_rng(seed)
    found, unbounded = [], 0
    for c in long:
        if c.max() == 1:
            unbounded += 1
        elif method == "exact":
            found.append(_fit(sizes, _expected_types(c, sizes) / sizes))
        else:
            curves = [_sampled_ratios(c, sizes, within_sample, rng) for _ in range(iterations)]
            found.append(float(np.mean([_fit(sizes, curve) for curve in curves])))
    if not found:
        raise DataError(
            f"vocd_d needs a text of more than {n_max} words with a repeated word; none of {len(texts)} is."
        )
    if unbounded:
        treatment = {
            "exclude": "left out",
            "cap": "counted as the largest other value",
            "median": "counted as the median",
        }
        warn(
            f"{unbounded} of {len(long)} texts repeat no word, so that their D has no bound; they are "
            f"{treatment[on_unbounded]}."
        )
        if on_unbounded != "exclude":
            found += [max(found) if on_unbounded == "cap" else float(np.median(found))] * unbounded
    return float(np.mean(found))


def _counts(
    texts: Sequence[str], tokenizer: Tokenizer, lowercase: bool, level: str
) -> list[NDArray[np.int64]]:
    """Return the counts of the different words of each text, or of all together."""
    if isinstance(texts, str) or not len(texts):
        raise DataError(f"texts must be a non-empty sequence of texts; got {texts!r}.")
    counters = (Counter(tokenizer(text.lower() if lowercase else text)) for text in texts)
    if level == "corpus":
        total: Counter[str] = Counter()
        for counter in counters:
            total.update(counter)
        return [np.fromiter(total.values(), dtype=np.int64, count=len(total))]
    return [np.fromiter(counter.values(), dtype=np.int64, count=len(counter)) for counter in counters]


def _left_out(short: int, all_of_them: int, option: str, what: str) -> None:
    if short == all_of_them:
        raise DataError(f"texts must have enough words for {option}; all {all_of_them} have {what}.")
    if short:
        warn(f"{short} of {all_of_them} texts have {what} and are left out.")


def _expected_types(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the expected number of different words in draws of each size without replacement."""
    from scipy.special import gammaln

    value, times = np.unique(counts, return_counts=True)
    total = int(counts.sum())
    left, size = total - value[:, None], sizes[None, :]
    inside = left >= size
    with np.errstate(invalid="ignore"):
        missed = np.exp(
            gammaln(left + 1)
            + gammaln(total - size + 1)
            - gammaln(np.maximum(left - size, 0) + 1)
            - gammaln(total + 1)
        )
    return np.asarray((times[:, None] * (1.0 - np.where(inside, missed, 0.0))).sum(axis=0))


def _sampled_ratios(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    words = np.repeat(np.arange(len(counts)), counts)
    return np.array(
        [
            np.mean([len(np.unique(rng.choice(words, n, replace=False))) / n for _ in range(draws)])
            for n in sizes
        ]
    )


def _fit(sizes: NDArray[np.int64], ratios: NDArray[np.float64]) -> float:
    """Return the D whose curve is nearest to the ratios."""
    from scipy.optimize import minimize_scalar

    def gap(log_d: float) -> float:
        d = np.exp(log_d)
        curve = d / sizes * (np.sqrt(1 + 2 * sizes / d) - 1)
        return float(((curve - ratios) ** 2).sum())

    found = minimize_scalar(
        gap, bounds=(np.log(1e-3), np.log(1e7)), method="bounded", options={"xatol": 1e-10}
    )
    return float(np.exp(found.x))
