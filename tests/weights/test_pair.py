"""What two models have in common: matched by names, streamed in any slices, and one clear error for each wrong pair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import open_pair
from assay.weights.vocabulary import tokens_of
from tests.weights.made import llama_arrays, make_model, nudge, write_floats, write_model

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def moved(arrays, *, seed=5):
    """Return arrays a little off, in the same order."""
    draw = np.random.default_rng(seed).standard_normal
    return {name: array + draw(array.shape).astype(np.float32) / 100 for name, array in arrays.items()}


def joined(pair, elements=2**20):
    """Return both sides' values by name, put together from the slices, which must follow one another."""
    found = {}
    for name, start, p, s in pair.chunks(elements):
        both = found.setdefault(name, ([], []))
        assert p.dtype == s.dtype == np.float32
        assert len(p) == len(s) <= elements
        assert sum(map(len, both[0])) == start
        both[0].append(p)
        both[1].append(s)
    return {name: tuple(np.concatenate(side) for side in both) for name, both in found.items()}


@pytest.fixture
def made(tmp_path):
    """An original and a tuned model of width 4."""
    arrays = llama_arrays()
    write_model(tmp_path / "p", arrays)
    write_model(tmp_path / "s", moved(arrays))
    return tmp_path


@pytest.mark.parametrize("elements", [1, 7, 2**20])
def test_slices_of_any_length_are_the_tensors(made, elements):
    p = llama_arrays()
    s = moved(p)
    pair = open_pair(made / "p", made / "s", scope="all")
    found = joined(pair, elements)
    assert list(found) == sorted(p)
    for name in p:
        np.testing.assert_array_equal(found[name][0], p[name].ravel())
        np.testing.assert_array_equal(found[name][1], s[name].ravel())
    assert pair.size == sum(array.size for array in p.values())
    assert (pair.resized, pair.tied, pair.outside, pair.architecture) == ((), (), (), "llama")


def test_scope_layers_and_pattern_choose(made):
    def names(**choice):
        pair = open_pair(made / "p", made / "s", **choice)
        everything = {match.name for match in (*pair.matches, *pair.outside)}
        assert everything == set(llama_arrays())
        assert len(pair.matches) + len(pair.outside) == len(everything)
        return {match.name for match in pair.matches}

    # the paper's scope: names with "layers" and without "norm"
    assert names() == {name for name in llama_arrays() if "layers" in name and "norm" not in name}
    assert names(scope="attention") == {name for name in llama_arrays() if "self_attn" in name}
    assert names(scope="mlp", layers=(1, 1)) == {name for name in llama_arrays() if "layers.1.mlp" in name}
    assert names(scope="all", layers=(0, 1)) == {name for name in llama_arrays() if "layers" in name}
    assert names(scope="head") == {HEAD}
    assert names(scope="embedding") == {EMBEDDING}
    assert names(pattern=r"\.0\..*[qk]_proj") == {
        f"model.layers.0.self_attn.{one}_proj.weight" for one in "qk"
    }
    for wrong, message in [
        ({"scope": "everything"}, r"scope must be one of transformer, .*; got 'everything'"),
        ({"scope": "router"}, r"scope must be one that llama has, attention, mlp, .*, norm or all; got 'router'"),
        ({"layers": (1, 2)}, r"layers must be a first and a last one from 0 to 1; got 1 and 2"),
        ({"scope": "head", "layers": (0, 0)}, r"layers must have tensors in scope 'head'; 0 to 0 have none"),
        ({"pattern": "k_proj$"}, r"pattern must be found in a name in scope; 'k_proj\$' is in none of 14, such"),
        ({"pattern": "("}, r"pattern must be a regular expression; got '\('"),
    ]:  # fmt: skip
        with pytest.raises(DataError, match=message):
            open_pair(made / "p", made / "s", **wrong)
    with pytest.raises(DataError, match="elements must be >= 1; got 0"):
        next(open_pair(made / "p", made / "s").chunks(0))


