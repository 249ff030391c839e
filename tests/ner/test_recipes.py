"""Recipes: what a file may say, what it says of a wrong field, and those that assay ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import DataError
from assay.ner import read_recipe, recipes
from assay.ner.recipes import places, recipe_text
from assay.ner.taxonomy import sources

OFFICIAL = "bilingual_b2nerd_only", "bilingual_full", "bilingual_idsupervised", "crosslingual_multiconer22"


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_alone_is_a_corpus_and_paths_go_from_the_data_folder(tmp_path):
    recipe = read_recipe(
        written(
            tmp_path,
            "name: two\ndata: raw\ncorpora: [news, {name: wiki, path: w/all, official: NER_en/Wiki}]\n",
        )
    )
    assert [place.path for place in places(recipe, folder=tmp_path)] == [
        tmp_path / "raw/news",
        tmp_path / "raw/w/all",
    ]
    assert [place.path for place in places(recipe, folder=tmp_path, data="/d")] == [
        Path("/d/news"),
        Path("/d/w/all"),
    ]
    given_out = recipe.model_copy(update={"layout": "b2nerd"})
    with pytest.raises(DataError, match="path must be given for news, whose folder in B2NERD's data is not"):
        places(given_out, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "must be a mapping with name and corpora"),
        ("name: x", "corpora must be given."),
        ("name: x\ncorpora: []", "corpora .* at least 1 item"),
        ("name: x\ncorpora: [{name: a, pth: b}]", "corpora.a.pth is no field. Did you mean 'path'"),
        ("name: x\ncorpora: [{path: b}]", "corpora.1.name must be given."),
        ("name: x\ncorpora: [a]\nprune: {kk: 3}", "prune.kk is no field. Did you mean 'k'"),
        ("name: x\ncorpora: [a]\nprune: {k: 0}", "prune.k must be greater than or equal to 1; got 0."),
        (
            "name: x\ncorpora: [{name: a, role: tset}]",
            "corpora.a.role must be 'train', 'both' or 'test'; got 'tset'.",
        ),
        ("name: x\ncorpora: [{name: a, reading: {skeme: IOB1}}]", "corpora.a.reading.skeme is no field. Did"),
        (
            "name: x\ncorpora: [{name: a, source: conl}]",
            "corpora.a.source must be a public corpus that assay knows; got 'conl'",
        ),
        ("name: x\ncorpora: [a, b, a]", "corpora must have different names; got 'a' twice."),
        ("name: x\nmaping: none\ncorpora: [a]", "maping is no field. Did you mean 'mapping'?"),
        ("name: x\ncorpora: a", "corpora must be a list; got 'a'.$"),
        ("name: x\ncorpora: [3]", "corpora.1 must be a mapping; got 3.$"),
        ("name: x/y\ncorpora: [a]", "name must match pattern .*; got 'x/y'.$"),
        ("name: x\ncorpora: ['..']", "corpora.1 must match pattern .*; got '..'.$"),
        ("name: x\nseed: -1\ncorpora: [a]", "seed must be greater than or equal to 0; got -1.$"),
        (
            "name: x\ncorpora: [a]\nprune: {max_per_corpus: {a: 0}}",
            "prune.max_per_corpus.a must be .* 1; got 0.$",
        ),
        (
            "name: x\ncorpora: [a]\nprune: {max_per_corpus: abc}",
            "max_per_corpus must be .* integer; got 'abc'.$",
        ),
        ("name: x\ncorpora: [a]\nprune: {strategy: quotas}", r"prune.strategy must be one of .*'quota'\?$"),
        ("name: x\ncorpora: [a]\nexport: [b2nr]", r"export must be one of .*; got 'b2nr'. Did .* 'b2ner'\?$"),
        (
            "name: x\ncorpora: [{name: a, splits: {trian: [a]}}]",
            "corpora.a.splits.trian must be 'train', .*; got 'trian'.$",
        ),
        (
            "name: x\ncorpora: [{name: a, splits: {train: [a, b], test: [b]}}]",
            "corpora.a.splits must name each split for one role; got 'b' for two.$",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read_recipe(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "recipe.yaml"))


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'bilingual_full'"):
        read_recipe("bilingual_ful")


def test_the_official_splits_have_the_published_numbers_of_corpora():
    found = recipes()
    assert {*OFFICIAL, "public", "mini"} == set(found)
    counted = {
        name: (sum(e.trained for e in found[name].corpora), sum(e.tested for e in found[name].corpora))
        for name in OFFICIAL
    }
    assert counted == {
        "bilingual_b2nerd_only": (40, 14),
        "bilingual_full": (41, 14),
        "bilingual_idsupervised": (43, 26),
        "crosslingual_multiconer22": (39, 6),
    }
    listed = {entry.name: entry.role for entry in found["bilingual_b2nerd_only"].corpora}
    known = {source.name: source.group for source in sources().values() if source.group != "more"}
    assert listed == known
    for name, recipe in found.items():
        if name != "mini":
            assert all(entry.known is not None or entry.obtain for entry in recipe.corpora), name
    alone, full = (
        {entry.name for entry in found[name].corpora} for name in ("bilingual_b2nerd_only", "bilingual_full")
    )
    assert full - alone == {"pilener"}
    assert alone < full


def test_every_official_corpus_has_its_folder_in_the_data_that_b2nerd_gives_out(tmp_path):
    for name in OFFICIAL:
        given_out = recipes()[name].model_copy(update={"layout": "b2nerd"})
        found = [place.path.relative_to(tmp_path) for place in places(given_out, folder="", data=tmp_path)]
        assert {path.parts[0] for path in found} <= {"NER_en", "NER_zh", "NER_en_other"}
        assert len(set(found)) == len(found)
        assert recipe_text(name).startswith("# ")
