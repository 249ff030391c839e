"""Corpora -> where they disagree -> one labelling.

`document` says what an entity and a document are; `read` and `write` turn files into corpora and back by `formats`, one
format a file; `check` and `stats` say what is in them. `index` finds every mention in every text, `screen` gathers
what each corpus makes of it, `relations` says how two labels relate, `conflicts` makes ranked cards of that, which
`cards` holds as a file. `crossval` trains `taggers` on one corpus and has `score` compare them on another. `decisions`
holds what a person makes of the cards, `validate` says what is wrong with that, `apply` changes the corpora and changes
them back; `taxonomy` has the types that labels come to. `instruct` asks for labels in `prompts`, `answers` reads what
comes back, `export` writes what models are trained on. `planted` has corpora whose conflicts are known.
"""

from assay.ner.answers import Aligned, align, parse_answer
from assay.ner.apply import Preview, apply, preview, revert, unify
from assay.ner.build import Built, build
from assay.ner.cards import Card, Cards, read_cards, write_cards, write_cards_tsv
from assay.ner.check import Finding, check
from assay.ner.conflicts import conflicts
from assay.ner.crossval import CrossValidation, cross_validate
from assay.ner.decisions import Decision, Decisions, Rule, read_decisions, write_decisions
from assay.ner.document import Corpus, Document, Entity
from assay.ner.export import export
from assay.ner.formats import NER_FORMATS
from assay.ner.instruct import Instruction, instruct
from assay.ner.mapping import LabelProposal, propose_mapping, proposed_decisions
from assay.ner.planted import planted
from assay.ner.propose import Proposal, propose
from assay.ner.prune import compare_strategies, prune
from assay.ner.pruned import Pruned
from assay.ner.read import read_corpus
from assay.ner.recipes import Recipe, read_recipe, recipes
from assay.ner.recover import Recovery, recover
from assay.ner.relations import Thresholds, relations
from assay.ner.score import Score, score
from assay.ner.screen import Evidence, screen
from assay.ner.stats import stats
from assay.ner.taxonomy import Taxonomy, read_taxonomy, write_taxonomy
from assay.ner.validate import validate
from assay.ner.write import Loss, write_corpus

__all__ = [
    "NER_FORMATS",
    "Aligned",
    "Built",
    "Card",
    "Cards",
    "Corpus",
    "CrossValidation",
    "Decision",
    "Decisions",
    "Document",
    "Entity",
    "Evidence",
    "Finding",
    "Instruction",
    "LabelProposal",
    "Loss",
    "Preview",
    "Proposal",
    "Pruned",
    "Recipe",
    "Recovery",
    "Rule",
    "Score",
    "Taxonomy",
    "Thresholds",
    "align",
    "apply",
    "build",
    "check",
    "compare_strategies",
    "conflicts",
    "cross_validate",
    "export",
    "instruct",
    "parse_answer",
    "planted",
    "preview",
    "propose",
    "propose_mapping",
    "proposed_decisions",
    "prune",
    "read_cards",
    "read_corpus",
    "read_decisions",
    "read_recipe",
    "read_taxonomy",
    "recipes",
    "recover",
    "relations",
    "revert",
    "score",
    "screen",
    "stats",
    "unify",
    "validate",
    "write_cards",
    "write_cards_tsv",
    "write_corpus",
    "write_decisions",
    "write_taxonomy",
]
