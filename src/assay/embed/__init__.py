"""Text to vectors.

::

    encoder = resolve("sentence")                      # or "tfidf", "hf:models/llama", "st:...", "openai:..."
    matrix, report = embed(texts, encoder, cache="cache")

An encoder (`Encoder`, the table `ENCODERS`, `resolve`) turns texts into float32 rows of norm 1, and says in
its fingerprint everything that decides them. `embed` keeps what it encodes in a folder, so that nothing is
encoded twice: not after a kill, not in the next run, not for a text that stands in two sets. `load_vectors`
reads vectors that were made elsewhere. `Embeddings` is what goes on to the other rooms.

Texts are cut to the encoder's first 256 tokens unless told otherwise; lone surrogates become U+FFFD.
"""

from assay.embed.encoder import ENCODERS, Encoder, EncoderRow, Fingerprint, encoders, resolve
from assay.embed.store import Embeddings, EmbedReport, embed
from assay.embed.vectors import load_vectors

__all__ = [
    "ENCODERS",
    "EmbedReport",
    "Embeddings",
    "Encoder",
    "EncoderRow",
    "Fingerprint",
    "embed",
    "encoders",
    "load_vectors",
    "resolve",
]
