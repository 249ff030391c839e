"""Language models behind one protocol: draws, candidates and distributions.

    prompts --sample-->            draws that share what they have in common     (any model, any server)
    + candidates --log_probabilities-->  how likely each is, token by token      (a model in torch)
    + answers --distributions-->   what is expected at each position, all tokens (a model in torch)

- `language_model`: the protocols `Sampler` and `LanguageModel`, and what they give;
- `transformer`: `Transformer`, over `writing` (texts to tokens) and `reading` (tokens to logits);
- `remote`: `Remote`, any OpenAI-compatible server.
"""

from assay.knowledge.models.language_model import (
    Continuation,
    Distributions,
    LanguageModel,
    Sampler,
    Scored,
)
from assay.knowledge.models.remote import Remote
from assay.knowledge.models.transformer import Transformer

__all__ = ["Continuation", "Distributions", "LanguageModel", "Remote", "Sampler", "Scored", "Transformer"]
