"""The card of a selection on the Hugging Face hub: how the data came about, and whom to cite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PureWindowsPath
from typing import Any

MARKER = "<!-- Written by assay, which replaces this card at the next push. Delete this line to keep your edits. -->"
"""The line of a card by which a later push knows that no person has taken it over."""

NOT_STATED = "not stated"

# the hub refuses a licence that it does not know by its identifier: these are the ones that data sets carry
_LICENSES = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsl-1.0 c-uda cc
cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0
cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 etalab-2.0 eupl-1.1 gemma gfdl gpl gpl-2.0 gpl-3.0 isc
lgpl-3.0 llama2 llama3 llama3.1 llama3.2 llama3.3 mit mpl-2.0 ms-pl odbl odc-by openrail pddl unlicense wtfpl zlib
"""
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
_NOVELSELECT = """\
NovelSum and NovelSelect are by Yang et al. (ACL 2025, [arXiv 2502.17184](https://arxiv.org/abs/2502.17184)):

```bibtex
@inproceedings{yang2025novelsum,
  title     = {Measuring Data Diversity for Instruction Tuning: A Systematic Analysis and A Reliable Metric},
  author    = {Yang and others},
  booktitle = {Proceedings of the 63rd Annual Meeting of the Association for Computational Linguistics (ACL)},
  pages     = {18530--18549},
  year      = {2025},
  url       = {https://arxiv.org/abs/2502.17184}
}
```"""


