"""Which weights moved: two checkpoints, streamed tensor by tensor, never a whole model in memory.

    folders  --open_pair-->  Pair  --chunks-->  slices of both, float32

- `checkpoint`: the safetensors files of a model, read slice by slice; `lora`: an adapter that reads like one;
- `regions`: `ARCHITECTURES`, which region, layer and module a name belongs to;
- `pair`: two models matched by name, checked to be states of one; `vocabulary`: whether their rows are the same tokens;
- `change`: how far weights moved, by tensor, layer, module or region.

Knows arrays and files; needs no torch.
"""

from assay.weights.change import Change, changes, grouped
from assay.weights.checkpoint import Checkpoint, Tensor, open_checkpoint
from assay.weights.lora import Adapter, open_adapter
from assay.weights.pair import Match, Pair, open_pair
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

__all__ = [
    "ARCHITECTURES",
    "REGIONS",
    "SCOPES",
    "Adapter",
    "Architecture",
    "Change",
    "Checkpoint",
    "Match",
    "Pair",
    "Place",
    "Tensor",
    "architecture_of",
    "changes",
    "grouped",
    "layer_of",
    "open_adapter",
    "open_checkpoint",
    "open_pair",
    "place_of",
    "region_of",
]
