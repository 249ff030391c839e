"""Readers and writers of annotated corpora: one format a file."""

from __future__ import annotations

from assay.ner.formats.b2nerd import B2NERD
from assay.ner.formats.boson import BOSON
from assay.ner.formats.brat import BRAT
from assay.ner.formats.cluener import CLUENER
from assay.ner.formats.conll import CONLL
from assay.ner.formats.docbin import DOCBIN
from assay.ner.formats.doccano import DOCCANO
from assay.ner.formats.documents import DOCUMENTS
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.gliner import GLINER
from assay.ner.formats.hub import HUB
from assay.ner.formats.label_studio import LABEL_STUDIO
from assay.ner.formats.prodigy import PRODIGY

NER_FORMATS: dict[str, NerFormat] = {
    row.name: row
    for row in (
        CONLL,
        DOCUMENTS,
        B2NERD,
        GLINER,
        HUB,
        DOCBIN,
        BRAT,
        LABEL_STUDIO,
        PRODIGY,
        DOCCANO,
        CLUENER,
        BOSON,
    )
}

__all__ = ["NER_FORMATS", "File", "Head", "NerFormat", "OnBad", "Read", "refuse"]
