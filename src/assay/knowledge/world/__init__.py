"""A world of invented facts, told as often as one likes, and a small model that has read nothing else.

    plan  --make_world-->  facts + texts  --pretrain-->  a model, its tokenizer and its prompt

- `facts`: `WORLDS`, the plans; `make_world`, facts with how often each is told, and the texts that tell them;
- `pretrain`: a Llama from random weights, on one thread.
"""

from assay.knowledge.world.facts import WORLDS, World, WorldPlan, make_world
from assay.knowledge.world.pretrain import pretrain

__all__ = ["WORLDS", "World", "WorldPlan", "make_world", "pretrain"]
