"""The shapes of facts: `FACT_FORMATS`, one row each, in the order in which they are tried."""

from __future__ import annotations

from assay.knowledge.formats import entityquestions, lists, lre, pararel
from assay.knowledge.formats.format import FactFormat, Found
from assay.knowledge.formats.lists import as_row

_ROWS = (
    FactFormat(
        "entityquestions",
        "questions by relation and split, P36.test.json and so on, with the templates that made them",
        entityquestions.read,
        "Sciavolino et al. 2021, arXiv 2109.08535",
        filename=r"P\d+\.(train|dev|test)\.json|relation_query_templates\.json",
        filters=("one-answer", "unique"),
    ),
    FactFormat(
        "pararel",
        "triples of 41 relations, and paraphrases of 39: folder with pattern_data and trex_lms_vocab",
        pararel.read,
        "Elazar et al. 2021, arXiv 2102.01017",
        fields=(frozenset({"sub_label", "obj_label"}), frozenset({"pattern", "extended_lemma"})),
    ),
    FactFormat(
        "lre",
        "pairs with templates, a file a relation",
        lre.read,
        "Hernandez et al. 2024, arXiv 2308.09124",
        fields=(frozenset({"samples", "prompt_templates"}),),
    ),
    FactFormat(
        "known",
        "facts with a statement of their own (known_1000.json)",
        lists.read_known,
        "Meng et al. 2022, arXiv 2202.05262",
        fields=(frozenset({"subject", "attribute", "relation_id", "prompt"}),),
    ),
    FactFormat(
        "triples",
        "subject, relation, object or answers; aliases, prompt, prompts, split, domain, id; what assay writes",
        lists.read_triples,
        "assay",
        fields=(
            frozenset({"subject", "relation", "object"}),
            frozenset({"subject", "relation", "answers"}),
        ),
    ),
    FactFormat(
        "questions",
        "question and answer or answers: NQ-open, Chinese SimpleQA; aliases, relation, subject, split, id",
        lists.read_questions,
        "Lee et al. 2019, arXiv 1906.00300; He et al. 2024, arXiv 2411.07140",
        fields=(frozenset({"question", "answer"}), frozenset({"question", "answers"})),
    ),
)
FACT_FORMATS: dict[str, FactFormat] = {row.name: row for row in _ROWS}

__all__ = ["FACT_FORMATS", "FactFormat", "Found", "as_row"]
