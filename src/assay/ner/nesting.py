"""How the entities of one document lie to each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from assay.ner.document import Entity


def crossing(entities: Sequence[Entity]) -> Iterator[tuple[Entity, Entity]]:
    """Yield pairs of entities of which each holds a part of the other that the other's rest lies outside of.

    At most one pair for each piece, the one that opens last before it: whether there is any is certain, their number is
    not that of all pairs.
    """
    pieces = sorted(
        ((start, -end, place) for place, entity in enumerate(entities) for start, end in entity.parts)
    )
    open_pieces: list[tuple[int, int, int]] = []  # start, end, entity
    for start, minus_end, place in pieces:
        open_pieces = [piece for piece in open_pieces if piece[1] > start]
        for before, end, other in reversed(open_pieces):
            if before < start and end < -minus_end and other != place:
                yield entities[other], entities[place]
                break
        open_pieces.append((start, -minus_end, place))


def inside(entities: Sequence[Entity]) -> set[int]:
    """Return the places of entities that lie inside another one, or have the bounds of an earlier one in the list."""
    order = sorted(range(len(entities)), key=lambda at: (entities[at].start, -entities[at].end, at))
    found = set()
    furthest = -1
    for at in order:
        if entities[at].end <= furthest:
            found.add(at)
        furthest = max(furthest, entities[at].end)
    return found


def flat(entities: Sequence[Entity], keep: str) -> tuple[Entity, ...]:
    """Return entities of which no two share a character, in their order.

    ``outer`` keeps the longer of two that do, ``inner`` the shorter. Of two of one length the one
    that begins first stays, then the one that is listed first.
    """
    sign = -1 if keep == "outer" else 1
    order = sorted(
        range(len(entities)), key=lambda at: (sign * _length(entities[at]), entities[at].start, at)
    )
    taken: list[tuple[int, int]] = []  # ascending, apart
    kept = []
    for at in order:
        start, end = entities[at].start, entities[at].end
        place = bisect_left(taken, (end, 0))
        if place == 0 or taken[place - 1][1] <= start:
            taken.insert(place, (start, end))
            kept.append(at)
    return tuple(entities[at] for at in sorted(kept))


def _length(entity: Entity) -> int:
    return entity.end - entity.start
