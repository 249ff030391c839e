"""Published results of open NER, to stand beside one's own: average F1, with where each number comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One published average, in per cent.

    `sets` says of what: ``OOD en`` and ``OOD zh`` are B2NERD's seven test sets of a language, ``MultiCoNER22`` is the
    multilingual one, ``in-domain en`` English sets that were trained on. `provenance` is ``read`` where the number was
    read in the source, ``unverified`` where it is only said to be the paper's: never to be quoted as a fact.
    """

    system: str
    sets: str
    measure: str
    f1_percent: float
    provenance: str
    source: str


NOT_STATED = "sets not stated"
NOTE = "the abstract's 6.8 to 12.0 over GPT-4 disagrees with OOD zh, where the README's difference is 6.6"
_README = "README of UmeanNever/B2NER (Yang et al., COLING 2025, arXiv 2406.11192)"
_NUNER = "model card of NuNER Zero"
_SAID = "said to be the paper's"

PUBLISHED = (
    Published("B2NER", "OOD en", "F1", 72.1, "read", _README),
    Published("B2NER", "OOD zh", "F1", 61.3, "read", _README),
    Published("B2NER", "MultiCoNER22", "F1", 43.3, "read", _README),
    Published("previous best (GNER-T5-xxl)", "OOD en", "F1", 69.1, "read", _README),
    Published("previous best", "OOD zh", "F1", 42.7, "read", _README),
    Published("previous best", "MultiCoNER22", "F1", 36.6, "read", _README),
    Published("GPT", "OOD en", "F1", 60.1, "read", _README),
    Published("GPT", "OOD zh", "F1", 54.7, "read", _README),
    Published("GPT", "MultiCoNER22", "F1", 31.8, "read", _README),
    Published("GNER-LLaMA", "OOD en", "F1", 66.1, "read", "its publication"),
    Published("B2NER 7B", "in-domain en", "F1", 83.85, "read", "issue 1 of UmeanNever/B2NER"),
    Published("NuNER-Zero", NOT_STATED, "token F1", 68.0, "read", _NUNER),
    Published("NuNER-Zero-span", NOT_STATED, "entity F1", 62.0, "read", _NUNER),
    Published("NuNER-Zero-span", NOT_STATED, "token F1", 68.9, "read", _NUNER),
    Published("InstructUIE-11B", NOT_STATED, "F1", 47.2, "unverified", _SAID),
    Published("UniNER-7B, low", NOT_STATED, "F1", 53.4, "unverified", _SAID),
    Published("UniNER-7B, high", NOT_STATED, "F1", 53.7, "unverified", _SAID),
    Published("UniNER-7B, supervised", NOT_STATED, "F1", 61.8, "unverified", _SAID),
    Published("GoLLIE-7B", NOT_STATED, "F1", 58.4, "unverified", _SAID),
    Published("GLiNER-L", NOT_STATED, "F1", 60.9, "unverified", _SAID),
    Published("ChatGPT", NOT_STATED, "F1", 47.5, "unverified", _SAID),
)
