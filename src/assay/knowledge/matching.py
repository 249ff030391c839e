"""Whether what a model wrote has the answer: five rules, none of them right, so they stand side by side."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from assay._check import choice
from assay.errors import DataError
from assay.knowledge.questions import Question

Test = Callable[[str], bool]
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_OPENING = re.compile(r"([\W_]*)(?:(?:a|an|the) )?")
# scripts that put no spaces between words, so that a word has no edge to be seen
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_IS_LETTER = re.compile(rf"[^\W_{_UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A rule: `prepare` takes the names that count and returns the test of an output."""

    prepare: Callable[[Sequence[str]], Test]
    summary: str
    misleads: str


def _contains(names: Sequence[str]) -> Test:
    wanted = _folded(names)

    def test(output: str) -> bool:
        text = fold(output)
        return any(name in text for name in wanted)

    return test


def _word(names: Sequence[str]) -> Test:
    wanted = _folded(names)

    def test(output: str) -> bool:
        text = fold(output)
        return any(_whole(name, text, at) for name in wanted for at in _places(name, text))

    return test


def _first(names: Sequence[str]) -> Test:
    wanted = _folded(names)

    def test(output: str) -> bool:
        text = fold(output)
        opening = _OPENING.match(text)
        if opening is None:
            return False
        starts = [
            *range(opening.end(1) + 1),
            opening.end(),
        ]  # a name may begin with punctuation or an article
        return any(text.startswith(name, at) and _whole(name, text, at) for name in wanted for at in starts)

    return test


def _begins(names: Sequence[str]) -> Test:
    wanted = _folded(names)

    def test(output: str) -> bool:
        text = fold(output).lstrip()
        return any(text.startswith(name) and _whole(name, text, 0) for name in wanted)

    return test


def _exact(names: Sequence[str]) -> Test:
    wanted = {normalised(name) for name in names} - {""} or {fold(name) for name in names}

    def test(output: str) -> bool:
        lines = output.strip().splitlines()
        return bool(lines) and (normalised(lines[0]) in wanted or fold(lines[0]).strip() in wanted)

    return test


MATCHERS: dict[str, Matcher] = {
    "contains": Matcher(
        _contains,
        "the output has the answer anywhere",
        "parts of words and of longer names, echoes of the subject, late mentions",
    ),
    "word": Matcher(
        _word,
        "the output has the answer anywhere, as whole words",
        "parts of longer names, echoes of the subject, late mentions",
    ),
    "first": Matcher(
        _first, "the output starts with the answer, as whole words; an article may come first", "longer names"
    ),
    "begins": Matcher(
        _begins,
        "the output starts with the answer itself, as whole words, with no article before it",
        "longer names; misses articles",
    ),
    "exact": Matcher(
        _exact,
        "the output's first line is the answer, but for case, articles and punctuation",
        "misses whatever goes on after the answer",
    ),
}


def fold(text: str) -> str:
    """Return a text in compatible characters (NFKC), without case and with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def normalised(text: str) -> str:
    """Return a text as SQuAD compares it, folded first: no punctuation of any script, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", _punctuation().sub("", fold(text))).split())


def matcher(answers: Sequence[str], *, aliases: Sequence[str] = (), rule: str = "contains") -> Test:
    """Return the test whether an output has one of some answers, prepared once for many outputs.

    Parameters
    ----------
    answers, aliases
        Names that count, at least one answer. Alike for every rule.
    rule
        ``contains``: the output has a name anywhere (the paper's rule). ``word``: anywhere, with no letter or digit
        right before or after it; Han, kana and other scripts without spaces have no such edges, so there it is
        ``contains``. ``first``: the output starts with it, as whole words; punctuation and one of *a, an, the* may come
        before. ``begins``: likewise, with nothing before it but blanks. ``exact``: the output's first line is a name,
        without regard to punctuation and articles, as SQuAD's exact match. What ``begins`` takes, ``first`` takes,
        what that takes, ``word``, and what that takes, ``contains``; ``exact`` alone forgives punctuation within a
        name and an article that the name has.

    Returns
    -------
    callable
        From the text that a model wrote, without the prompt, to bool.

    Raises
    ------
    DataError
        For no answer, a name without a character that is printed, or an unknown rule.

    Notes
    -----
    All rules compare in Unicode's compatible form (NFKC) and without case; accents count. Source: Ye et al., EMNLP
    2025, who look for the answer or an alias in the output; how they treat case and word edges is not stated.

    Examples
    --------
    >>> test = matcher(["China"], aliases=["PRC"], rule="word")
    >>> test(" the PRC."), test(" Indochina"), test(" the South China Sea")
    (True, False, True)
    """
    choice("rule", rule, MATCHERS)
    names = list(dict.fromkeys((*answers, *aliases)))
    if not answers:
        raise DataError("answers must have at least one answer; got none.")
    empty = next((name for name in names if not fold(name)), None)
    if empty is not None:
        raise DataError(f"answers must be texts that are not empty; got {empty!r}.")
    return MATCHERS[rule].prepare(names)