def test_prefixes_of_wrappers_do_not_count(made):
    arrays = moved(llama_arrays())
    plain = {name.removeprefix("model."): array for name, array in arrays.items()}
    write_model(made / "plain", plain)
    write_model(made / "peft", {f"base_model.model.{name}": array for name, array in arrays.items()})
    wanted = joined(open_pair(made / "p", made / "s", scope="all"))
    for other, first in (("plain", "embed_tokens.weight"), ("peft", "base_model.model.lm_head.weight")):
        pair = open_pair(made / "p", made / other, scope="all")
        found = joined(pair)
        assert next(iter(found)) == first
        assert {match.original for match in pair.matches} == set(arrays)
        for match in pair.matches:
            np.testing.assert_array_equal(found[match.name], wanted[match.original])
    write_model(made / "twice", arrays | {"norm.weight": arrays["model.norm.weight"]})
    with pytest.raises(
        DataError, match=r"must hold each tensor once; got model\.norm\.weight and norm\.weight"
    ):
        open_pair(made / "p", made / "twice")


@pytest.mark.parametrize("family", ["gemma", "gpt2", "mixtral"])
def test_real_files_sharded_and_of_another_type(family, tmp_path):
    import torch

    model = make_model(family)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "p", max_shard_size="6KB")
    before = {name: value.detach().float().numpy().copy() for name, value in model.named_parameters()}
    tuned = nudge(model.float())
    tuned.save_pretrained(tmp_path / "s")
    after = {name: value.detach().numpy() for name, value in tuned.named_parameters()}
    pair = open_pair(tmp_path / "p", tmp_path / "s", scope="all")
    found = joined(pair, 100)
    assert pair.size == sum(value.size for value in before.values())
    for name in found.keys() & before.keys():
        np.testing.assert_array_equal(found[name][0], before[name].ravel())
        np.testing.assert_array_equal(found[name][1], after[name].ravel())
    assert (
        found.keys() == before.keys() or family == "mixtral"
    )  # experts are one tensor in memory, one each on disk
    total = [
        sum(side.astype(np.float64).sum() for side in sides) for sides in zip(*found.values(), strict=True)
    ]
    wanted = [sum(value.astype(np.float64).sum() for value in side.values()) for side in (before, after)]
    np.testing.assert_allclose(total, wanted, rtol=1e-9)


