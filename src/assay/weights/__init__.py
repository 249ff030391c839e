"""Which weights moved: two checkpoints, streamed tensor by tensor, never a whole model in memory.

    folders  --open_pair-->  Pair  --chunks-->  slices of both, float32
                                                     |
                                        select  -->  Selection  --levels-->  which percents take each weight
                                                     |
                                                   tally

- `checkpoint`: the safetensors files of a model, read slice by slice; `lora`: an adapter that reads like one;
- `regions`: `ARCHITECTURES`, which region, layer and module a name belongs to;
- `pair`: two models matched by name, checked to be states of one; `vocabulary`: whether their rows are the same tokens;
- `change`: how far weights moved, by tensor, layer, module or region.
- `ranking`: `RANKINGS`, which weights come first, as keys of 32 bits; `official`: scores of the paper's program;
- `threshold`: the first k percent of a ranking, exactly, by passes that count, and `ties`, where a border falls between
  equal ones; `selection`: what it takes of any chunk; `kernels`: the compiled loops;
- `shares`: what a selection holds of all changes, and of each layer or module; `shrink`: the control without ranking;
- `restore`: the tuned model with what a selection takes set back, for all percents in one pass; `writing`: its files,
  whole or not there;
- `memory`: how much of it these take, and how long slices may be for a given one;
- `delta`: only what differs, to make one model of the other; `told`: what is said of both; `steps`: the same in a model
  that is loaded (torch, imported inside);
- `null`: the shares that it would hold had nothing been learnt, by formula; `redrawn`, with the real weights;
- `diff`: all of this of one pair, as rows.

Knows arrays and files; needs no torch.
"""

from assay.weights.change import Change, changes, grouped
from assay.weights.checkpoint import Checkpoint, Tensor, open_checkpoint
from assay.weights.delta import apply_delta, read_delta, write_deltas
from assay.weights.diff import PERCENTS, Diff, diff
from assay.weights.lora import Adapter, open_adapter
from assay.weights.memory import memory_bound, slice_size
from assay.weights.null import closed_form, counted, null_shares
from assay.weights.official import official_scores
from assay.weights.pair import Match, Pair, hashed, hashed_beside, open_pair
from assay.weights.ranking import RANKINGS, Ranking, keys, spreads
from assay.weights.redrawn import NULLS, drawn_spread, redrawn
from assay.weights.regions import (
    ARCHITECTURES,
    REGIONS,
    SCOPES,
    Architecture,
    Place,
    architecture_of,
    layer_of,
    place_of,
    region_of,
)
from assay.weights.restore import restore, write_shrunk
from assay.weights.selection import Group, Selection, Threshold, levels
from assay.weights.shares import Tally, enrichment, tally
from assay.weights.shrink import shrink
from assay.weights.steps import steps
from assay.weights.threshold import select

__all__ = [
    "ARCHITECTURES",
    "NULLS",
    "PERCENTS",
    "RANKINGS",
    "REGIONS",
    "SCOPES",
    "Adapter",
    "Architecture",
    "Change",
    "Checkpoint",
    "Diff",
    "Group",
    "Match",
    "Pair",
    "Place",
    "Ranking",
    "Selection",
    "Tally",
    "Tensor",
    "Threshold",
    "apply_delta",
    "architecture_of",
    "changes",
    "closed_form",
    "counted",
    "diff",
    "drawn_spread",
    "enrichment",
    "grouped",
    "hashed",
    "hashed_beside",
    "keys",
    "layer_of",
    "levels",
    "memory_bound",
    "null_shares",
    "official_scores",
    "open_adapter",
    "open_checkpoint",
    "open_pair",
    "place_of",
    "read_delta",
    "redrawn",
    "region_of",
    "restore",
    "select",
    "shrink",
    "slice_size",
    "spreads",
    "steps",
    "tally",
    "write_deltas",
    "write_shrunk",
]
