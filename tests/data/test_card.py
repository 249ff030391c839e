"""The card of a selection."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assay.data.card import MARKER, dataset_card

MANIFEST: dict[str, Any] = {
    "assay": "0.1.0",
    "command": "select",
    "parameters": {
        "source": "data.json",
        "method": "novelselect",
        "budget": "5000",
        "seed": 42,
        "groups": None,
    },
    "inputs": [{"role": "pool", "path": "data.json", "sha256": "ab" * 32, "rows": 52002}],
    "encoder": {"name": "sentence", "max_tokens": 256},
    "versions": {"python": "3.11.2", "numpy": "2.0.0"},
    "counts": {"pool": 52002, "selected": 5000},
    "results": {"novelsum": {"selected": 0.6123456789, "random": 0.5}},
    "outputs": {"selected.json": "cd" * 32},
    "run": {"seconds": {}},
}


def parts_of(card: str) -> tuple[dict[str, Any], str]:
    """Return the header as data and the rest as text."""
    found = re.fullmatch(r"---\n(.*?\n)---\n\n(.*)", card, re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1]), found[2]


def rows_under(body: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without the line of dashes."""
    section = body.split(f"\n## {heading}\n\n")[1].split("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines()]
    return [lines[0], *lines[2:]]


def test_header_says_what_the_hub_reads() -> None:
    card = dataset_card(
        MANIFEST,
        title="Varied Alpaca",
        files=["selected.json", "manifest.json"],
        sources=[{"path": "data.json", "license": "CC BY-NC 4.0", "language": ["en", "zh"]}],
        license="CC-BY-NC-4.0",
    )
    header, _ = parts_of(card)
    assert header == {
        "pretty_name": "Varied Alpaca",
        "license": "cc-by-nc-4.0",
        "language": ["en", "zh"],
        "size_categories": ["1K<n<10K"],
        "tags": ["assay", "data-selection"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "selected.json"}]}],
    }


def test_body_says_how_the_data_came_about() -> None:
    card = dataset_card(
        MANIFEST,
        title="Varied Alpaca",
        files=["selected.json", "manifest.json"],
        sources=[{"path": "data.json", "license": "CC BY-NC 4.0"}],
    )
    _, body = parts_of(card)
    assert body.startswith(f"# Varied Alpaca\n\n{MARKER}\n\n")
    assert "\n5,000 of 52,002 rows (9.6%), chosen by `novelselect` with `assay`.\n" in body
    assert "\nLicence: not stated.\n" in body
    assert rows_under(body, "Parameters")[1:] == [
        ["`source`", "`data.json`"],
        ["`method`", "`novelselect`"],
        ["`budget`", "`5000`"],
        ["`seed`", "`42`"],
        ["`groups`", "not set"],
    ]
    assert rows_under(body, "Counts")[1:] == [["`pool`", "`52002`"], ["`selected`", "`5000`"]]
    assert rows_under(body, "Results") == [
        ["measure", "selected", "random"],
        ["`novelsum`", "`0.612346`", "`0.5`"],
    ]
    assert rows_under(body, "Encoder")[1:] == [["`name`", "`sentence`"], ["`max_tokens`", "`256`"]]
    assert rows_under(body, "Versions")[1:] == [
        ["`assay`", "`0.1.0`"],
        ["`python`", "`3.11.2`"],
        ["`numpy`", "`2.0.0`"],
    ]
    assert rows_under(body, "Files")[1] == ["`selected.json`", f"`{'cd' * 32}`"]
    assert rows_under(body, "Sources") == [
        ["source", "role", "rows", "sha256", "licence"],
        ["`data.json`", "pool", "`52002`", f"`{'ab' * 32}`", "CC BY-NC 4.0"],
    ]
    assert "\nassay run manifest.json -o out/\n" in body
    assert "2502.17184" in body.split("## Citation")[1]
    assert dataset_card(MANIFEST, title="A", files=["a"], sources=[]) == dataset_card(
        MANIFEST, title="A", files=["a"], sources=None
    )


def test_only_novelselect_is_cited_for_novelselect() -> None:
    manifest = MANIFEST | {"parameters": {"method": "kcenter"}}
    assert "## Citation" not in dataset_card(manifest, title="A", files=["a.json"], sources=[])


@pytest.mark.parametrize("missing", [*MANIFEST, "everything"])
def test_missing_keys_leave_their_part_out(missing: str) -> None:
    left = {} if missing == "everything" else {key: row for key, row in MANIFEST.items() if key != missing}
    header, body = parts_of(dataset_card(left, title="A", files=["a.json"], sources=None))
    assert header["tags"] == ["assay", "data-selection"]
    assert ("size_categories" in header) == ("counts" in left)
    assert ("The sources are not stated." in body) == ("inputs" not in left)
    for key, heading in (("parameters", "Parameters"), ("results", "Results"), ("encoder", "Encoder")):
        assert (f"## {heading}" in body) == (key in left)


