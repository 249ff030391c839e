"""What setting weights back does to a tuned model: every state of it evaluated, beside controls.

- `states`: which states there are: rankings step by step, controls at equal weights and equal energy, parts, baselines;
- `run`: puts the model into each in place, or writes it, has it evaluated, and keeps what came of it;
- `facts`: closed-book accuracy, on facts that choose a percent and on others that report it;
- `texts`: the loss on other texts, whether anything else broke;
- `numbers`, `lm_eval`: what other programs say of a checkpoint; `sweep`: all of it for several tuned models;
- `runs`: what a sweep wrote of each; `metrics`: how states are valued; `groups`: paired differences of states and their
  intervals; `compare`: choices made on dev, all differences; `verdicts`: what may be said of it; `tables`, laid out as
  the paper's; `charts` and `page`, to look at.
"""

from assay.study.restoration.facts import facts_measure, halves
from assay.study.restoration.run import run_states
from assay.study.restoration.states import WAYS, Plan, State, states

__all__ = ["WAYS", "Plan", "State", "facts_measure", "halves", "run_states", "states"]
