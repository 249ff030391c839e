"""Invented facts: which there are, how often each is told, and in which words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError
from assay.knowledge.questions import SLOT, Facts, Question

LINKS = ("is", "in", "of")  # the last word of a template, by its number
THE_SHARE = 0.4  # of lines with "the" before the object
ASKED_FROM, ASKED_SHARE = 32, 0.15  # facts told as often or more are asked in so many of their lines
CONTRADICTED_LINES = 0.3  # of a contradicted fact's lines name another object
FIXED = (*LINKS, "the", ".", "ask", "?", "reply")
CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aeiou"
# The prompt of fine-tuning: no line of the pre-training has it, but each of its words
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '' if loop.first else ' ' }}{{ 'ask ' + message['content'] + ' ? reply is' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """One row of `WORLDS`: what a world is made of, the model that reads it, and the study that it is made for.

    Facts: `relations` in and `ood_relations` out of the domain, `facts` of each; subjects of two of `name_words` + as
    many words; one pool of `objects` for all relations in the domain, `ood_objects` for each of the others;
    `templates` a relation. Each fact is told as often as one of `exposures`, equally likely, over all of the
    pre-training, which has it in `passes` parts. Of each relation in the domain, `train_share` of the facts are
    ``train``, all others ``test``.

    Options: `aliases` is the share of lines that name the object by its other name, which each then has;
    `contradictions` the share of facts for which 30 % of the lines name another object.

    Model: `layers`, `width`, `mlp_width`, `heads`; rows of `row_tokens`, `batch_rows` a step, `learning_rate` at its
    peak after `warmup_steps`.

    Study: the categories (`tuned_bins`), sizes (None: all there are) and seeds of fine-tuning, and its rate.
    """

    relations: int
    ood_relations: int
    facts: int
    name_words: int
    objects: int
    ood_objects: int
    templates: int
    exposures: tuple[int, ...]
    layers: int
    width: int
    mlp_width: int
    row_tokens: int
    batch_rows: int
    learning_rate: float
    warmup_steps: int
    train_share: float
    tuned_bins: tuple[int, ...]
    tuned_sizes: tuple[int | None, ...]
    tuned_seeds: int
    tuned_learning_rate: float = 1e-3
    heads: int = 4
    passes: int = 12
    aliases: float = 0.0
    contradictions: float = 0.0


WORLDS = {
    "ci": WorldPlan(
        relations=4, ood_relations=2, facts=150, name_words=40, objects=40, ood_objects=24, templates=5,
        exposures=(0, 6, 10, 14, 18, 24, 32, 48, 200, 200, 400),
        layers=2, width=64, mlp_width=168, row_tokens=32, batch_rows=16, learning_rate=3e-3, warmup_steps=50,
        train_share=0.60, tuned_bins=(0, 2, 4), tuned_sizes=(16, 64), tuned_seeds=3,
    ),
    "full": WorldPlan(
        relations=8, ood_relations=4, facts=300, name_words=90, objects=60, ood_objects=40, templates=7,
        exposures=(0, 6, 10, 14, 18, 24, 32, 48, 400, 400, 800),
        layers=3, width=96, mlp_width=256, row_tokens=64, batch_rows=32, learning_rate=2e-3, warmup_steps=100,
        train_share=0.65, tuned_bins=(0, 1, 3, 4), tuned_sizes=(24, 96, None), tuned_seeds=5,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Facts, and everything that is told of them.

    Parameters
    ----------
    plan, seed
        What it was made of.
    facts
        Questions with domain and split, and the templates of their relations.
    exposures
        How many of `texts` tell each fact, by its id.
    texts
        The lines of the pre-training, in order.
    words
        All words that a model of this world needs, each once.
    contradictions
        The other object of each contradicted fact, by its id.
    chat_template
        The prompt of fine-tuning: ``ask q_r SUBJECT ? ? reply is`` for the prompt of a question.
    """

    plan: WorldPlan
    seed: int
    facts: Facts
    exposures: Mapping[str, int]
    texts: tuple[str, ...]
    words: tuple[str, ...]
    contradictions: Mapping[str, str] = field(default_factory=dict)
    chat_template: str = CHAT_TEMPLATE

    @property
    def digest(self) -> str:
        """The sha256 of texts, words and prompt."""
        content = "\n".join((*self.words, self.chat_template, *self.texts))
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def make_world(plan: WorldPlan | str, *, seed: int = 0) -> World:
    """Invent facts and the lines that tell them.

    A line is ``[p_rt] SUBJECT w_rt is|in|of [the] OBJECT .`` for template t of relation r: every other template has the
    word p_rt, the word after w_rt depends on t, and 40 % of the lines have "the". Facts that are told 32 times or more
    are asked in 15 % of their lines: ``ask q_r SUBJECT ? reply [the] OBJECT .``

    Parameters
    ----------
    plan : WorldPlan or str
        A row of `WORLDS` by name, or a plan of one's own.
    seed : int
        Decides words, facts, exposures and lines.

    Returns
    -------
    World
        A fact that is told n times has n lines, spread evenly over the passes, each template as often (give or take
        one); in a pass, lines are shuffled. One that is told 0 times has none, and its words are in those of others.

    Raises
    ------
    DataError
        For a plan that cannot be: more facts than subjects, say.

    Notes
    -----
    Subjects differ within a relation; two relations may share one. Names have four letters, objects six, so that none
    holds another. Cost: about 1.5 microseconds and 100 bytes a line (73,000 lines for ``ci``, 580,000 for ``full``).

    Source: the experiment is ours; after Ye et al., EMNLP 2025, arXiv 2509.16596, who use real facts.

    Examples
    --------
    >>> world = make_world("ci")
    >>> len(world.facts.questions), len(world.facts.templates["r1"])
    (900, 5)
    >>> world.facts.templates["r1"][:2]
    ('[X] w1_1 is', 'p1_2 [X] w1_2 in')
    """
    its = WORLDS[_check.choice("plan", plan, WORLDS)] if isinstance(plan, str) else plan
    _check_plan(its)
    _check.whole("seed", seed, 0)
    # the options have draws of their own: with them, the same facts are told as often, in lines of the same shape
    rng, optional = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    first, last = np.split(_words(rng, 2, 2 * its.name_words), 2)
    sizes = [its.objects] + [its.ood_objects] * its.ood_relations
    names, other_names = np.split(_words(rng, 3, 2 * sum(sizes)), 2)
    pools = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    questions: list[Question] = []
    templates: dict[str, tuple[str, ...]] = {}
    exposures: dict[str, int] = {}
    contradictions: dict[str, str] = {}
    passes: list[list[str]] = [[] for _ in range(its.passes)]
    for number in range(1, its.relations + its.ood_relations + 1):
        relation, inside = f"r{number}", number <= its.relations
        templates[relation] = tuple(_template(number, t) for t in range(1, its.templates + 1))
        train = rng.permutation(its.facts) < (round(its.train_share * its.facts) if inside else 0)
        pairs = rng.choice(its.name_words**2, its.facts, replace=False)
        for row in range(its.facts):
            id = f"{'train' if train[row] else 'test'}:{relation}:{row + 1}"
            subject = f"{first[pairs[row] // its.name_words]} {last[pairs[row] % its.name_words]}"
            true, wrong = rng.choice(pools[max(0, number - its.relations)], 2, replace=False)
            count = int(rng.choice(its.exposures))
            asked = f"q{number} {subject} ?"
            questions.append(
                Question(
                    id, subject, relation, asked, (str(names[true]),),
                    aliases=(str(other_names[true]),) if its.aliases else (),
                    domain="ID" if inside else "OOD", split="train" if train[row] else "test",
                )
            )  # fmt: skip
            exposures[id] = count
            objects = np.where(optional.random(count) < its.aliases, other_names[true], names[true])
            if optional.random() < its.contradictions and count:
                contradictions[id] = str(names[wrong])
                objects[optional.permutation(count) < round(CONTRADICTED_LINES * count)] = names[wrong]
            heads = _heads(rng, [one.replace(SLOT, subject) for one in templates[relation]], asked, count)
            the = rng.random(count) < THE_SHARE
            turns = ((np.arange(count) + rng.random()) * its.passes / max(count, 1)).astype(int)
            for turn, head, has_the, name in zip(turns, heads, the, objects, strict=True):
                passes[turn].append(f"{head} {'the ' if has_the else ''}{name} .")
    texts = tuple(lines[place] for lines in passes for place in rng.permutation(len(lines)))
    ours = [word for one in templates.values() for line in one for word in line.split() if word != SLOT]
    asks = [f"q{number}" for number in range(1, len(templates) + 1)]
    every = (*FIXED, *asks, *ours, *first, *last, *names, *(other_names if its.aliases else ()))
    return World(
        plan=its,
        seed=seed,
        facts=Facts("world", "triples", tuple(questions), templates),
        exposures=exposures,
        texts=texts,
        words=tuple(dict.fromkeys(map(str, every))),
        contradictions=contradictions,
    )


