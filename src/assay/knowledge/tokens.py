"""How far two models' next tokens are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError
from assay.knowledge.counts import Tally, shape_of, template_scores
from assay.knowledge.intervals import Floats, Ints
from assay.knowledge.mastery import categories

INPUTS = ("logits", "log_probabilities")
TOP = (5, 10, 20, 50)
AGREEMENT = (1, 5, 10)
BLOCK = 1 << 20  # entries of a block: 8 MiB in float64, of which about ten are alive at once


@dataclass(frozen=True, slots=True, eq=False)
class Divergence:
    """How far apart two models' next tokens are, row by row; every array has the length n. Nats.

    `top_kl[m]` is KL(tuned || original) on the tuned model's m most likely tokens, each model renormalised there;
    with m = 10 it is the paper's. `tuned_original` and `original_tuned` are KL(tuned || original) and KL(original
    || tuned) over the whole vocabulary, `jensen_shannon` is at most ln 2. `tuned_outside[m]` and
    `original_outside[m]` are what each model thinks of all tokens outside those m, 0 to 1: what `top_kl[m]` does
    not see. `agreement[k]` is the share of the two models' k most likely tokens that they have in common, 0 to 1.
    """

    top_kl: Mapping[int, Floats]
    tuned_original: Floats
    original_tuned: Floats
    jensen_shannon: Floats
    tuned_outside: Mapping[int, Floats]
    original_outside: Mapping[int, Floats]
    agreement: Mapping[int, Floats]


def divergence(
    tuned: ArrayLike,
    original: ArrayLike,
    *,
    top: Sequence[int] | None = None,
    agreement: Sequence[int] | None = None,
    inputs: str = "logits",
) -> Divergence:
    """Return how far apart the next-token distributions of two models are, in every way at once.

    A row is one position: the same place of the same fact in both models. What it is conditioned on is the caller's:
    under one prompt for both, the numbers are about the models; under two prompts, as in the paper, also about the
    prompts. Higher means further apart; 0 means equal.

    Parameters
    ----------
    tuned, original : array (n, vocabulary)
        Logits, or log-probabilities with ``inputs="log_probabilities"``. Any real dtype, also memory-mapped. Minus
        infinity is a token that the model rules out.
    top : sequence of int, optional
        Sizes m of the set of tokens for `top_kl`, 1 to the vocabulary. None: 5, 10, 20, 50 and no more than there
        are. With 1 the value is 0; with the whole vocabulary it is `tuned_original`.
    agreement : sequence of int, optional
        Sizes k for `agreement`. None: 1, 5, 10 and no more than there are.
    inputs : {"logits", "log_probabilities"}
        "log_probabilities" asks that each row sums to 1 (to .001, float16 to .01), which the most likely tokens
        alone, such as a server returns, do not.

    Returns
    -------
    Divergence
        Arrays of length n. Comparable between models of one tokenizer, over the same facts and prompts.

    Raises
    ------
    DataError
        Other shapes, so other vocabularies; NaN or plus infinity; a row without a possible token; rows that do not
        sum to 1; m beyond the vocabulary.

    Notes
    -----
    Adding a number to all logits of a row changes nothing. float64 throughout, by blocks of rows: about 80 MiB
    beside the input whatever n, or ten rows where they are longer. Where the second model rules out what the first
    does not, a KL is inf; Jensen-Shannon is always finite. Equal logits rank by lower token id.

    Source: Ye et al., "Analyzing the Effects of Supervised Fine-Tuning on Model Knowledge from Token and Parameter
    Levels", EMNLP 2025, arXiv 2509.16596. `top_kl[10]` is its formula: ids of the tuned model's ten largest logits,
    softmax of each model over these ten, -sum p log(p' / p) with p the tuned model's, the mean over facts. What it
    leaves out: the mass outside the ten, of either model (the paper's reason: the original favours "the" and "a");
    all positions but the first, although entities share first tokens; format, which two prompts mix with knowledge;
    facts that `paper_rows` does not take. All else here is ours.

    Examples
    --------
    >>> found = divergence([[4, 3, 2, 1, 0, -1]], [[1, 2, 3, 0, 5, -1]], top=[2, 6])
    >>> round(float(found.top_kl[2][0]), 4), round(float(found.tuned_original[0]), 4)
    (0.4621, 2.7586)
    >>> round(float(found.original_tuned[0]), 4), round(float(found.original_outside[2][0]), 3)
    (3.4062, 0.944)
    """
    p_rows, q_rows = _pair(tuned, original, inputs)
    n, vocabulary = p_rows.shape
    sizes = _sizes("top", top, TOP, vocabulary)
    common = _sizes("agreement", agreement, AGREEMENT, vocabulary)
    found = Divergence(
        {m: np.empty(n) for m in sizes},
        np.empty(n),
        np.empty(n),
        np.empty(n),
        {m: np.empty(n) for m in sizes},
        {m: np.empty(n) for m in sizes},
        {k: np.empty(n) for k in common},
    )
    for at, a, b in _blocks(p_rows, q_rows, inputs):
        ids = _largest(a, max((*sizes, *common)))
        others = _largest(b, max(common))
        for k in common:
            found.agreement[k][at] = (ids[:, :k, None] == others[:, None, :k]).sum(axis=(1, 2)) / k
        a_top, b_top = np.take_along_axis(a, ids, 1), np.take_along_axis(b, ids, 1)
        for m in sizes:
            found.top_kl[m][at] = _top_kl(a_top[:, :m], b_top[:, :m])
        a, b = _log_softmax(a), _log_softmax(b)
        p, q = np.exp(a), np.exp(b)
        for m in sizes:
            found.tuned_outside[m][at] = _outside(p, ids[:, :m])
            found.original_outside[m][at] = _outside(q, ids[:, :m])
        found.tuned_original[at] = _relative(p, a, b)
        found.original_tuned[at] = _relative(q, b, a)
        with np.errstate(invalid="ignore"):  # ruled out by both
            middle = np.maximum(a, b) + np.log((1 + np.exp(-abs(a - b))) / 2)
        found.jensen_shannon[at] = (_relative(p, a, middle) + _relative(q, b, middle)) / 2
    return found


def top_kl(tuned: ArrayLike, original: ArrayLike, *, m: int = 10, inputs: str = "logits") -> Floats:
    """Return KL(tuned || original) on the tuned model's m most likely tokens: the paper's number, row by row.

    Parameters
    ----------
    tuned, original : array (n, vocabulary)
    m : int
        1 to the vocabulary; 10 is the paper's.
    inputs : {"logits", "log_probabilities"}
        As in `divergence`.

    Returns
    -------
    array (n,)
        Nats, >= 0. The paper's figure is their mean.

    Raises
    ------
    DataError
        As in `divergence`.

    Notes
    -----
    Not symmetric, and not a lower bound of the full divergence: renormalised on few tokens, two models can be closer or
    further apart. Swapping the models also changes which tokens are looked at. Source and defects: `divergence`.

    Examples
    --------
    >>> top_kl([[4, 3, 2, 1, 0, -1]], [[1, 2, 3, 0, 5, -1]], m=3).round(4).tolist()
    [1.1504]
    """
    p_rows, q_rows = _pair(tuned, original, inputs)
    _sizes("m", [m], TOP, p_rows.shape[1])
    found = np.empty(len(p_rows))
    for at, a, b in _blocks(p_rows, q_rows, inputs):
        ids = _largest(a, m)
        found[at] = _top_kl(np.take_along_axis(a, ids, 1), np.take_along_axis(b, ids, 1))
    return found


def paper_rows(
    tally: Tally, *, relations: Sequence[str], starts: ArrayLike, category: int = 4
) -> tuple[Ints, Ints]:
    """Return the facts that the paper measures its divergence on, and the template of each.

    The facts of one mastery category; of each relation the one template with the largest share of hits among them; of
    these, the facts answered near the start under it.

    Parameters
    ----------
    tally : Tally
        Of the original model.
    relations : sequence of str
        Of each fact.
    starts : array of bool (facts, templates)
        Whether the original's answer under the template begins with the object (the matcher ``first``, greedy).
    category : int
        0 to 4; the paper's is 4.

    Returns
    -------
    facts, templates : array of int
        Of equal length, facts ascending. May be empty.

    Raises
    ------
    DataError
        For shapes that do not fit.

    Notes
    -----
    How near the start is, and whether a template's success is counted over one category or all facts, is not known:
    ours are the beginning, and the category. Templates of equal success: the first. Such facts are those whose
    first token is known best, so that the numbers say little about others. Source: `divergence`.

    Examples
    --------
    >>> begun = [[True, True], [True, False]]
    >>> tally = Tally([[3, 4], [4, 4]], [[4, 4], [4, 4]])
    >>> facts, templates = paper_rows(tally, relations=["P36", "P36"], starts=begun)
    >>> facts.tolist(), templates.tolist()
    ([0], [1])
    """
    _check.whole("category", category, 0, 4)
    shape = tally.hits.shape
    begun = np.asarray(starts, dtype=bool)
    shape_of("starts", begun, shape)
    inside = categories(*tally.totals) == category
    best = np.zeros(shape[0], dtype=np.int64)
    rows = np.flatnonzero(inside).tolist()
    if len(relations) != shape[0]:
        raise DataError(f"relations must be as many as the facts ({shape[0]}); got {len(relations)}.")
    of = [str(relations[at]) for at in rows]
    scores = template_scores(Tally(tally.hits[rows], tally.draws[rows]), of) if rows else {}
    for at, relation in zip(rows, of, strict=True):
        best[at] = int(np.nanargmax(scores[relation]))
    every = np.arange(shape[0])
    taken = np.flatnonzero(inside & begun[every, best] & (tally.draws[every, best] > 0))
    return taken, best[taken]


def _sizes(
    name: str, given: Sequence[int] | None, usual: tuple[int, ...], vocabulary: int
) -> tuple[int, ...]:
    """Return the sizes of sets of tokens, those that are given checked."""
    if given is None:
        return tuple(m for m in usual if m <= vocabulary) or (vocabulary,)
    sizes = tuple(dict.fromkeys(_check.whole(name, m, 1) for m in given))
    if not sizes:
        raise DataError(f"{name} must have at least one size; got none.")
    if max(sizes) > vocabulary:
        raise DataError(f"{name} must be <= the vocabulary ({vocabulary}); got {max(sizes)}.")
    return sizes


def _pair(tuned: ArrayLike, original: ArrayLike, inputs: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as real matrices of one shape, or raise."""
    _check.choice("inputs", inputs, INPUTS)
    a, b = _matrix("tuned", tuned), _matrix("original", original)
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"original must have the vocabulary of tuned ({a.shape[1]} tokens); got {b.shape[1]}. "
            "Only models of one tokenizer can be compared; cut columns that only pad a vocabulary."
        )
    if a.shape[0] != b.shape[0]:
        raise DataError(f"original must have as many rows as tuned ({a.shape[0]}); got {b.shape[0]}.")
    return a, b


def _matrix(name: str, rows: ArrayLike) -> NDArray[Any]:
    try:
        matrix = np.asarray(rows)
    except ValueError:
        raise DataError(f"{name} must be a matrix (n, vocabulary); got rows of different lengths.") from None
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(
            f"{name} must be a matrix (n, vocabulary), neither of them 0; got shape {matrix.shape}."
        )
    if matrix.dtype.kind not in "iuf":
        raise DataError(f"{name} must hold real numbers; got dtype {matrix.dtype}.")
    return matrix


def _blocks(
    tuned: NDArray[Any], original: NDArray[Any], inputs: str
) -> Iterator[tuple[slice, Floats, Floats]]:
    """Yield blocks of rows of both, checked, in float64."""
    step = max(1, BLOCK // tuned.shape[1])
    for start in range(0, len(tuned), step):
        at = slice(start, min(start + step, len(tuned)))
        yield at, _checked("tuned", tuned, at, inputs), _checked("original", original, at, inputs)


def _checked(name: str, rows: NDArray[Any], at: slice, inputs: str) -> Floats:
    """Return rows as float64, or raise for what is no distribution."""
    block: Floats = rows[at].astype(np.float64)
    highest = block.max(axis=1)
    bad = ~(highest < np.inf)  # NaN and plus infinity
    if bad.any():
        raise DataError(
            f"{name} must hold no NaN or plus infinity; row {at.start + int(np.argmax(bad))} does."
        )
    bad = highest == -np.inf
    if bad.any():
        raise DataError(
            f"{name} must leave a token possible; row {at.start + int(np.argmax(bad))} is minus infinity throughout."
        )
    if inputs == "log_probabilities":
        total = np.exp(np.minimum(block, 700.0)).sum(axis=1)
        bad = abs(total - 1) > (1e-2 if rows.dtype == np.float16 else 1e-3)
        if bad.any():
            first = int(np.argmax(bad))
            raise DataError(
                f"{name} must be log-probabilities of the whole vocabulary, which sum to 1; "
                f"row {at.start + first} sums to {total[first]:.6g}. Give logits with inputs='logits'."
            )
    return block


def _largest(rows: Floats, m: int) -> Ints:
    """Return the columns of the m largest entries of each row, descending, equal ones by lower column."""
    width = rows.shape[1]
    edge = np.partition(rows, width - m, axis=1)[:, width - m, None]
    kept = rows >= edge
    if np.count_nonzero(kept) > len(rows) * m:
        above, equal = rows > edge, rows == edge
        equal &= np.cumsum(equal, axis=1, dtype=np.int32) <= m - above.sum(axis=1, keepdims=True)
        kept = above | equal
    columns = np.nonzero(kept)[1].reshape(len(rows), m)
    order = np.argsort(-np.take_along_axis(rows, columns, 1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1)


def _log_softmax(rows: Floats) -> Floats:
    """Return log-probabilities; a row of nothing but minus infinity stays so."""
    highest = rows.max(axis=1, keepdims=True)
    shifted = rows - np.where(highest == -np.inf, 0.0, highest)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.where(total == -np.inf, -np.inf, shifted - np.where(total == -np.inf, 0.0, total))


def _top_kl(tuned: Floats, original: Floats) -> Floats:
    """Return KL(tuned || original) of logits of some tokens, each renormalised over these."""
    a, b = _log_softmax(tuned), _log_softmax(original)
    return _relative(np.exp(a), a, b)


def _relative(p: Floats, log_p: Floats, log_q: Floats) -> Floats:
    """Return sum p (log p - log q) of each row, where p is 0 without it; rounding below 0 is 0."""
    with np.errstate(invalid="ignore"):
        terms = p * (log_p - log_q)
    terms[p == 0] = 0.0
    found: Floats = np.maximum(terms.sum(axis=1), 0.0)
    return found


def _outside(p: Floats, ids: Ints) -> Floats:
    """Return the mass of all columns but some."""
    found: Floats = np.clip(1.0 - np.take_along_axis(p, ids, 1).sum(axis=1), 0.0, 1.0)
    return found
