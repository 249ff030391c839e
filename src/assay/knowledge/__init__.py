"""What a model knows: facts in, how well each is known out.

    files  --read_facts-->  Facts  --keep-->  questions  --statements-->  what a model goes on with
                                                  |                              |
                                                traps                         matches

- `questions`: `Question`, one fact as it is asked, and `Facts`, a set of them;
- `formats`: `FACT_FORMATS`, the shapes of facts, one reader a file; `read` tells them apart;
- `filters`: what is kept, counted at every step; `census`: what can be answered without knowing it;
- `relations`, `templates`: the 24 relations of EntityQuestions and our own statements for each, or a file's;
- `outputs`, `matching`: whether what a model wrote has the answer, by four rules side by side;
- `aliases`: other names of answers.
"""

from assay.knowledge.aliases import builtin_aliases, read_aliases, with_aliases
from assay.knowledge.census import Traps, traps
from assay.knowledge.filters import FILTERS, Filter, Kept, hold_out, keep
from assay.knowledge.formats import FACT_FORMATS, FactFormat
from assay.knowledge.matching import MATCHERS, Matcher, RuleHits, matcher, matches, side_by_side
from assay.knowledge.outputs import read_outputs
from assay.knowledge.questions import Facts, Question
from assay.knowledge.read import read_facts, write_facts
from assay.knowledge.relations import RELATIONS, Relation
from assay.knowledge.templates import (
    builtin_templates,
    read_templates,
    statements,
    template_fault,
    templates_of,
)

__all__ = [
    "FACT_FORMATS",
    "FILTERS",
    "MATCHERS",
    "RELATIONS",
    "FactFormat",
    "Facts",
    "Filter",
    "Kept",
    "Matcher",
    "Question",
    "Relation",
    "RuleHits",
    "Traps",
    "builtin_aliases",
    "builtin_templates",
    "hold_out",
    "keep",
    "matcher",
    "matches",
    "read_aliases",
    "read_facts",
    "read_outputs",
    "read_templates",
    "side_by_side",
    "statements",
    "template_fault",
    "templates_of",
    "traps",
    "with_aliases",
    "write_facts",
]