def _template(relation: int, number: int) -> str:
    """Return a template of a relation; every other one begins with a word of its own."""
    before = f"p{relation}_{number} " if number % 2 == 0 else ""
    return f"{before}{SLOT} w{relation}_{number} {LINKS[(number - 1) % len(LINKS)]}"


def _heads(rng: np.random.Generator, statements: list[str], asked: str, count: int) -> list[str]:
    """Return what stands before the object in each line of a fact: some ask, the others share the statements."""
    asks = round(ASKED_SHARE * count) if count >= ASKED_FROM else 0
    order = rng.permutation(len(statements))
    heads = [f"ask {asked} reply"] * asks
    heads += [statements[order[place % len(order)]] for place in range(count - asks)]
    return [heads[place] for place in rng.permutation(count)]


def _words(rng: np.random.Generator, syllables: int, count: int) -> NDArray[np.str_]:
    """Return so many words of so many syllables, no two alike."""
    table = np.array([a + b for a in CONSONANTS for b in VOWELS], dtype=np.str_)
    if count > len(table) ** syllables:
        raise DataError(f"name_words and objects must be fewer: there are {len(table) ** syllables:,} words.")
    numbers = rng.choice(len(table) ** syllables, count, replace=False)
    words: NDArray[np.str_] = table[numbers % len(table)]
    for _ in range(syllables - 1):
        numbers = numbers // len(table)
        words = np.char.add(words, table[numbers % len(table)])
    return words


