"""Measure, select and unify fine-tuning data for language models.

The rooms, in the order in which data passes through them::

    data -> embed -> neighbors -> diversity -> select -> training -> report -> study

`assay.data` reads and writes records, `assay.embed` turns text into vectors, `assay.neighbors` finds
who is near whom, `assay.diversity` says how varied a set is, `assay.select` chooses rows,
`assay.training` fine-tunes a model on them, `assay.report` shows results on a page, `assay.study` does
the papers' experiments end to end. Import the room you need: importing `assay` itself loads nothing heavy.
"""

__version__ = "0.1.0"
