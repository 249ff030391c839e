"""Public corpora: where each is to be had, how it is read, and which type each of its raw labels comes to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay._files import read_yaml
from assay.errors import DataError

Text = Annotated[str, Field(strict=True)]
Provenance = Literal["read", "unverified"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RawLabel(_Frozen):
    """One raw label of a corpus.

    `type` is the id of the type that it comes to, None where its meaning is not known. `provenance` is ``"read"``
    where the label and what it stands for were read in a public source, ``"unverified"`` otherwise. `meaning` says in
    a few words what the label stands for where it does not say so itself.
    """

    type: Text | None
    provenance: Provenance
    meaning: Text = ""


class Source(_Frozen):
    """One public corpus.

    name
        As in ``name/label``.
    group
        What B2NERD uses it for: ``train`` or ``test``; ``more`` for a corpus that it does not have.
    n_labels
        How many labels B2NERD counts, None for a corpus that it does not have or where two counts disagree.
    licence, home
        Who gives it out, and under which terms; "" for a licence that was not found.
    obtain
        How to get it, by the way of its licence holder.
    reading
        Options of `assay.ner.read_corpus` that its files need.
    labels
        Every raw label that is known, in the order of the corpus where that is known.
    unknown
        How many labels are not known by name.
    notes
        What else a user should know, such as two counts that disagree.
    """

    name: Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]*$")]
    title: Text
    group: Literal["train", "test", "more"]
    language: Text
    domain: Text
    n_labels: int | None = None
    licence: Text = ""
    home: Text
    obtain: Text
    reading: Mapping[str, str] = {}
    labels: Mapping[str, RawLabel]
    unknown: int = 0
    notes: Text = ""


@cache
def sources() -> Mapping[str, Source]:
    """Return the public corpora that assay knows, by name; see `Source`."""
    found: dict[str, Source] = {}
    for file in sorted((files("assay.ner") / "builtin" / "sources").iterdir(), key=lambda file: file.name):
        rows: Any = read_yaml(file.name, file.read_bytes())
        for row in rows:
            try:
                source = Source.model_validate(row)
            except ValidationError as error:
                first = error.errors()[0]
                raise DataError(
                    f"{file.name}: {row.get('name')}: {'.'.join(map(str, first['loc']))}: {first['msg']}."
                ) from None
            if source.name in found:
                raise DataError(f"{file.name}: name must be unique; got {source.name!r} twice.")
            found[source.name] = source
    return found
