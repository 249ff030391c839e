"""B2NER's own score of answers, `compat="b2ner"`: sets of strings, so that published numbers can be compared with."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from assay.errors import DataError
from assay.ner.score import Counts

LEFT_OUT = ("math-junior", "CAIL2022")  # sets that no average counts

_TIGHT = re.compile(r" ?([,:().;_'-]) ?")
_RUNS = re.compile(r"([,.;])\1+")
_PLAIN = str.maketrans("；：，’‘“”", ";:,''\"\"", "")
_BRACES = str.maketrans("", "", "{}")
_TITLE = re.compile("《(.+?)》")
_WRAPPED = re.compile("[《》<>（）()]+(.+?)[《》<>（）()]+")


def normalised(text: str) -> str:
    """Return an answer, or an item of one, as B2NER compares it.

    In this order: runs of white space become one space, none at the ends or around ``, : ( ) . _ ; ' -``; lower case;
    ``{`` and ``}`` go; runs of ``,``, of ``.`` and of ``;`` become one; ``；：，`` become ASCII; curly quotes become
    straight; ``located`` becomes ``location``, ``organisation`` becomes ``organization``; and of what follows the last
    colon, if there is one, outer ``@`` and ``#`` go, of a ``《title》`` only the first one stays, then outer
    brackets ``《》<>（）()`` go if they stand at both ends.

    Notes
    -----
    Source: the released evaluator of Yang et al., COLING 2025, arXiv 2406.11192. It merges what differs
    (``person: (Bob)`` and ``person: bob``), and keeps apart what does not (``person: Bob.``): for comparison with
    published numbers only.

    Examples
    --------
    >>> normalised("Organization: U . S . Steel"), normalised("work: 《红楼梦》作者")
    ('organization:u.s.steel', 'work:红楼梦')
    """
    text = plain(text)
    before, colon, last = text.rpartition(":")
    if not colon:
        return text
    last = re.sub("[@#]+$", "", re.sub("^[@#]+", "", last))
    if title := _TITLE.search(last):
        last = title[1]
    if wrapped := _WRAPPED.fullmatch(last):
        last = wrapped[1]
    return before + colon + last


def plain(text: str) -> str:
    """Return a text after all of `normalised` but its last step, which is for items alone."""
    text = _TIGHT.sub(r"\1", " ".join(text.split()))
    text = _RUNS.sub(r"\1", text.lower().translate(_BRACES)).translate(_PLAIN)
    return text.replace("located", "location").replace("organisation", "organization")


def item_list(answer: str, *, gpt: bool = False) -> list[str]:
    """Return the normalised items of an answer that have a colon, in order, repeats too.

    `gpt` reads ``A: B, C`` as ``A: B; A: C``, and ``、`` as a comma, as B2NER does with answers of GPT models; it
    also breaks ``location: Paris, Texas``.
    """
    whole = normalised(_spread(answer) if gpt else answer)
    return [item for part in whole.split(";") if ":" in (item := normalised(part))]


def item_set(answer: str, *, gpt: bool = False) -> frozenset[str]:
    """Return what is compared of an answer: the set of its items; see `item_list`."""
    return frozenset(item_list(answer, gpt=gpt))


def _spread(answer: str) -> str:
    items = []
    for item in answer.split(";"):
        label, colon, rest = item.partition(":")
        if colon and re.search("[,、]", item):  # what follows a second colon is lost there too
            items += [f"{label}:{mention}" for mention in re.split("[,、]", rest.partition(":")[0])]
        else:
            items.append(item)
    return ";".join(items)


def compat_counts(
    gold: Sequence[str],
    predicted: Sequence[str],
    *,
    gpt: bool = False,
    ignore_labels: Collection[str] = (),
) -> Counts:
    """Return how many items of answers are right, as B2NER counts: its F1 is ``.strict.f1`` of what is returned.

    Of each sample the two sets of items are compared; what they share (`correct`), and what only one has (`missed`,
    `spurious`), is summed over all samples. Figures that nothing decides are 0.

    Parameters
    ----------
    gold, predicted
        Answers of the same samples in the same order: ``label: entity; label: entity``, or ``None``.
    gpt
        Read predicted answers as those of GPT models; see `item_list`.
    ignore_labels
        Labels whose items are dropped from both sides; B2NER drops none.

    Returns
    -------
    Counts
        Only `gold`, `predicted` and `correct`, of which neither counts a repeated item twice. Compare with published
        numbers, not with `score`, which counts places in texts.

    Raises
    ------
    DataError
        Not as many predicted answers as gold ones.

    Notes
    -----
    O(characters). Source as for `normalised`. Not copied are three faults of its evaluator: given lists, it counts
    the first answer only; its details cannot be asked for after the score; its audit of words that are not in the
    text looks at one item (see `assay.ner.audit`).

    Examples
    --------
    >>> counts = compat_counts(["person: Bob; person: Al"], ["PERSON: @bob; person: Zoe"])
    >>> counts.correct, counts.missed, counts.spurious
    (1, 1, 1)
    """
    return sum(sample_counts(gold, predicted, gpt=gpt, ignore_labels=ignore_labels), Counts())


def sample_counts(
    gold: Sequence[str],
    predicted: Sequence[str],
    *,
    gpt: bool = False,
    ignore_labels: Collection[str] = (),
) -> list[Counts]:
    """Return what `compat_counts` sums, of each sample."""
    if len(gold) != len(predicted):
        raise DataError(
            f"predicted must hold an answer for each of {len(gold)} samples; got {len(predicted)}."
        )
    dropped = tuple(f"{normalised(label)}:" for label in ignore_labels)
    counts = []
    for theirs, ours in zip(gold, predicted, strict=True):
        right, found = item_set(theirs), item_set(ours, gpt=gpt)
        if dropped:
            right, found = (
                frozenset(item for item in side if not item.startswith(dropped)) for side in (right, found)
            )
        counts.append(Counts(len(right), len(found), correct=len(right & found)))
    return counts


def dropped_counts(
    gold: Sequence[str], predicted: Sequence[str], labels: Collection[str], *, gpt: bool = False
) -> dict[str, tuple[int, int]]:
    """Return for each ignored label how many items `sample_counts` drops, gold and predicted."""
    return {label: (_starting(gold, label), _starting(predicted, label, gpt=gpt)) for label in labels}


def _starting(answers: Sequence[str], label: str, *, gpt: bool = False) -> int:
    start = f"{normalised(label)}:"
    return sum(item.startswith(start) for answer in answers for item in item_set(answer, gpt=gpt))


def average_f1(f1s: Mapping[str, float]) -> float | None:
    """Return the average that B2NER publishes of a language: each set counts once, whatever its size.

    The sets ``math-junior`` and ``CAIL2022`` are left out of it. None where no set is left.
    """
    kept = [f1 for name, f1 in f1s.items() if name not in LEFT_OUT]
    return sum(kept) / len(kept) if kept else None
