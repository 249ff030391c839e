"""A taxonomy for other programs and for readers: JSON, YAML, Markdown, and SKOS as JSON-LD."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from assay.ner.taxonomy.types import Taxonomy, Type, taxonomy_rows, yaml_taxonomy

SKOS = "http://www.w3.org/2004/02/skos/core#"
SCHEME = "urn:assay:taxonomy"


def taxonomy_json(taxonomy: Taxonomy) -> bytes:
    """Return a taxonomy as the JSON of its file, every field given."""
    return orjson.dumps(taxonomy.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n"


def taxonomy_markdown(taxonomy: Taxonomy) -> bytes:
    """Return the living types as nested lists, with what they mean and which labels come to them."""
    by_id = {kind.id: kind for kind in taxonomy.living}
    lines = [f"# Taxonomy, version {taxonomy.version}", "", f"{len(by_id)} types.", ""]
    for row in taxonomy_rows(taxonomy):
        kind, space = by_id[row["id"]], "  " * row["depth"]
        lines.append(
            f"{space}- **{kind.en}** {kind.zh} (`{kind.id}`): {kind.definition.en} {kind.definition.zh}"
        )
        for title, words in (("Counts", kind.includes), ("Does not count", kind.excludes)):
            if words.en or words.zh:
                lines.append(f"{space}  {title}: {words.en}; {words.zh}.")
        if kind.sources:
            lines.append(f"{space}  Labels: {', '.join(f'`{label}`' for label in kind.sources)}.")
    return ("\n".join(lines) + "\n").encode()


def taxonomy_skos(taxonomy: Taxonomy) -> bytes:
    """Return a taxonomy as a SKOS concept scheme in JSON-LD; a type that was replaced is marked as deprecated."""
    context = {
        "skos": SKOS,
        "dct": "http://purl.org/dc/terms/",
        "owl": "http://www.w3.org/2002/07/owl#",
        **{
            name: {"@id": f"skos:{name}", "@type": "@id"} for name in ("broader", "inScheme", "hasTopConcept")
        },
        **{
            name: {"@id": f"skos:{name}", "@container": "@language"}
            for name in ("prefLabel", "altLabel", "definition", "scopeNote", "example")
        },
        "hiddenLabel": "skos:hiddenLabel",
        "replacedBy": {"@id": "dct:isReplacedBy", "@type": "@id"},
        "deprecated": "owl:deprecated",
    }
    scheme = {
        "@id": SCHEME,
        "@type": "skos:ConceptScheme",
        "hasTopConcept": [_urn(kind.id) for kind in taxonomy.living if kind.parent is None],
    }
    graph = [scheme, *(_concept(kind) for kind in taxonomy.types)]
    return orjson.dumps({"@context": context, "@graph": graph}, option=orjson.OPT_INDENT_2) + b"\n"


def _urn(id: str) -> str:
    return f"urn:assay:type:{id}"


def _concept(kind: Type) -> dict[str, Any]:
    def both(en: Any, zh: Any) -> dict[str, Any]:
        return {language: value for language, value in (("en", en), ("zh", zh)) if value}

    notes = {
        language: [text for words in (kind.includes, kind.excludes) if (text := getattr(words, language))]
        for language in ("en", "zh")
    }
    concept = {
        "@id": _urn(kind.id),
        "@type": "skos:Concept",
        "inScheme": SCHEME,
        "prefLabel": both(kind.en, kind.zh),
        "altLabel": both(list(kind.aliases.en), list(kind.aliases.zh)),
        "definition": both(kind.definition.en, kind.definition.zh),
        "scopeNote": both(notes["en"], notes["zh"]),
        "example": both(list(kind.examples.en), list(kind.examples.zh)),
        "hiddenLabel": list(dict.fromkeys(label.partition("/")[2] for label in kind.sources)),
        "broader": _urn(kind.parent) if kind.parent else None,
        "replacedBy": _urn(kind.replaced_by) if kind.replaced_by else None,
        "deprecated": kind.replaced_by is not None or None,
    }
    return {key: value for key, value in concept.items() if value}


EXPORTS: Mapping[str, Callable[[Taxonomy], bytes]] = {
    ".json": taxonomy_json,
    ".jsonld": taxonomy_skos,
    ".md": taxonomy_markdown,
    ".yaml": yaml_taxonomy,
    ".yml": yaml_taxonomy,
}
