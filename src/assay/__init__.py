"""Measure, select and unify fine-tuning data for language models.

The rooms, in the order in which data passes through them::

    data -> embed -> neighbors -> diversity -> select

`assay.data` reads and writes records, `assay.embed` turns text into vectors, `assay.neighbors` finds
who is near whom, `assay.diversity` says how varied a set is, `assay.select` chooses rows. Import the
room you need: importing `assay` itself loads nothing heavy.
"""

__version__ = "0.1.0"
