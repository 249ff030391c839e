"""Results -> one self-contained HTML page.

`page` turns sections (a heading, text, a plotly figure, a table) into the page; nothing is fetched when it is read.
"""

from assay.report.page import Section, write_page

__all__ = ["Section", "write_page"]
