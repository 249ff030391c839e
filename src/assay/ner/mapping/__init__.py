"""Labels of a corpus that nobody has mapped -> types of the taxonomy, with what speaks for each.

`names` says how alike two names are, `signals` what names, known corpora, meanings and mentions say, `settle` what
follows for all labels of a corpus together, `propose` makes proposals and draft decisions of it.
"""

from assay.ner.mapping.propose import Candidate, LabelProposal, propose_mapping, proposed_decisions

__all__ = ["Candidate", "LabelProposal", "propose_mapping", "proposed_decisions"]
