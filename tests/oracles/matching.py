"""SQuAD's answer normalisation, step by step as its paper's appendix and every evaluation of it says."""

from __future__ import annotations

import re
import string


def squad_normalise(text: str) -> str:
    """Lower case, then no punctuation, then no articles, then single spaces."""
    lowered = text.lower()
    bare = "".join(letter for letter in lowered if letter not in set(string.punctuation))
    return " ".join(word for word in re.sub(r"\b(a|an|the)\b", " ", bare).split() if word)