def matches(output: str, question: Question, *, rule: str = "contains", aliases: bool = True) -> bool:
    """Return whether an output has an answer of a question, or one of its aliases; see `matcher`.

    Examples
    --------
    >>> question = Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",))
    >>> matches(" Oslo, in the south.", question), matches(" Oslo, in the south.", question, rule="exact")
    (True, False)
    """
    return matcher(question.answers, aliases=question.aliases if aliases else (), rule=rule)(output)


@dataclass(frozen=True, slots=True)
class RuleHits:
    """Hits of one rule: with and without aliases, in percent of the outputs, and how many differ from ``contains``."""

    rule: str
    outputs: int
    hits: int
    percent: float
    hits_without_aliases: int
    unlike_contains: int


def side_by_side(pairs: Iterable[tuple[Question, str]]) -> list[RuleHits]:
    """Return what every rule makes of the same outputs.

    Parameters
    ----------
    pairs
        A question and what was written for it. Pairs of one question that follow each other are prepared once.

    Returns
    -------
    list of RuleHits
        One a rule, in the order of `MATCHERS`. A rule that strays far from the others is the one to look at: much more
        ``contains`` than ``word`` means names inside words, much more ``word`` than ``first`` echoes or late mentions.

    Examples
    --------
    >>> question = Question("1", "Paris Hilton", "P19", "Where was Paris Hilton born?", ("New York City",))
    >>> rows = side_by_side([(question, "New York City"), (question, "She was born in New York City.")])
    >>> [(row.rule, row.hits) for row in rows]
    [('contains', 2), ('word', 2), ('first', 1), ('begins', 1), ('exact', 1)]
    """
    counts = {rule: [0, 0, 0] for rule in MATCHERS}
    outputs, last = 0, None
    tests: dict[str, tuple[Test, Test]] = {}
    for question, output in pairs:
        outputs += 1
        if question is not last:
            last = question
            tests = {
                rule: (
                    matcher(question.answers, aliases=question.aliases, rule=rule),
                    matcher(question.answers, rule=rule),
                )
                for rule in MATCHERS
            }
        plain = tests["contains"][0](output)
        for rule, (with_aliases, without) in tests.items():
            hit = with_aliases(output)
            for place, one in enumerate((hit, without(output), hit != plain)):
                counts[rule][place] += one
    return [
        RuleHits(rule, outputs, hits, 100 * hits / outputs if outputs else 0.0, bare, unlike)
        for rule, (hits, bare, unlike) in counts.items()
    ]


def _folded(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(fold(name) for name in names))


def _places(name: str, text: str) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def _whole(name: str, text: str, at: int) -> bool:
    """Tell whether no letter or digit touches a name in a text, where the name's own end is one."""
    end = at + len(name)
    before = at > 0 and _IS_LETTER.match(name) and _IS_LETTER.match(text[at - 1])
    after = end < len(text) and _IS_LETTER.match(name[-1]) and _IS_LETTER.match(text[end])
    return not before and not after


@cache
def _punctuation() -> re.Pattern[str]:
    """Return an expression for what SQuAD takes away, and the punctuation of other scripts."""
    signs = {chr(code) for code in range(0x10000) if unicodedata.category(chr(code)).startswith("P")}
    return re.compile(f"[{re.escape(''.join(sorted(signs | set(string.punctuation))))}]+")
