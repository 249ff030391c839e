"""Messages in terms of what was typed."""

from __future__ import annotations

import pytest

from assay.cli.measure import measure
from assay.cli.select import select
from assay.cli.wording import as_typed, flags, words


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ("budget must be >= 1; got 0.", "--budget must be >= 1; got 0."),
        ("shape must be one of alpaca; got 'x'.", "--from must be one of alpaca; got 'x'."),
        ("repo must be org/name; got 'x'.", "--push must be org/name; got 'x'."),
        ("column must be left out for a .npy file", "--vectors-column must be left out for a .npy file"),
        (
            "2 rows are copies. Use skip_duplicates to leave them out.",
            "2 rows are copies. Use --skip-duplicates to leave them out.",
        ),
        ("Loosen quotas and skip_duplicates.", "Loosen quotas and --skip-duplicates."),
        ("or use density_statistic='mean_sq_l2'.", "or use --density-statistic mean_sq_l2."),
        # these are no options here
        (
            "source must be an existing file; there is no x.",
            "source must be an existing file; there is no x.",
        ),
        ("workers must keep running; got one that ended", "workers must keep running; got one that ended"),
        ("a.jsonl:3: text must be a string", "a.jsonl:3: text must be a string"),
        ("row must have a column 'group_by'; there are: group_by, id.",) * 2,
        ("out/group_by/max_per_group.json must be JSON",) * 2,
        ("the limit of text must be", "the limit of text must be"),
        ("recipe.yaml: group_by must be a string", "recipe.yaml: group_by must be a string"),
    ],
)
def test_as_typed(message: str, typed: str) -> None:
    assert as_typed(message) == typed


def test_flags_and_words() -> None:
    assert flags(select)["max_per_group"] == "--max-per-group"
    assert flags(select)["shape"] == "--from"
    assert "source" not in flags(select)
    assert flags(measure)["include_self"] == "--include-self"
    assert words(select)["shape"] == "from"
    assert words(select)["source"] == "source"
    assert words(select)["max_per_group"] == "max_per_group"
    assert len(set(words(select).values())) == len(words(select))
