"""Samples + a model -> a tuned model.

- `presets`: `PRESETS`, the settings of the papers, each value with where it comes from;
- `tokens`: samples become token ids, of which the answers have loss;
- `loading`: a folder, id, `.gguf` or adapter becomes a model, its tokenizer and what identifies them;
- `train`: one function over TRL's SFTTrainer and PEFT.
"""

from assay.training.presets import PRESETS, Preset
from assay.training.train import train

__all__ = ["PRESETS", "Preset", "train"]
