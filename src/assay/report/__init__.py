"""Results -> one self-contained HTML page.

`page` turns sections (a heading, text, a plotly figure, a table) into the page; nothing is fetched when it is read.
`findings` are the numbers of a pool and what was chosen from it, `selection` makes them sections, `plane` and `map`
draw rows, `scatter` sets, `weights` what moved in a model, `tables` shows any other results, `conflicts` the cards of
`assay ner screen`, `atlas` writes the rows for embedding-atlas.
"""

from assay.report.atlas import write_atlas
from assay.report.conflicts import card_html, write_cards_page
from assay.report.findings import Choice, Findings, Pool, find
from assay.report.page import Section, write_page
from assay.report.plane import PLANES, plane
from assay.report.selection import sections
from assay.report.tables import result_sections
from assay.report.weights import weights_sections

__all__ = [
    "PLANES",
    "Choice",
    "Findings",
    "Pool",
    "Section",
    "card_html",
    "find",
    "plane",
    "result_sections",
    "sections",
    "weights_sections",
    "write_atlas",
    "write_cards_page",
    "write_page",
]