def test_a_tied_head_counts_once(tmp_path):
    arrays = llama_arrays()
    alone = {name: array for name, array in arrays.items() if name != HEAD}
    copied = alone | {HEAD: arrays[EMBEDDING]}
    write_model(tmp_path / "p", alone, tie_word_embeddings=True)
    write_model(tmp_path / "copied", copied, tie_word_embeddings=True)
    pair = open_pair(tmp_path / "p", tmp_path / "copied", scope="all")
    assert (pair.tied, pair.size) == ((HEAD,), sum(array.size for array in alone.values()))
    # config.json leaves the flag away where it is the default, which families have not the same: values tell
    for folder in ("p", "copied"):
        (tmp_path / folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert open_pair(tmp_path / "copied", tmp_path / "p", scope="all").tied == (HEAD,)
    assert open_pair(tmp_path / "copied", tmp_path / "copied").tied == (HEAD,)
    write_model(tmp_path / "own", arrays)
    (tmp_path / "own" / "config.json").unlink()
    assert open_pair(tmp_path / "own", tmp_path / "own", scope="head").size == arrays[HEAD].size
    # untied by tuning: the original's head is its embedding
    write_model(tmp_path / "untied", arrays)
    pair = open_pair(tmp_path / "p", tmp_path / "untied", scope="head")
    [(name, _, p, s)] = pair.chunks()
    assert (name, pair.tied) == (HEAD, ())
    np.testing.assert_array_equal(p, arrays[EMBEDDING].ravel())
    np.testing.assert_array_equal(s, arrays[HEAD].ravel())
    # a flag that the values on disk do not agree with: transformers 5 takes the head for one of its own, too
    (tmp_path / "untied" / "config.json").write_text(
        json.dumps({"model_type": "llama", "tie_word_embeddings": True})
    )
    assert open_pair(tmp_path / "p", tmp_path / "untied", scope="head").tied == ()
    with pytest.raises(
        DataError, match=r"tuned must have every tensor of the original; .*copied lacks 1 of 21: lm_head"
    ):
        open_pair(tmp_path / "untied", tmp_path / "copied")


def test_a_grown_vocabulary_is_compared_where_both_have_rows(made):
    grown = moved(llama_arrays())
    for name in (EMBEDDING, HEAD):
        grown[name] = np.vstack([grown[name], np.full((2, 4), np.nan, dtype=np.float32)])
    write_model(made / "grown", grown)
    pair = open_pair(made / "p", made / "grown", scope="all")
    assert pair.resized == ((EMBEDDING, 6, 8), (HEAD, 6, 8)) or set(pair.resized) == {
        (EMBEDDING, 6, 8),
        (HEAD, 6, 8),
    }
    wanted = joined(open_pair(made / "p", made / "s", scope="all"))
    for name, sides in joined(pair, 5).items():
        np.testing.assert_array_equal(sides, wanted[name])
    assert [match.shape for match in pair.matches if match.name == HEAD] == [(6, 4)]
    with pytest.raises(
        DataError,
        match=r"embed_tokens\.weight must have at least the original's 8 rows; got 6\. .* tokenizer\.json",
    ):
        open_pair(made / "grown", made / "s")


@pytest.mark.parametrize("kind", ["BPE", "WordLevel", "Unigram"])
def test_tokens_are_those_of_the_tokenizer(kind, tmp_path):
    from tokenizers import Tokenizer, models

    words = ['"', "\\", '\\"', "{", "}", "]", "é", "\n", "\u2028", 'a":1', "[", ",", "vocab", "�"]
    if kind == "Unigram":
        model = models.Unigram([(word, -float(at)) for at, word in enumerate(words)], unk_id=0)
    else:
        table = {word: 2 * at for at, word in enumerate(words)}
        model = models.BPE(table, []) if kind == "BPE" else models.WordLevel(table, unk_token="{")
    made = Tokenizer(model)
    made.add_special_tokens(["<added>"])
    for pretty in (False, True):
        made.save(str(tmp_path / "tokenizer.json"), pretty=pretty)
        assert tokens_of(tmp_path / "tokenizer.json") == {
            number: word for word, number in made.get_vocab(with_added_tokens=False).items()
        }


def tokenizer(tokens, *, unigram=False):
    table = [[token, -1.0] for token in tokens] if unigram else {token: at for at, token in enumerate(tokens)}
    return json.dumps({"model": {"type": "Unigram" if unigram else "BPE", "vocab": table}})


@pytest.mark.parametrize("unigram", [False, True])
def test_another_vocabulary_stops(made, unigram):
    (made / "p" / "tokenizer.json").write_text(tokenizer("abcdef", unigram=unigram))
    open_pair(made / "p", made / "s")  # nothing to compare with
    (made / "s" / "tokenizer.json").write_text(tokenizer("abxdey", unigram=unigram))
    with pytest.raises(
        DataError,
        match=r"tuned must have the original's vocabulary; 2 tokens are others, first 2: 'c' and 'x'\.",
    ):
        open_pair(made / "p", made / "s")
    # rows cut off, whose tokens are the same ones
    fewer = {
        name: array[:5] if name in (EMBEDDING, HEAD) else array for name, array in llama_arrays().items()
    }
    write_model(made / "fewer", fewer)
    (made / "fewer" / "tokenizer.json").write_text(tokenizer("abcde", unigram=unigram))
    assert {one[1:] for one in open_pair(made / "p", made / "fewer").resized} == {(6, 5)}


def test_wrong_pairs_stop_with_one_error(made, tmp_path):
    arrays = llama_arrays()
    make_model("gpt2").save_pretrained(made / "gpt2")
    with pytest.raises(
        DataError, match=r"tuned must be of the original's architecture; got gpt2 for llama\. Give"
    ):
        open_pair(made / "p", made / "gpt2")
    (made / "gpt2" / "config.json").unlink()
    with pytest.raises(DataError, match=r"architecture; got names of gpt2 for llama"):
        open_pair(made / "p", made / "gpt2")
    lost = {name: array for name, array in arrays.items() if "layers.1.mlp" not in name}
    write_model(made / "lost", lost)
    with pytest.raises(
        DataError,
        match=r"tuned must have every tensor of the original; \S+lost lacks 3 of 21: "
        r"model\.layers\.1\.mlp\.down_proj\.weight, .*up_proj\.weight\. Give two states",
    ):
        open_pair(made / "p", made / "lost")
    with pytest.raises(
        DataError, match=r"original must have every tensor of the tuned model; \S+lost lacks 3 of 21"
    ):
        open_pair(made / "lost", made / "s")
    deeper = write_model(made / "deeper", llama_arrays(layers=3))
    with pytest.raises(
        DataError, match=r"lacks 9 of 30: model\.layers\.2\.input_layernorm\.weight, .*, \.\.\.\. Give"
    ):
        open_pair(made / "p", deeper)
    wide = arrays | {"model.layers.0.mlp.up_proj.weight": np.zeros((6, 4))}
    write_model(made / "wide", wide)
    with pytest.raises(
        DataError, match=r"up_proj\.weight must have the original's shape \[5, 4\]; got \[6, 4\]"
    ):
        open_pair(made / "p", made / "wide")
    write_model(made / "narrow", arrays | {HEAD: np.zeros((6, 3))})  # not only rows
    with pytest.raises(
        DataError, match=r"lm_head\.weight must have the original's shape \[6, 4\]; got \[6, 3\]"
    ):
        open_pair(made / "p", made / "narrow")


def test_an_architecture_that_is_not_known_is_compared_by_names_alone(tmp_path):
    arrays = {f"blocks.{layer}.mixer.in.weight": np.full((2, 3), layer) for layer in range(3)} | {
        "in.weight": np.ones(2)
    }
    for side in "ps":
        write_floats(tmp_path / side / "model.safetensors", arrays)
    with pytest.raises(DataError, match=r"/p: tensors must have names of one of llama, .*4 of 4 have not"):
        open_pair(tmp_path / "p", tmp_path / "s")
    pair = open_pair(tmp_path / "p", tmp_path / "s", scope="all", layers=(1, 2), pattern="mixer")
    assert pair.architecture is None
    assert [(match.place.layer, match.place.module) for match in pair.matches] == [
        (1, "blocks.mixer.in.weight"), (2, "blocks.mixer.in.weight")
    ]  # fmt: skip


PEAK = """
import sys
import numpy as np
from assay.weights import open_pair
from assay.weights.vocabulary import tokens_of
def peak():  # of this program alone: getrusage has what its parent had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
before = peak()
pair, total = open_pair(sys.argv[1], sys.argv[2]), 0.0
for name, start, p, s in pair.chunks():
    total += float(np.abs(s - p).sum(dtype=np.float64))
print(pair.size, total, peak() - before)
"""


def write_large(file, layers, first):
    """Write a Llama whose matrices have 8 M values in float32: `first`, then zeros that take no place on disk."""
    entries = {
        f"model.layers.{layer}.mlp.up_proj.weight": {
            "dtype": "F32", "shape": [2048, 4096], "data_offsets": [layer << 25, (layer + 1) << 25]
        }
        for layer in range(layers)
    }  # fmt: skip
    header = json.dumps(entries).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + np.float32(first).tobytes())
    os.truncate(file, 8 + len(header) + (layers << 25))
    return str(file)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc/self/status"
)
def test_memory_does_not_grow_with_the_model(tmp_path):
    peaks = []
    for layers in (1, 4):  # a pair of 67 MB, and one of 268
        files = [write_large(tmp_path / f"{one}.safetensors", layers, one) for one in (1, 3)]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *files], capture_output=True, text=True, check=True
        )
        size, total, peak = map(float, done.stdout.split())
        assert (size, total) == (layers << 23, 2)
        peaks.append(peak)
    # 2**20 values: 8 MB for both sides and 8 for the differences, twice while the next come in
    assert max(peaks) < 32
    assert peaks[1] < peaks[0] + 4
