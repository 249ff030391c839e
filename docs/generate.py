"""Write the pages of docs/ that tables in the code fill; with --check only say whether they are current."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from assay.diversity import MEASURES
from assay.knowledge import FACT_FORMATS, FILTERS, MATCHERS, RELATIONS, builtin_templates
from assay.ner import NER_FORMATS
from assay.select import SELECTORS
from assay.training import PRESETS
from assay.training.presets import METHODS, Preset

DOCS = Path(__file__).parent


def page(title: str, intro: str, kind: str, table: dict[str, Any]) -> str:
    """Return a page with one section for each row: its fields, its signature and its docstring."""
    lines = [
        f"# {title}",
        "",
        "<!-- Written by docs/generate.py from the table in the code; change it there. -->",
        "",
        intro,
        "",
    ]
    lines += [f"| {kind} | what | source |", "|---|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {row.summary} | {row.source} |" for name, row in table.items()]
    for name, row in table.items():
        lines += ["", f"## {name}", ""]
        for field in row.__dataclass_fields__:
            if field not in ("function", "summary"):
                value = getattr(row, field)
                shown = (
                    ", ".join(f"`{v}`" for v in value)
                    if isinstance(value, tuple)
                    else str(value).replace("True", "yes")
                )
                lines.append(f"- {field}: {shown}")
        lines += [
            "",
            "```text",
            f"{name}{signature(row.function)}",
            "",
            inspect.getdoc(row.function) or "",
            "```",
        ]
    return "\n".join(lines) + "\n"


def signature(function: Any) -> str:
    """Return the parameters of a function with their defaults, one a line."""
    parameters = inspect.signature(function).parameters.values()
    parts: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        shown = getattr(parameter.default, "__name__", repr(parameter.default))  # a function by its name
        default = "" if parameter.default is parameter.empty else f"={shown}"
        parts.append(f"{parameter.name}{default}")
    return "(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def presets() -> str:
    """Return the page of the training presets: a row a setting, with where its value comes from."""
    lines = [
        "# Presets of training",
        "",
        "<!-- Written by docs/generate.py from the table in the code; change it there. -->",
        "",
    ]
    lines += [
        "`assay train --preset NAME`; every setting has an option of its name. **Bold** values were read in the paper,",
        "its program or its data; *italic* ones are said to be the paper's, *unverified*; all the others are ours.",
        "",
    ]
    lines += [f"- `{name}`: {row.summary}. Source: {row.source}." for name, row in PRESETS.items()]
    lines += ["", "| setting | " + " | ".join(PRESETS) + " |", "|---" * (1 + len(PRESETS)) + "|"]
    for field in Preset.__dataclass_fields__:
        if field not in ("summary", "source", "read", "unverified"):
            cells = []
            for row in PRESETS.values():
                value = getattr(row, field)
                shown = ", ".join(value) if isinstance(value, tuple) else "-" if value is None else f"{value}"
                if field.startswith("lora_") and row.method == METHODS[0]:
                    shown += " (with lora)"
                marks = {"read": "**", "unverified": "*", "ours": ""}
                mark = marks[row.provenance(field)]
                cells.append(f"{mark}{shown}{mark}")
            lines.append(f"| {field} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def formats() -> str:
    """Return the page of the formats of annotated corpora."""
    lines = [
        "# Formats of annotated corpora",
        "",
        "<!-- Written by docs/generate.py from the table in the code; change it there. -->",
        "",
        "`assay ner convert PATH --to NAME -o OUT`; what is read is told from its content, or `--from NAME`. Beside",
        "flat entities in one piece a format holds what stands under *holds*; the report of losses has the rest.",
        "",
        "| format | what | written as | holds | reading options |",
        "|---|---|---|---|---|",
    ]
    for name, row in NER_FORMATS.items():
        written = " ".join(f"`{suffix}`" for suffix in row.suffixes) if row.write else "read only"
        holds = ", ".join(sorted(row.holds)) if row.write else ""
        options = ", ".join(f"`--{option.replace('_', '-')}`" for option in row.options)
        lines.append(f"| `{name}` | {row.summary} | {written} | {holds} | {options} |")
    return "\n".join(lines) + "\n"


def facts() -> str:
    """Return the page of the shapes of facts, their filters, the rules of matching, and our templates."""
    lines = [
        "# Facts",
        "",
        "<!-- Written by docs/generate.py from the tables in the code; change it there. -->",
        "",
        "`assay knowledge facts PATH`; the shape is told from names and first rows, or `--from NAME`.",
        "",
        "| shape | what | fields, or names of files | filters by default | source |",
        "|---|---|---|---|---|",
    ]
    for name, row in FACT_FORMATS.items():
        fields = " or ".join(", ".join(f"`{field}`" for field in sorted(each)) for each in row.fields)
        files = f"`{row.filename}`".replace("|", "\\|") if row.filename else ""
        filters = ", ".join(f"`{one}`" for one in row.filters)
        lines.append(f"| `{name}` | {row.summary} | {fields or files} | {filters} | {row.source} |")
    lines += ["", "## Filters", "", "`--filter`, applied in the order in which they are named.", ""]
    lines += [f"- `{name}`: {row.summary}" for name, row in FILTERS.items()]
    lines += ["", "## Matching", "", "Whether an output has the answer or one of its aliases.", ""]
    lines += ["| rule | a hit is | what misleads it |", "|---|---|---|"]
    lines += [f"| `{name}` | {row.summary} | {row.misleads} |" for name, row in MATCHERS.items()]
    lines += [
        "",
        "## Templates",
        "",
        "Ours, for the relations of EntityQuestions: `assay knowledge templates`.",
        "",
    ]
    lines += ["| relation | says | domain | templates | the first |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {RELATIONS[name].name} | {RELATIONS[name].domain} | {len(listed)} | {listed[0]} |"
        for name, listed in builtin_templates().items()
    ]
    return "\n".join(lines) + "\n"


PAGES = {
    "facts.md": facts(),
    "formats.md": formats(),
    "presets.md": presets(),
    "measures.md": page(
        "Measures",
        "How varied is a set? `assay measure` computes these; compare only sets of one size under one encoder.\n"
        "Options of `novelsum` have flags of their own; `--set MEASURE.OPTION=VALUE` gives those of the others.\n"
        "In Python, `assay.diversity.together` computes several over shared distances, equal to the last bit.",
        "measure",
        MEASURES,
    ),
    "selectors.md": page(
        "Selectors", "Which rows to keep? `assay select --method NAME` runs these.", "selector", SELECTORS
    ),
}


def main() -> None:
    stale = [
        name
        for name, text in PAGES.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text() != text
    ]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"docs/{', docs/'.join(stale)} must be current; run: make fix")
        return
    for name in stale:
        (DOCS / name).write_text(PAGES[name])


if __name__ == "__main__":
    main()
