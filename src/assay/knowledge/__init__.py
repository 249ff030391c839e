"""What a model knows: facts in, how well each is known out.

    files  --read_facts-->  Facts  --keep-->  questions  --statements-->  what a model goes on with
                                                  |                              |
                                                traps                         matches

- `questions`: `Question`, one fact as it is asked, and `Facts`, a set of them;
- `formats`: `FACT_FORMATS`, the shapes of facts, one reader a file; `read` tells them apart;
- `filters`: what is kept, counted at every step; `census`: what can be answered without knowing it;
- `relations`, `templates`: the 24 relations of EntityQuestions and our own statements for each, or a file's;
- `outputs`, `matching`: whether what a model wrote has the answer, by five rules side by side;
- `aliases`: other names of answers;
- `world`: invented facts, told as often as one likes, and a small model that has read nothing else;
- `models`: language models behind one protocol: draws, probabilities of candidates, distributions along an answer;
- `counts`, `mastery`: right answers, counted or as probabilities, to scores and categories; `agreement` of the two;
- `subsets`: which facts to train on, balanced over relations; `tokens`: how far two models' next tokens are apart;
- `grading`: a model asked for facts under every template, exactly and by draws, kept fact by fact;
- `samples`: the facts of a subset as conversations to train on; `shift`: how far training moved a model's next tokens;
- `prompts`, `evaluate`: how a model is asked, what it answers and how likely it holds the right answer;
- `compare`: right and wrong answers by category, two runs beside each other, what was lost and gained; `outcome`: all
  of that for one model and its original; `harness`: facts as tasks of lm-evaluation-harness;
- `intervals`: how far shares and means could have come out elsewhere. `counts`, `mastery`, `agreement`, `subsets`,
  `tokens`, `compare` and `intervals` know arrays, not models.
"""

from assay.knowledge.agreement import Agreement, Calibration, agreement
from assay.knowledge.aliases import builtin_aliases, read_aliases, with_aliases
from assay.knowledge.census import Traps, traps
from assay.knowledge.compare import (
    Accuracy,
    Changes,
    Difference,
    Majority,
    Paired,
    Rate,
    accuracy,
    gained_lost,
    majority_baseline,
    mcnemar,
    paired,
)
from assay.knowledge.counts import Tally, tally, template_scores
from assay.knowledge.evaluate import Answered, ask, read_answers, write_answers
from assay.knowledge.filters import FILTERS, Filter, Kept, hold_out, keep
from assay.knowledge.formats import FACT_FORMATS, FactFormat
from assay.knowledge.grading import Grades, grade, read_grades
from assay.knowledge.harness import write_tasks
from assay.knowledge.intervals import Correlated, Spread, share_interval, spread, with_accuracy
from assay.knowledge.mastery import (
    CATEGORIES,
    SLICK,
    categories,
    crossed,
    exact_categories,
    exact_scores,
    slick,
    template_interval,
    unsettled,
)
from assay.knowledge.matching import MATCHERS, Matcher, RuleHits, matcher, matches, side_by_side
from assay.knowledge.outcome import GoldChange, Outcome, outcomes
from assay.knowledge.outputs import read_outputs
from assay.knowledge.paper_shift import best_templates, paper_shift
from assay.knowledge.prompts import CHAT_TEMPLATES, PROMPTS, asked, choose_shots
from assay.knowledge.questions import Facts, Question
from assay.knowledge.read import read_facts, write_facts
from assay.knowledge.relations import RELATIONS, Relation
from assay.knowledge.samples import BINS, balanced, bin_subset, samples_of, trainable
from assay.knowledge.shift import Shift, shift
from assay.knowledge.subsets import Cell, Subset, balanced_subset, mixed_subset
from assay.knowledge.templates import (
    builtin_templates,
    read_templates,
    statements,
    template_fault,
    templates_of,
)
from assay.knowledge.tokens import Divergence, divergence, paper_rows, top_kl

__all__ = [
    "BINS",
    "CATEGORIES",
    "CHAT_TEMPLATES",
    "FACT_FORMATS",
    "FILTERS",
    "MATCHERS",
    "PROMPTS",
    "RELATIONS",
    "SLICK",
    "Accuracy",
    "Agreement",
    "Answered",
    "Calibration",
    "Cell",
    "Changes",
    "Correlated",
    "Difference",
    "Divergence",
    "FactFormat",
    "Facts",
    "Filter",
    "GoldChange",
    "Grades",
    "Kept",
    "Majority",
    "Matcher",
    "Outcome",
    "Paired",
    "Question",
    "Rate",
    "Relation",
    "RuleHits",
    "Shift",
    "Spread",
    "Subset",
    "Tally",
    "Traps",
    "accuracy",
    "agreement",
    "ask",
    "asked",
    "balanced",
    "balanced_subset",
    "best_templates",
    "bin_subset",
    "builtin_aliases",
    "builtin_templates",
    "categories",
    "choose_shots",
    "crossed",
    "divergence",
    "exact_categories",
    "exact_scores",
    "gained_lost",
    "grade",
    "hold_out",
    "keep",
    "majority_baseline",
    "matcher",
    "matches",
    "mcnemar",
    "mixed_subset",
    "outcomes",
    "paired",
    "paper_rows",
    "paper_shift",
    "read_aliases",
    "read_answers",
    "read_facts",
    "read_grades",
    "read_outputs",
    "read_templates",
    "samples_of",
    "share_interval",
    "shift",
    "side_by_side",
    "slick",
    "spread",
    "statements",
    "tally",
    "template_fault",
    "template_interval",
    "template_scores",
    "templates_of",
    "top_kl",
    "trainable",
    "traps",
    "unsettled",
    "with_accuracy",
    "with_aliases",
    "write_answers",
    "write_facts",
    "write_tasks",
]
