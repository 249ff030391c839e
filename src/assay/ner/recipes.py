"""Recipes of a training set: which corpora, under which names, how few of them, in which files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assay._check import choice, known
from assay._files import read_yaml
from assay.errors import DataError
from assay.ner.choose import STRATEGIES
from assay.ner.export import TARGETS
from assay.ner.taxonomy import Source, sources

SUFFIX = ".yaml"
UNIVERSAL, NONE = "universal", "none"
LAYOUTS = ("names", "b2nerd")
Text = Annotated[str, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Near = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Role = Literal["train", "dev", "test"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(_Frozen):
    """Options of `assay.ner.read_corpus`, in place of those that the `Source` of the corpus gives."""

    format: Text | None = None
    scheme: Text | None = None
    tag_column: Text | int | None = None
    repair: Text | None = None
    offsets: Text | None = None

    def given(self) -> dict[str, Any]:
        """Return the options that are set."""
        return self.model_dump(exclude_none=True)


class Entry(_Frozen):
    """One corpus of a recipe.

    name
        As in ``name/label``.
    path
        Its file or folder, below the data folder; by default its name, or `official` in the layout ``b2nerd``.
    official
        Its folder in the data that B2NERD gives out, such as ``NER_en/CoNLL 2003``.
    source
        Which of `assay.ner.taxonomy.sources` it is, by default that of its name.
    role
        ``train``: it is trained on, but for its splits ``dev``, which is held out for development, and ``test``, which
        is left out. ``both``: so, and ``test`` is held out for testing. ``test``: its split ``test`` is held out, or
        all of it where it has none, and the rest is left out.
    splits
        Which splits are trained on and held out, in place of what the role says; others are left out. Of those named
        for one role, some may be missing.
    reading
        How its files are read where that must be said.
    labels
        Names of its labels, before anything else says what they are called.
    decisions
        A decision file, below the folder of the recipe, for this corpus, before the mapping of the recipe.
    limit
        Documents that are trained on, or of a corpus to ``test`` held out, at most: drawn by `Recipe.seed` before
        anything else is done with them.
    language, names
        Of the texts; of the names that its labels get, by default Chinese for Chinese texts and else English.
    obtain
        How to get it, where its source does not say so.
    """

    name: Annotated[str, Field(strict=True, pattern=r"^[^./=\s][^/=\s]*$")]
    path: Text | None = None
    official: Text | None = None
    source: Text | None = None
    role: Literal["train", "both", "test"] = "train"
    splits: Mapping[Role, tuple[Text, ...]] = {}
    reading: Reading = Reading()
    labels: Mapping[Text, Text] = {}
    decisions: Text | None = None
    limit: Whole | None = None
    language: Text | None = None
    names: Literal["en", "zh"] | None = None
    obtain: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("splits")
    @classmethod
    def _one_role(cls, splits: Mapping[Role, tuple[Text, ...]]) -> Mapping[Role, tuple[Text, ...]]:
        named = [split for own in splits.values() for split in dict.fromkeys(own)]
        twice = next((split for split in named if named.count(split) > 1), None)
        if twice is not None:
            raise ValueError(f"must name each split for one role; got {twice!r} for two")
        return splits

    @property
    def known(self) -> Source | None:
        """The public corpus that it is, None where assay knows none of that name."""
        return sources().get(self.source or self.name)

    @property
    def trained(self) -> bool:
        """Whether it is trained on."""
        return "train" in self.splits if self.splits else self.role != "test"

    @property
    def tested(self) -> bool:
        """Whether some of it is held out for testing."""
        return "test" in self.splits if self.splits else self.role != "train"


class Prune(_Frozen):
    """What is kept for training: options of `assay.ner.prune`; `seed` is by default that of the recipe."""

    strategy: Text = "quota"
    k: Whole = 400
    negatives: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_per_corpus: Whole | Mapping[Text, Whole] | None = None
    max_per_language: Whole | Mapping[Text, Whole] | None = None
    encoder: Text = "tfidf"
    budget: Whole | None = None
    seed: Seed | None = None

    @field_validator("strategy")
    @classmethod
    def _there(cls, strategy: str) -> str:
        return choice("strategy", strategy, STRATEGIES)


class Export(_Frozen):
    """Files for training, each shape in a folder of its name: see `assay.ner.export`.

    `descriptions` ``universal`` has prompts say what labels mean; `seed` is by default that of the recipe.
    """

    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    labels: Literal["corpus", "all"] = "corpus"
    training: bool | None = None
    max_labels: Whole = 18
    label_dropout: Share = 0.1
    shuffle: bool = True
    descriptions: Literal["universal"] | None = None
    examples: Annotated[int, Field(strict=True, ge=0)] = 0
    max_chars: Whole | None = None
    on_long: Literal["error", "skip"] = "error"
    seed: Seed | None = None

    @model_validator(mode="before")
    @classmethod
    def _shapes_alone(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, list) else value

    @field_validator("to")
    @classmethod
    def _there(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(choice("to", name, TARGETS) for name in to)


class Recipe(_Frozen):
    """One training set.

    summary
        What it is for.
    data
        Folder of the corpora, from that of the recipe; by default the latter.
    layout
        Where corpora without a path lie: ``names``, each in a folder of its name as its licence holder gives it out; or
        ``b2nerd``, each in its folder of the data that B2NERD gives out.
    mapping
        ``universal``: labels get the names of the universal taxonomy; ``none``: they keep their own; or the path of a
        decision file, below the folder of the recipe.
    names
        Language of the names: ``corpus`` for that of each corpus, or one for all.
    undecided
        What becomes of entities that a split does not decide: ``error``, or ``keep-raw``.
    check
        ``report`` what `assay.ner.check` finds and go on, or stop where that is an ``error``.
    near
        Jaccard index of character 5-grams, above 0 and at most 1, from which a training document is dropped for one
        that is held out or for another one; at 1 only one with the same grams, as copies have.
    prune
        What is kept; None keeps all that is no leak and no copy.
    export
        Files for training, or only their shapes, such as ``[b2ner]``; None writes assay's own documents alone.
    seed
        Of every draw.
    """

    name: Annotated[str, Field(strict=True, pattern=r"^[^/]+$")]
    summary: Text = ""
    data: Text | None = None
    layout: Literal["names", "b2nerd"] = "names"
    mapping: Text = UNIVERSAL
    names: Literal["corpus", "en", "zh"] = "corpus"
    undecided: Literal["error", "keep-raw"] = "error"
    check: Literal["report", "error"] = "report"
    corpora: Annotated[tuple[Entry, ...], Field(min_length=1)]
    near: Near = 0.8
    prune: Prune | None = Prune()
    export: Export | None = None
    seed: Seed = 0

    @field_validator("corpora")
    @classmethod
    def _once(cls, corpora: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [entry.name for entry in corpora]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"must have different names; got {twice!r} twice")
        return corpora


@dataclass(frozen=True, slots=True)
class Place:
    """Where a corpus of a recipe is looked for, and whether it is there."""

    entry: Entry
    path: Path

    @property
    def there(self) -> bool:
        """Whether there is such a file or folder."""
        return self.path.exists()

    @property
    def how(self) -> str:
        """How to get the corpus."""
        source = self.entry.known
        if source is None:
            return self.entry.obtain or "assay does not know where to get it."
        licence = f" Licence: {source.licence}." if source.licence else " No licence was found."
        return f"{source.home}. {self.entry.obtain or source.obtain}{licence}"


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from a YAML file, or the one of a name that assay ships, see `recipes`.

    Raises
    ------
    DataError
        There is no such file or recipe, or (``file: field: ...``) a field is wrong.
    """
    if Path(path).suffix not in (".yaml", ".yml"):
        return recipes()[known("recipe", str(path), recipes(), "assay ner recipes")]
    recipe = _parsed(path, read_yaml(path))
    for entry in recipe.corpora:
        if entry.source is not None and entry.source not in sources():
            near = difflib.get_close_matches(entry.source, sources(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " Leave it out."
            raise DataError(
                f"{path}: corpora.{entry.name}.source must be a public corpus that assay knows; "
                f"got {entry.source!r}.{hint}"
            )
    return recipe


@cache
def recipes() -> Mapping[str, Recipe]:
    """Return the recipes that assay ships, by name; `recipe_text` has them as files with remarks."""
    folder = files("assay.ner") / "builtin" / "recipes"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(SUFFIX):
            recipe = _parsed(file.name, read_yaml(file.name, file.read_bytes()))
            found[recipe.name] = recipe
    return found


def recipe_text(name: str) -> str:
    """Return a recipe that assay ships as the text of a file to edit."""
    known("recipe", name, recipes(), "assay ner recipes")
    return (files("assay.ner") / "builtin" / "recipes" / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def places(recipe: Recipe, *, folder: str | Path, data: str | Path | None = None) -> list[Place]:
    """Return where each corpus of a recipe is looked for.

    Parameters
    ----------
    recipe
        As `read_recipe` returns it.
    folder
        That of the recipe's file.
    data
        Folder of the corpora, in place of the one that the recipe names.
    """
    root = Path(folder) / (recipe.data or "") if data is None else Path(data)
    found = []
    for entry in recipe.corpora:
        own = entry.path
        if own is None and recipe.layout == "b2nerd":
            if entry.official is None:
                raise DataError(
                    f"path must be given for {entry.name}, whose folder in B2NERD's data is not known. "
                    "Add a path, or official."
                )
            own = entry.official
        found.append(Place(entry, root / (own or entry.name)))
    return found


def _parsed(path: str | Path, found: Any) -> Recipe:
    if not isinstance(found, dict):
        raise DataError(f"{path} must be a mapping with name and corpora. See: assay ner recipes")
    try:
        return Recipe.model_validate(found)
    except ValidationError as error:
        # of a list with one wrong item pydantic says too that it is too short
        told = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
        errors = {_place(found, e): e for e in reversed(told)}
        for loc in list(errors):  # a union fails at its place and, in one of its branches, below
            if any(other[: len(loc)] == loc != other for other in errors):
                del errors[loc]
        loc = min(reversed(errors), key=lambda loc: errors[loc]["type"] != "extra_forbidden")
        more = f" {len(errors) - 1} more are wrong too." if len(errors) > 1 else ""
        raise DataError(f"{path}: {_said(found, loc, errors[loc])}{more}") from None


def _place(found: Any, error: Any) -> tuple[Any, ...]:
    """Return the path of an error without what pydantic adds: branches of unions, fields that stand alone."""
    loc = []
    for part in error["loc"]:
        there = (
            part in found if isinstance(found, dict) else isinstance(found, list) and isinstance(part, int)
        )
        if there or (error["type"] == "missing" and part == error["loc"][-1]):
            loc.append(part)
            found = found[part] if there else None
    return tuple(loc)


def _said(found: Mapping[str, Any], place: tuple[Any, ...], error: Any) -> str:
    """Return one error of pydantic as a sentence that begins with the path of the field."""
    loc = list(place)
    fields = Recipe.model_fields
    if loc[:1] == ["corpora"] and len(loc) > 1:
        fields = Entry.model_fields if "reading" not in loc[2:3] else Reading.model_fields
        entry = found["corpora"][loc[1]]
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            loc[1] = entry["name"]
        else:
            loc[1] += 1
    elif loc[:1] == ["prune"]:
        fields = Prune.model_fields
    elif loc[:1] == ["export"]:
        fields = Export.model_fields
    where = ".".join(map(str, loc))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), fields, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(fields)}."
        return f"{where} is no field. {hint}"
    if error["type"] == "missing":
        return f"{where} must be given."
    rule = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        own = str(error["loc"][-1])
        rule = rule.removeprefix(f"{own} ")
        return f"{where} {rule}" if rule.endswith(("?", ".")) else f"{where} {rule}."
    rule = re.sub("^(Input|String|Tuple) should (be )?", lambda m: f"must {m[2] or ''}", rule)
    rule = re.sub("valid dictionary( or instance of .*)?", "mapping", rule).replace("valid tuple", "list")
    return f"{where} {rule.partition(' after validation')[0]}; got {error['input']!r}."
