"""The filters of facts, written as the description words them."""

from __future__ import annotations


def kept_by_a_loop(rows: list[tuple[str, str, list[str]]], order: list[str]) -> list[str]:
    """Numbers of the rows (question, split, answers) that are left."""
    left = list(range(len(rows)))
    for step in order:
        following = []
        for row in left:
            if step == "one-answer":
                good = len(rows[row][2]) == 1
            else:
                good = all(rows[row][:2] != rows[earlier][:2] for earlier in left if earlier < row)
            if good:
                following.append(row)
        left = following
    return [str(row) for row in left]