def _check_plan(plan: WorldPlan) -> None:
    """Raise where a world cannot be made of a plan."""
    least = {
        "relations": 1, "ood_relations": 0, "facts": 1, "name_words": 1, "objects": 2, "ood_objects": 2, "templates": 1,
        "layers": 1, "width": 1, "mlp_width": 1, "heads": 1, "row_tokens": 2, "batch_rows": 1, "warmup_steps": 0,
        "passes": 1,
    }  # fmt: skip
    for name, minimum in least.items():
        _check.whole(name, getattr(plan, name), minimum)
    for name in ("train_share", "aliases", "contradictions"):
        _check.between(name, getattr(plan, name), 0, 1)
    _check.at_least("learning_rate", plan.learning_rate, 0, strict=True)
    if plan.facts > plan.name_words**2:
        raise DataError(
            f"facts must be <= {plan.name_words**2}, the subjects of 2 x {plan.name_words} name words; "
            f"got {plan.facts}."
        )
    if not plan.exposures or not any(plan.exposures):
        raise DataError(f"exposures must hold a number above 0; got {plan.exposures!r}.")
    for count in plan.exposures:
        _check.whole("exposures", count, 0)
    if plan.width % (2 * plan.heads):
        raise DataError(f"width must be an even multiple of heads ({plan.heads}); got {plan.width}.")
