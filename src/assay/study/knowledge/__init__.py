"""What fine-tuning does to what a model knows: grade, tune on one bin of facts at a time, ask, compare.

- `grid`: which facts are asked, and which fine-tunings there are;
- `study`: `knowledge_study` of any model and facts, `world_study` of a world that is made here;
- `cells`: one fine-tuning, in a process that holds the original;
- `scores`: what its answers come to; `lists`: which facts were lost and gained, and the table of all cells;
- `tables`, `claims`, `published`: laid out as the paper's, and beside its numbers; `page`: all of it to look at.
"""

from assay.study.knowledge.cells import Asking
from assay.study.knowledge.lists import answers_of_cell, changed, right_answers, runs_of, table
from assay.study.knowledge.study import knowledge_study, world_study

__all__ = [
    "Asking",
    "answers_of_cell",
    "changed",
    "knowledge_study",
    "right_answers",
    "runs_of",
    "table",
    "world_study",
]
