"""The 24 relations of EntityQuestions, in the order in which the paper lists them."""

from __future__ import annotations

from dataclasses import dataclass

ID, OOD = "ID", "OOD"


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation by its Wikidata number: what it says, and whether the paper trains on it (ID) or not (OOD)."""

    name: str
    domain: str


RELATIONS: dict[str, Relation] = {
    "P17": Relation("country", ID),
    "P19": Relation("place of birth", ID),
    "P20": Relation("place of death", ID),
    "P36": Relation("capital", ID),
    "P69": Relation("educated at", ID),
    "P131": Relation("administrative unit", ID),
    "P159": Relation("location of the headquarters", ID),
    "P276": Relation("location", ID),
    "P495": Relation("country of origin", ID),
    "P740": Relation("place of founding", ID),
    "P26": Relation("spouse", OOD),
    "P40": Relation("child", OOD),
    "P50": Relation("author", OOD),
    "P106": Relation("occupation", OOD),
    "P112": Relation("founder", OOD),
    "P127": Relation("owner", OOD),
    "P136": Relation("genre", OOD),
    "P170": Relation("creator", OOD),
    "P175": Relation("performer", OOD),
    "P176": Relation("manufacturer", OOD),
    "P264": Relation("record label", OOD),
    "P407": Relation("language of the work", OOD),
    "P413": Relation("position in the team", OOD),
    "P800": Relation("notable work", OOD),
}
