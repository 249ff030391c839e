"""Readers and writers of annotated corpora: one format a file."""

from __future__ import annotations

from assay.ner.formats.format import File, Head, NerFormat, Read, refuse

NER_FORMATS: dict[str, NerFormat] = {}

__all__ = ["NER_FORMATS", "File", "Head", "NerFormat", "Read", "refuse"]
