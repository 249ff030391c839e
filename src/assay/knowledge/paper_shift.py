"""The paper's divergence on models: at the first predicted token of the facts that the original knows best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError, NoFactError, warn
from assay.knowledge.counts import Tally, template_scores
from assay.knowledge.intervals import Floats
from assay.knowledge.matching import matches
from assay.knowledge.questions import Question
from assay.knowledge.shift import Progress, Shift, along, check_vocabulary
from assay.knowledge.templates import Templates, statements
from assay.knowledge.tokens import paper_rows

if TYPE_CHECKING:
    from assay.knowledge.grading import Grades
    from assay.knowledge.models import LanguageModel

GREEDY_TOKENS = 16


def paper_shift(
    tuned: LanguageModel,
    original: LanguageModel,
    questions: Sequence[Question],
    grades: Grades,
    templates: Templates,
    *,
    category: int = 4,
    progress: Progress | None = None,
) -> Shift:
    """Return the paper's divergence: at the first predicted token of the facts that the original knows best.

    The tuned model reads the question in its chat template, the original the statement that serves it best: two
    prompts. `divergence.top_kl[10]` is KL(tuned || original) over the tuned model's ten most likely tokens; the
    paper's figure is its mean. The sizes 5, 20, 50 and the whole vocabulary (`tuned_original`) stand beside it, and
    `original_outside`: what the original thinks of all tokens but those.

    Parameters
    ----------
    tuned, original : LanguageModel
        Of one tokenizer; `tuned` has the chat template that it was trained with.
    questions : sequence of Question
        Those of a test set; facts of other categories are passed over.
    grades : Grades
        Of the original, for all of these questions.
    templates : mapping of relation to templates
        Those that were graded, or more: `templates_of`.
    category : int
        0 to 4; the paper's is 4.
    progress : callable, optional

    Returns
    -------
    Shift
        A row a fact taken, `questions` those that were.

    Raises
    ------
    NoFactError
        No fact left.
    DataError
        Other vocabularies.

    Notes
    -----
    Source and defects: `divergence`; which facts: `paper_rows`. Where the grades have no sampled hits, the success of
    a template is the mean of the facts' exact probabilities of a right answer under it, and the category is the exact
    one; where they have no greedy answers, the original is asked here, for the chosen statement of each fact alone.
    A chat template that ends with a line break makes the tuned model begin its answer without the blank that the
    original writes after a statement: another token of the same word, so that the number says little. It is warned of.
    """
    check_vocabulary(tuned, original)
    leads = tuned.lead(prompting="chat"), original.lead()
    if leads[0] != leads[1]:
        warn(
            f"the chat template puts {leads[0]!r} before an answer, a statement {leads[1]!r}: the two models' first "
            "tokens are other ones even where they say the same, so that the paper's number says little"
        )
    rows, columns = _best(questions, grades, templates, original, category)
    if not len(rows):
        raise NoFactError(
            f"questions must have a fact of category D{category} that the original model begins its answer with; "
            f"none of {len(questions)} is. Grade more facts."
        )
    taken = [questions[at] for at in rows]
    told = [statements(one, templates)[column] for one, column in zip(taken, columns, strict=True)]
    prompts = [one.prompt for one in taken]
    return along(
        tuned, original, taken, (prompts, "chat"), (told, "plain"), [""] * len(taken), ("sft", "statement"),
        top=None, agreement=None, progress=progress,
    )  # fmt: skip


def _best(
    questions: Sequence[Question],
    grades: Grades,
    templates: Templates,
    original: LanguageModel,
    category: int,
) -> tuple[list[int], list[int]]:
    """Return the facts that the paper measures on, and the template of each."""
    mine = grades.of([question.id for question in questions])
    if mine.tally is not None:
        starts = np.ones(mine.tally.hits.shape, dtype=bool) if mine.starts is None else mine.starts
        found = paper_rows(mine.tally, relations=mine.relations, starts=starts, category=category)
        rows, columns = found[0].tolist(), found[1].tolist()
    else:
        exact = _exact(mine)
        inside = mine.categories == _check.whole("category", category, 0, 4)
        best = best_templates(mine, inside=inside)
        rows = [
            at
            for at in np.flatnonzero(inside).tolist()
            if not np.isnan(exact[at, best[mine.relations[at]]])
            and (mine.starts is None or mine.starts[at, best[mine.relations[at]]])
        ]
        columns = [best[mine.relations[at]] for at in rows]
    if mine.starts is None and rows:
        told = [
            statements(questions[at], templates)[column] for at, column in zip(rows, columns, strict=True)
        ]
        said = dict(original.sample(told, draws=1, temperature=0, max_tokens=GREEDY_TOKENS))
        begun = [matches(said[place][0].text, questions[at], rule="first") for place, at in enumerate(rows)]
        rows = [at for at, yes in zip(rows, begun, strict=True) if yes]
        columns = [at for at, yes in zip(columns, begun, strict=True) if yes]
    return rows, columns


def best_templates(grades: Grades, *, inside: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Return the number of the most successful template of each relation, counted from 0; of equal ones the first.

    Success is the share of sampled hits, or the mean exact probability where nothing was sampled, over the facts that
    are `inside`; None: over all.

    Examples
    --------
    >>> from assay.knowledge import Grades
    >>> shares = np.array([[0.1, 0.4], [0.3, np.nan]])
    >>> best_templates(Grades(("a", "b"), ("P36", "P36"), shares, None, None, {}))
    {'P36': 1}
    """
    rows = np.arange(len(grades.ids)) if inside is None else np.flatnonzero(inside)
    relations = [grades.relations[at] for at in rows]
    if not relations:
        return {}
    if grades.tally is not None:
        part = Tally(grades.tally.hits[rows], grades.tally.draws[rows])
        scores = template_scores(part, relations)
    else:
        exact = _exact(grades)[rows]
        known, of = ~np.isnan(exact), np.array(relations, dtype=object)
        scores = {}
        for relation in dict.fromkeys(relations):
            mine = of == relation
            with np.errstate(invalid="ignore"):
                scores[relation] = np.where(known, exact, 0.0)[mine].sum(axis=0) / known[mine].sum(axis=0)
    return {relation: int(np.nanargmax(each)) for relation, each in scores.items()}


def _exact(grades: Grades) -> Floats:
    if grades.probabilities is None:
        raise DataError("grades must have sampled or exact scores; they have neither. Grade the facts.")
    return grades.probabilities