def dataset_card(
    manifest: Mapping[str, Any],
    *,
    title: str,
    files: Sequence[str],
    sources: Sequence[Mapping[str, Any]] | None,
    license: str | None = None,
) -> str:
    """Return the README.md of a selection's repository on the hub: how the data came about, from the manifest.

    A YAML header for the hub, then method, parameters, counts, results, encoder, versions, files, sources, how to
    repeat the run and whom to cite. What the manifest does not hold is left out; a licence that is not given is
    "not stated", never guessed from the sources. Of a path outside the working folder only the last part is
    shown, so that a card does not tell the names of a person's folders.

    Parameters
    ----------
    manifest
        Content of the ``manifest.json`` that the command line writes; any key may be missing.
    title
        One line, the heading of the card.
    files
        Names of the files that are pushed with it, **the data file first**: the hub loads that one alone.
    sources
        What is known of each source beyond the manifest, as mappings with ``path`` as the manifest's ``inputs``
        have it and any of ``sha256``, ``rows``, ``license``, ``language`` (ISO 639 code, or several);
        an input that is not among them, or all where it is None, comes from the manifest alone.
    license
        Of the selection. One that the hub does not list is named under ``license: other``.

    Returns
    -------
    str
        Markdown. Every text from outside is escaped; same arguments, same card.

    Examples
    --------
    >>> card = dataset_card({"counts": {"pool": 52002, "selected": 5000}}, title="Varied", files=["a.json"], sources=[])
    >>> print(card.split("---")[1].strip())
    pretty_name: Varied
    size_categories:
    - 1K<n<10K
    tags:
    - assay
    - data-selection
    configs:
    - config_name: default
      data_files:
      - split: train
        path: a.json
    """
    import yaml

    known = _sources(manifest, sources or ())
    header = yaml.safe_dump(
        _header(manifest, title=title, files=files, sources=known, license=license),
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    parameters = _mapping(manifest, "parameters")
    method = _method(parameters)
    body = [
        f"# {escaped(title)}",
        MARKER,
        _summary(manifest, method),
        f"Licence: {escaped(license) if license else NOT_STATED}.",
        section("Parameters", ("parameter", "value"), pairs(parameters)),
        section("Counts", ("what", "rows"), pairs(_mapping(manifest, "counts"))),
        _results(_mapping(manifest, "results")),
        section("Encoder", ("setting", "value"), pairs(_mapping(manifest, "encoder"))),
        section("Versions", ("library", "version"), pairs(_versions(manifest))),
        section("Files", ("file", "sha256"), _files(manifest, files)),
        "## Sources\n\n"
        + (table_of(_SOURCE_COLUMNS, _source_rows(known)) if known else f"The sources are {NOT_STATED}."),
        "## How to repeat it\n\n"
        "With `manifest.json` of this run, and the sources where it names them:\n\n"
        "```\nassay run manifest.json -o out/\n```\n\n"
        "The sources are checked against their hashes first; the same rows come out, in the same order.",
    ]
    if method == "novelselect":
        body.append("## Citation\n\n" + _NOVELSELECT)
    return f"---\n{header}---\n\n" + "\n\n".join(part for part in body if part) + "\n"


def _header(
    manifest: Mapping[str, Any],
    *,
    title: str,
    files: Sequence[str],
    sources: Iterable[Mapping[str, Any]],
    license: str | None,
) -> dict[str, Any]:
    """Return the metadata that the hub reads."""
    header: dict[str, Any] = {"pretty_name": one_line(title)}
    if license:
        identifier = re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-.")
        if identifier in _LICENSES.split():
            header["license"] = identifier
        else:
            header |= {"license": "other", "license_name": identifier or one_line(license)}
    stated = [source.get("language") for source in sources]
    codes = [code for one in stated for code in ([one] if isinstance(one, str) else one or ())]
    languages = sorted({code.lower() for code in codes if re.fullmatch(r"[a-zA-Z]{2,3}", str(code))})
    if languages:
        header["language"] = languages
    selected = _mapping(manifest, "counts").get("selected")
    if isinstance(selected, int) and selected >= 0:
        header["size_categories"] = [size_category(selected)]
    header["tags"] = ["assay", "data-selection"]
    if files:
        data_files = [{"split": "train", "path": files[0]}]
        header["configs"] = [{"config_name": "default", "data_files": data_files}]
    return header


def size_category(rows: int) -> str:
    """Return the hub's class of a number of rows."""
    above = len(str(rows)) - 4  # places over a thousand's
    if above < 0:
        return "n<1K"
    return f"{_SIZES[above]}<n<{_SIZES[above + 1]}" if above + 1 < len(_SIZES) else "n>1T"


def _summary(manifest: Mapping[str, Any], method: str | None) -> str:
    counts = _mapping(manifest, "counts")
    chosen, pool = counts.get("selected"), counts.get("pool")
    how = f" by {_code(method)}" if method else ""
    if isinstance(chosen, int) and isinstance(pool, int) and pool > 0:
        return f"{chosen:,} of {pool:,} rows ({chosen / pool:.1%}), chosen{how} with `assay`."
    return f"Rows chosen{how} with `assay`."


def _method(parameters: Mapping[str, Any]) -> str | None:
    method = parameters.get("method", parameters.get("selector"))
    return method if isinstance(method, str) and method else None


def _results(results: Mapping[str, Any]) -> str:
    """Return a table with a row a measure and a column a set."""
    rows = {name: row if isinstance(row, Mapping) else {"value": row} for name, row in results.items()}
    sets = list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = [
        [_code(name), *(_value(row[key]) if key in row else "" for key in sets)] for name, row in rows.items()
    ]
    table = section("Results", ("measure", *(escaped(key) for key in sets)), cells)
    return (
        table and f"{table}\n\nCompare these only with sets of the same size, embedded by the same encoder."
    )


def _versions(manifest: Mapping[str, Any]) -> dict[str, Any]:
    own = {"assay": manifest["assay"]} if "assay" in manifest else {}
    return own | _mapping(manifest, "versions")


def _files(manifest: Mapping[str, Any], files: Sequence[str]) -> list[list[str]]:
    hashes = _mapping(manifest, "outputs")
    return [[_code(name), _code(hashes[name]) if hashes.get(name) else ""] for name in files]


def _sources(manifest: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the manifest's inputs, each with what is given of the same path, then what is given beyond them."""
    inputs = manifest.get("inputs")
    known = [dict(row) for row in inputs if isinstance(row, Mapping)] if isinstance(inputs, Sequence) else []
    for row in given:
        same = [entry for entry in known if "path" in entry and entry["path"] == row.get("path")]
        for entry in same:
            entry.update(row)
        if not same:
            known.append(dict(row))
    return known


_SOURCE_COLUMNS = ("source", "role", "rows", "sha256", "licence")


def _source_rows(sources: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    rows = []
    for source in sources:
        path, role, license = source.get("path"), source.get("role"), source.get("license")
        row = [_code(_shown(str(path))) if path else NOT_STATED, escaped(role) if role else ""]
        row += [
            _code(source[key]) if source.get(key) is not None else NOT_STATED for key in ("rows", "sha256")
        ]
        rows.append([*row, escaped(license) if license else NOT_STATED])
    return rows


def _mapping(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = manifest.get(key)
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def pairs(mapping: Mapping[str, Any]) -> list[list[str]]:
    return [[_code(name), _value(value)] for name, value in mapping.items()]


def section(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"## {heading}\n\n{table_of(columns, rows)}" if rows else ""


def table_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def _value(value: Any) -> str:
    """Return a setting or a number as a cell."""
    if value is None:
        return "not set"
    if isinstance(value, float):
        return _code(f"{value:.6g}")
    if isinstance(value, str):
        return _code(_shown(value))
    return _code(json.dumps(_public(value), ensure_ascii=False, default=str))


def _public(value: Any) -> Any:
    """Return a nested setting with the paths in it cut as `_shown` does."""
    if isinstance(value, Mapping):
        return {str(key): _public(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_public(inner) for inner in value]
    return _shown(value) if isinstance(value, str) else value


def _shown(value: str) -> str:
    """Return a text; a path outside the working folder, also after ``hf:`` or ``st:``, as its last part alone."""
    kind, path = (value[:3], value[3:]) if value.startswith(("hf:", "st:")) else ("", value)
    outside = path.startswith(("/", "~", "../", "..\\", "\\")) or PureWindowsPath(path).is_absolute()
    return kind + PureWindowsPath(path).name if outside else value


def one_line(value: Any) -> str:
    """Return a text without line breaks, control characters and lone surrogates."""
    whole = str(value).encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", " ".join(whole.split()))


def escaped(value: Any) -> str:
    """Return a text that Markdown shows as it is, in a heading or a cell."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#~&$!])", r"\\\1", one_line(value))
    return escaped.replace("|", "&#124;")


def _code(value: Any) -> str:
    """Return a text as a code span that fits in a cell; one with a bar, which ends a cell, is plain text."""
    text = one_line(value)
    if "|" in text or not text:
        return escaped(text) or "(empty)"
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
