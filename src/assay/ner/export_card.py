"""The card of exported instructions on the Hugging Face hub: of what they were made, how, and whom to cite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from assay import __version__
from assay.data.card import (
    MARKER,
    NOT_STATED,
    escaped,
    one_line,
    pairs,
    section,
    size_category,
)
from assay.ner.document import Corpus
from assay.ner.taxonomy import sources

HUB_NAMES = {"dev": "validation"}
_CITATION = """\
The prompts and the way labels are drawn for them are those of B2NER by Yang et al. (COLING 2025,
[arXiv 2406.11192](https://arxiv.org/abs/2406.11192), [code](https://github.com/UmeanNever/B2NER), MIT):

```bibtex
@article{yang2024beyond,
  title   = {Beyond Boundaries: Learning a Universal Entity Taxonomy across Datasets and Languages
             for Open Named Entity Recognition},
  author  = {Yang, Yuming and others},
  journal = {arXiv preprint arXiv:2406.11192},
  year    = {2024}
}
```

Cite the corpora, too."""


def export_card(
    corpora: Sequence[Corpus],
    *,
    title: str,
    counts: Mapping[str, Any],
    parameters: Mapping[str, Any],
    splits: Mapping[str, int],
) -> str:
    """Return the README.md of exported instructions: a header for the hub, then how they were made.

    The licence of the whole is "not stated", never guessed from those of the corpora, which the card lists: as the
    corpus has it, else as `assay.ner.taxonomy.sources` knows it by the name of the corpus.

    Parameters
    ----------
    corpora
        What was exported.
    title
        One line, the heading.
    counts, parameters
        Tables of the card, as they are.
    splits
        Rows by split, in the order of the files ``data/SPLIT.parquet``.
    """
    import yaml

    languages = {d.language or corpus.language for corpus in corpora for d in corpus.documents}
    named: dict[str, int] = {}
    for split, count in splits.items():
        name = HUB_NAMES.get(split, split)
        named[name] = named.get(name, 0) + count
    files = [{"split": name, "path": f"data/{name}.parquet"} for name in named]
    header: dict[str, Any] = {"pretty_name": one_line(title)}
    header |= {
        "language": sorted(code for code in languages if 2 <= len(code) <= 3 and code.isalpha()),
        "task_categories": ["token-classification", "text-generation"],
        "size_categories": [size_category(sum(splits.values()))],
        "tags": ["assay", "named-entity-recognition", "open-ner", "instruction-tuning"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    versions = {"assay": __version__, **{name: version(name) for name in ("numpy", "pyarrow")}}
    body = [
        f"# {escaped(title)}",
        MARKER,
        f"{sum(splits.values()):,} instructions for open named entity recognition, made of {len(corpora)} corpora with "
        "`assay`. A prompt names labels; the completion lists the entities of these labels, or says None. "
        "Train on `prompt` + `completion` as they are, between the start and the end token.",
        f"Licence: {NOT_STATED}. The licences of the corpora hold.",
        section("Splits", ("split", "rows"), pairs(named)),
        section("Parameters", ("parameter", "value"), pairs(parameters)),
        section("Counts", ("what", "value"), pairs(counts)),
        section("Versions", ("library", "version"), pairs(versions)),
        section("Sources", ("corpus", "documents", "labels", "licence", "home"), _rows(corpora)),
        "## Citation\n\n" + _CITATION,
    ]
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=float("inf"))
    return f"---\n{text}---\n\n" + "\n\n".join(part for part in body if part) + "\n"


def _rows(corpora: Sequence[Corpus]) -> list[list[str]]:
    rows = []
    for corpus in corpora:
        found = sources().get(corpus.name)
        licence = corpus.licence or (found.licence if found else "")
        home = found.home if found else ""
        cells = (corpus.name, f"{len(corpus.documents):,}", str(len(corpus.labels)), licence or NOT_STATED)
        rows.append([*map(escaped, cells), escaped(home) if home else NOT_STATED])
    return rows