def test_what_nobody_stated_is_not_guessed() -> None:
    sources = [{"path": "b.json"}, {"path": "data.json", "license": "MIT"}]
    header, body = parts_of(dataset_card(MANIFEST, title="A", files=["a.json"], sources=sources))
    assert "license" not in header
    assert "language" not in header
    assert rows_under(body, "Sources")[1:] == [
        ["`data.json`", "pool", "`52002`", f"`{'ab' * 32}`", "MIT"],
        ["`b.json`", "", "not stated", "not stated", "not stated"],
    ]


@pytest.mark.parametrize(
    ("stated", "header"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("CC BY-SA 4.0", {"license": "cc-by-sa-4.0"}),
        ("Our Terms, v2", {"license": "other", "license_name": "our-terms-v2"}),
        ("自有许可", {"license": "other", "license_name": "自有许可"}),
    ],
)
def test_a_licence_that_the_hub_does_not_list_is_named(stated: str, header: dict[str, str]) -> None:
    got, body = parts_of(dataset_card({}, title="A", files=[], sources=[], license=stated))
    assert {key: value for key, value in got.items() if key.startswith("license")} == header
    assert f"\nLicence: {stated}.\n" in body


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (10**9, "1B<n<10B"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
        (10**15, "n>1T"),
    ],
)
def test_size_category(rows: int, category: str) -> None:
    header, _ = parts_of(dataset_card({"counts": {"selected": rows}}, title="A", files=[], sources=[]))
    assert header["size_categories"] == [category]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/someone/data.json", "data.json"),
        ("~/data.json", "data.json"),
        ("../other/data.json", "data.json"),
        (r"C:\Users\someone\data.json", "data.json"),
        ("hf:/home/someone/model", "hf:model"),
        ("hf:org/model", "hf:org/model"),
        ("sets/data.json", "sets/data.json"),
        ("org/name:config@train", "org/name:config@train"),
    ],
)
def test_folders_of_a_person_are_not_published(path: str, shown: str) -> None:
    manifest = {
        "parameters": {"source": path, "more": [path]},
        "inputs": [{"path": path}],
        "encoder": {"name": path, "extra": {"path": path}},
    }
    _, body = parts_of(dataset_card(manifest, title="A", files=[], sources=[]))
    assert body.count(shown) == 5
    assert "someone" not in body
    assert rows_under(body, "Sources")[1][0] == f"`{shown}`"


ANY_TEXT = st.text(max_size=30) | st.sampled_from(
    [
        "---",
        "a\n---\nb",
        "<script>x</script>",
        "| a | b |",
        "a\\|b",
        "`` ` ``",
        "# x",
        "[a](b)",
        "\ud800",
        "\x00",
        MARKER,
    ]
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(title=ANY_TEXT, name=ANY_TEXT, license=ANY_TEXT, value=ANY_TEXT | st.lists(ANY_TEXT, max_size=2))
def test_texts_from_outside_stay_text(title: str, name: str, license: str, value: Any) -> None:
    markdown = MarkdownIt("commonmark")
    manifest = {
        "parameters": {name: value, "method": title},
        "inputs": [{"path": name, "role": title}],
        "encoder": {name: value},
        "results": {name: {title: 1.5}},
    }
    sources = [{"path": name, "license": license}]
    card = dataset_card(manifest, title=title, files=[name], sources=sources, license=license)
    header, body = parts_of(card)
    card.encode("utf-8")
    clean = " ".join(title.encode("utf-8", "replace").decode().split())
    assert header["pretty_name"] == re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", clean)
    assert card.splitlines().count(MARKER) == 1
    tokens = markdown.enable("table").parse(body)
    assert [t.content.strip() for t in tokens if t.type == "html_block"] == [MARKER]
    headings = [tokens[i + 1] for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert [t.content for t in headings[1:]] == [
        *("Parameters", "Results", "Encoder", "Files", "Sources", "How to repeat it"),
        *(["Citation"] if title == "novelselect" else []),
    ]
    shown = "".join(part.content for part in headings[0].children)
    assert shown == header["pretty_name"]
    kinds = {part.type for t in tokens if t.type == "inline" for part in t.children}
    assert kinds <= {"text", "text_special", "code_inline"}
    cells = [tokens[i + 1] for i, t in enumerate(tokens) if t.type in ("td_open", "th_open")]
    # columns times lines of: parameters, results, encoder, files, sources
    parameters = len({name, "method"})
    assert len(cells) == 2 * (1 + parameters) + 2 * 2 + 2 * 2 + 2 * 2 + 5 * 2
