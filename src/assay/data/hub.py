"""A selection on the Hugging Face hub: the card that says where it came from, and the push."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from assay import __version__
from assay._check import require
from assay.errors import DataError

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
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))\w([\w.-]*\w)?/\w([\w.-]*\w)?(?<!\.git)", re.ASCII)
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
        f"# {_text(title)}",
        MARKER,
        _summary(manifest, method),
        f"Licence: {_text(license) if license else NOT_STATED}.",
        _section("Parameters", ("parameter", "value"), _pairs(parameters)),
        _section("Counts", ("what", "rows"), _pairs(_mapping(manifest, "counts"))),
        _results(_mapping(manifest, "results")),
        _section("Encoder", ("setting", "value"), _pairs(_mapping(manifest, "encoder"))),
        _section("Versions", ("library", "version"), _pairs(_versions(manifest))),
        _section("Files", ("file", "sha256"), _files(manifest, files)),
        "## Sources\n\n"
        + (_table(_SOURCE_COLUMNS, _source_rows(known)) if known else f"The sources are {NOT_STATED}."),
        "## How to repeat it\n\n"
        "With `manifest.json` of this run, and the sources where it names them:\n\n"
        "```\nassay run manifest.json -o out/\n```\n\n"
        "The sources are checked against their hashes first; the same rows come out, in the same order.",
    ]
    if method == "novelselect":
        body.append("## Citation\n\n" + _NOVELSELECT)
    return f"---\n{header}---\n\n" + "\n\n".join(part for part in body if part) + "\n"


def push(
    folder: Path,
    files: Sequence[str],
    repo: str,
    *,
    card: str,
    private: bool = False,
    overwrite: bool = False,
) -> str:
    """Put files and their card into a dataset repository of the hub, in one commit, and return its URL.

    The repository is made if there is none. In one that is there, a file of the same name is replaced **only if the
    repository's README.md was generated by assay** (it has the line `MARKER`); where a person wrote it, or
    there is none beside files that would be replaced, nothing is pushed, unless `overwrite`. Files with other
    names stay as they are. The commit is made on the state that was looked at: a repository that somebody
    changes meanwhile is refused, not overwritten.

    Parameters
    ----------
    folder
        Where the files are.
    files
        Their names, relative to `folder` and the same in the repository. ``README.md`` is the card's.
    repo
        ``org/name`` or ``user/name``.
    card
        Text of the README.md, as `dataset_card` writes it.
    private
        Make the new repository private. A public one that is there already is refused, and a private one stays
        private either way.
    overwrite
        Replace a README.md and files that assay did not write.

    Returns
    -------
    str
        URL of the commit; of the newest one where the repository holds these very files already.

    Raises
    ------
    DataError
        For a bad name, a missing file, no or a refused token, a repository that may not be written, offline mode,
        or a hub that does not answer. No file is then in the repository; a repository that was made for the push
        may be left empty.
    MissingExtraError
        Without huggingface_hub.

    Notes
    -----
    ``HF_TOKEN`` (or else the token of ``hf auth login``), ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` are respected. A
    ``.gitignore`` in the repository does not hold back any of the files. Progress bars show on a terminal only.
    Memory: files that the hub does not keep as large files (over about 10 MB) are sent as one request.
    """
    paths = _local(Path(folder), files)
    token = token_for(repo)
    hub = require("huggingface_hub", "hub", "--push")
    errors = require("huggingface_hub.errors", "hub", "--push")
    utils = require("huggingface_hub.utils", "hub", "--push")
    api = hub.HfApi(
        endpoint=os.environ.get("HF_ENDPOINT") or None,
        token=token,
        library_name="assay",
        library_version=__version__,
    )
    try:
        with _bars_on_terminals_only(utils):
            additions = [hub.CommitOperationAdd(name, path) for name, path in paths.items()]
            additions.append(hub.CommitOperationAdd("README.md", card.encode("utf-8")))
            there = _existing(api, errors, repo)
            if there is None:
                api.create_repo(repo, repo_type="dataset", **({"private": True} if private else {}))
            else:
                if private and not there.private:
                    raise DataError(
                        f"repo must be private; {repo} is public. Make it private in its settings, or name another."
                    )
                if not overwrite:
                    _check_replaceable(api, there, repo, [*paths, "README.md"])
            api.preupload_lfs_files(
                repo,
                additions,
                repo_type="dataset",
                free_memory=False,
                gitignore_content="# nothing is left out\n",
            )
            commit = api.create_commit(
                repo,
                additions,
                commit_message=f"Push {', '.join(paths)} with assay {__version__}",
                repo_type="dataset",
                parent_commit=there.sha if there else None,
            )
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, *errors.HfHubHTTPError.__bases__) as error:
        raise DataError(_refusal(error, repo, api.endpoint)) from error
    return str(commit.commit_url)


def check_name(repo: str) -> None:
    """Raise unless `repo` can be the name of a repository on the hub."""
    if len(repo) > 96 or not _REPOSITORY.fullmatch(repo):
        raise DataError(
            f"repo must be org/name, of letters, digits, '-', '_' and '.'; got {repo!r}. "
            "Give the name of the repository, not its address."
        )


def token_for(repo: str) -> str:
    """Return the token that a push to `repo` would use.

    Raises what would stop the push before it begins: a bad name, no huggingface_hub, offline mode, no token. The
    hub is not asked.
    """
    check_name(repo)
    hub = require("huggingface_hub", "hub", "--push")
    offline = os.environ.get("HF_HUB_OFFLINE", "")
    if offline.upper() in ("1", "ON", "YES", "TRUE"):
        raise DataError(f"HF_HUB_OFFLINE must be unset for a push; got {offline}. Unset it, or push later.")
    token = hub.get_token()
    if not token:
        raise DataError(
            f"HF_TOKEN must be a token that may write to {repo}; got none. Set it, or log in: hf auth login"
        )
    return str(token)


def _local(folder: Path, files: Sequence[str]) -> dict[str, Path]:
    """Return names in the repository with the files they stand for, all of them there."""
    if isinstance(files, str) or not files:
        raise DataError(f"files must be a list of at least one name; got {files!r}.")
    paths: dict[str, Path] = {}
    for name in files:
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).as_posix() != name or name.startswith("/") or {"..", ".git"} & set(parts):
            raise DataError(f"files must be plain names below {folder}; got {name!r}.")
        if name == "README.md" or name in paths:
            raise DataError(
                f"files must be distinct and leave README.md to the card; got {name!r} once too often."
            )
        if not (folder / name).is_file():
            raise DataError(f"files must be in {folder}; {name!r} is not there.")
        paths[name] = folder / name
    return paths


def _existing(api: Any, errors: Any, repo: str) -> Any:
    """Return what the hub knows of the repository, or None where there is none."""
    try:
        return api.repo_info(repo, repo_type="dataset")
    except errors.HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 404:
            return None
        raise


def _check_replaceable(api: Any, there: Any, repo: str, names: Sequence[str]) -> None:
    """Raise if the push would replace something and no card says that assay wrote it."""
    held = {sibling.rfilename for sibling in there.siblings or ()}
    clash = [name for name in names if name in held]
    if not clash:
        return
    if "README.md" in held:
        with tempfile.TemporaryDirectory() as folder:
            card = api.hf_hub_download(
                repo, "README.md", repo_type="dataset", revision=there.sha, local_dir=folder
            )
            if MARKER in Path(card).read_text(encoding="utf-8", errors="replace").splitlines():
                return
        clash = ["README.md"]
    raise DataError(
        f"repo must be new or hold a card that assay wrote; {repo} has a {clash[0]} of its own. "
        "Push to another repository, or use --overwrite to replace it."
    )


def _refusal(error: BaseException, repo: str, endpoint: str) -> str:
    """Return what stopped a push, in one line."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    refused = next((e for e in chain if getattr(e, "response", None) is not None), None)
    said = _one_line(getattr(refused, "server_message", None) or "")
    status = refused.response.status_code if refused is not None else None  # type: ignore[attr-defined]
    detail = f"{status} from {endpoint}" + (f": {said}" if said else "")
    if status == 401:
        return (
            f"HF_TOKEN must be a valid token; got a refusal ({detail}). Set another, or log in: hf auth login"
        )
    if status == 403:
        return (
            f"repo must be one that your token may write to; got {repo} ({detail}). "
            "Use a token with write access, or another repository."
        )
    if status == 409:
        return f"repo must be one that your token may read; {repo} exists already ({detail}). Name another."
    if status == 412:
        return f"repo must not change during a push; {repo} did ({detail}). Push again."
    if status is not None:
        advice = " Push again later." if status >= 500 or status == 429 else ""
        return f"the hub must accept the push to {repo}; got {detail}.{advice}"
    if any(type(e).__name__ == "OfflineModeIsEnabled" for e in chain):
        return "HF_HUB_OFFLINE must be unset for a push; got offline mode. Unset it, or push later."
    last = chain[-1]
    if isinstance(last, OSError) and last.filename is not None:
        return f"files must be readable; got {_one_line(last)}."
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return f"the hub must accept the push to {repo}; got {_one_line(error)}."
    return (
        f"the hub must be reachable; got no answer from {endpoint} ({_one_line(last) or type(last).__name__}). "
        "Check the network and HF_ENDPOINT, and push again."
    )


@contextmanager
def _bars_on_terminals_only(utils: Any) -> Iterator[None]:
    """Keep the hub client's progress bars off where standard error is no terminal."""
    decided = os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS") is not None  # and the client keeps to it
    if decided or sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def _header(
    manifest: Mapping[str, Any],
    *,
    title: str,
    files: Sequence[str],
    sources: Iterable[Mapping[str, Any]],
    license: str | None,
) -> dict[str, Any]:
    """Return the metadata that the hub reads."""
    header: dict[str, Any] = {"pretty_name": _one_line(title)}
    if license:
        identifier = re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-.")
        if identifier in _LICENSES.split():
            header["license"] = identifier
        else:
            header |= {"license": "other", "license_name": identifier or _one_line(license)}
    stated = [source.get("language") for source in sources]
    codes = [code for one in stated for code in ([one] if isinstance(one, str) else one or ())]
    languages = sorted({code.lower() for code in codes if re.fullmatch(r"[a-zA-Z]{2,3}", str(code))})
    if languages:
        header["language"] = languages
    selected = _mapping(manifest, "counts").get("selected")
    if isinstance(selected, int) and selected >= 0:
        header["size_categories"] = [_size_category(selected)]
    header["tags"] = ["assay", "data-selection"]
    if files:
        data_files = [{"split": "train", "path": files[0]}]
        header["configs"] = [{"config_name": "default", "data_files": data_files}]
    return header


def _size_category(rows: int) -> str:
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
    table = _section("Results", ("measure", *(_text(key) for key in sets)), cells)
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
        row = [_code(_shown(str(path))) if path else NOT_STATED, _text(role) if role else ""]
        row += [
            _code(source[key]) if source.get(key) is not None else NOT_STATED for key in ("rows", "sha256")
        ]
        rows.append([*row, _text(license) if license else NOT_STATED])
    return rows


def _mapping(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = manifest.get(key)
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def _pairs(mapping: Mapping[str, Any]) -> list[list[str]]:
    return [[_code(name), _value(value)] for name, value in mapping.items()]


def _section(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"## {heading}\n\n{_table(columns, rows)}" if rows else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
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


def _one_line(value: Any) -> str:
    """Return a text without line breaks, control characters and lone surrogates."""
    whole = str(value).encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", " ".join(whole.split()))


def _text(value: Any) -> str:
    """Return a text that Markdown shows as it is, in a heading or a cell."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#~&$!])", r"\\\1", _one_line(value))
    return escaped.replace("|", "&#124;")


def _code(value: Any) -> str:
    """Return a text as a code span that fits in a cell; one with a bar, which ends a cell, is plain text."""
    text = _one_line(value)
    if "|" in text or not text:
        return _text(text) or "(empty)"
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
