"""Restored models: byte for byte what they must be, in every dtype and layout, or nothing at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import open_checkpoint, open_pair, restore, select, write_shrunk
from tests.oracles import weights as oracle
from tests.weights import made

PERCENTS = [0, 5, 33.3, 60, 100]


def encoded(array: np.ndarray, dtype: str) -> bytes:
    if dtype == "BF16":
        bits = array.astype("<f4").view("<u4")
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return array.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def folder(path: Path, arrays: dict[str, np.ndarray], dtype: str, shards: int = 1) -> Path:
    """A Llama in one file, or in shards whose order is not that of names, with files beside."""
    names = sorted(arrays, key=lambda name: name[::-1])
    files = [f"model-{i}.safetensors" for i in range(shards)] if shards > 1 else ["model.safetensors"]
    where = {name: files[i % shards] for i, name in enumerate(names)}
    for file in files:
        part = {
            name: (dtype, list(arrays[name].shape), encoded(arrays[name], dtype))
            for name in names
            if where[name] == file
        }
        made.write_safetensors(path / file, part)
    if shards > 1:
        (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "tie_word_embeddings": False}))
    (path / "tokenizer.json").write_text("{}")
    (path / "optimizer.pt").write_bytes(b"state")
    return path


def models(path: Path, dtype: str = "F32", original: str | None = None, shards: int = 1) -> tuple[Path, Path]:
    arrays = made.llama_arrays()
    rng = np.random.default_rng(1)
    tuned = {name: a + (3e-3 * rng.normal(size=a.shape)).astype(np.float32) for name, a in arrays.items()}
    return folder(path / "original", arrays, original or dtype), folder(path / "tuned", tuned, dtype, shards)


def values(path: Path) -> dict[str, np.ndarray]:
    found = open_checkpoint(path)
    return {name: found.read(name) for name in found.tensors}


@pytest.mark.parametrize(
    ("dtype", "original"), [("F32", "F32"), ("BF16", "BF16"), ("F16", "F32"), ("BF16", "F32")]
)
@pytest.mark.parametrize("ranking", ["relative", "random"])
def test_every_percent_is_the_oracle_s(tmp_path: Path, dtype: str, original: str, ranking: str) -> None:
    first, second = models(tmp_path, dtype, original)
    pair = open_pair(first, second)
    selection = select(pair.chunks, PERCENTS, ranking=ranking)
    written = restore(pair, selection, tmp_path / "out", elements=7)
    assert [one.name for one in written] == [f"percent-{percent:g}" for percent in PERCENTS]
    p, s = values(first), values(second)
    scope = {match.name: (p[match.name], s[match.name]) for match in pair.matches}
    for percent, one in zip(PERCENTS, written, strict=True):
        expected = {name: array.copy() for name, array in s.items()}
        unfit = 0
        for name, i in oracle.taken(scope, percent, ranking):
            fits = np.frombuffer(
                encoded(p[name][i : i + 1], dtype), {"F32": "<f4", "BF16": "<u2", "F16": "<f2"}[dtype]
            )
            value = (fits.astype("<u4") << 16).view("<f4")[0] if dtype == "BF16" else np.float32(fits[0])
            unfit += value != p[name][i]
            expected[name][i] = value
        found = values(one)
        for name, array in expected.items():
            assert (found[name].view(np.uint32) == array.view(np.uint32)).all(), (percent, name)
        told = json.loads((one / "assay-restore.json").read_bytes())
        assert (told["taken"], told["rounded"]) == (len(oracle.taken(scope, percent, ranking)), unfit)
        assert {file.name for file in one.iterdir()} == {
            "assay-restore.json", "config.json", "model.safetensors", "tokenizer.json"
        }  # fmt: skip
    assert (written[0] / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    assert sum(match.size for match in pair.matches) == told["weights"] == told["taken"]


def test_sharded_is_single_and_chunks_do_not_matter(tmp_path: Path) -> None:
    first, one = models(tmp_path / "one", "BF16")
    _, many = models(tmp_path / "many", "BF16", shards=3)
    results = []
    for tuned, elements in ((one, 2**20), (many, 1), (many, 11)):
        pair = open_pair(first, tuned)
        selection = select(lambda pair=pair, elements=elements: pair.chunks(elements), PERCENTS)
        written = restore(pair, selection, tmp_path / f"out{len(results)}", elements=elements)
        results.append([values(path) for path in written])
        for path in written:
            assert sorted(path.glob("*.safetensors*")) == sorted(
                path / file.name for file in tuned.glob("*.safetensors*")
            )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert all((a[name] == b[name]).all() for name in a)
    for file in many.glob("*.safetensors"):
        assert (tmp_path / "out1" / "percent-0" / file.name).read_bytes() == file.read_bytes()


def test_hashes_are_of_what_lies_there_and_threads_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = models(tmp_path, "BF16", shards=3)
    pair = open_pair(first, second)
    selection = select(pair.chunks, PERCENTS, ranking="official_bf16")
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("assay.weights.writing.cores", lambda threads=threads: threads)
        written = restore(pair, selection, tmp_path / f"out{threads}", elements=5)
        written += write_shrunk(pair, [0.2, 0.7], tmp_path / f"shrunk{threads}", elements=5)
        for path in written:
            told = json.loads((path / "assay-restore.json").read_bytes())["files"]
            assert told == {
                file.name: hashlib.sha256(file.read_bytes()).hexdigest()
                for file in path.glob("*.safetensors")
            }
        found.append([{file.name: file.read_bytes() for file in path.iterdir()} for path in written])
    assert found[0] == found[1]


def test_a_scope_and_the_rest(tmp_path: Path) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second, scope="mlp", layers=(1, 1))
    (path,) = restore(pair, select(pair.chunks, [100]), tmp_path / "out")
    p, s, found = values(first), values(second), values(path)
    for name in s:
        side = p if "layers.1.mlp" in name else s
        assert (found[name] == side[name]).all()


def test_a_model_that_is_replaced_is_never_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the old one is deleted would leave its manifest, by which --resume takes it for whole."""
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    (path,) = restore(pair, select(pair.chunks, [5]), tmp_path / "out")
    deleted = []
    rmtree = shutil.rmtree
    monkeypatch.setattr(
        shutil, "rmtree", lambda place, **told: (deleted.append(Path(place)), rmtree(place, **told))
    )
    restore(pair, select(pair.chunks, [5], ranking="random"), tmp_path / "out", overwrite=True)
    assert deleted
    assert all(place.name.startswith(".") for place in deleted)
    assert json.loads((path / "assay-restore.json").read_bytes())["ranking"] == "random"
    assert list((tmp_path / "out").iterdir()) == [path]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    first, second = models(tmp_path, "F16", "F32")
    arrays = made.llama_arrays()
    arrays["model.layers.0.mlp.up_proj.weight"][2, 1] = -70000
    folder(first, arrays, "F32")
    pair = open_pair(first, second)
    with pytest.raises(
        DataError, match=r"weights must fit into F16, the tuned model's; got 70000\. Save it in"
    ):
        restore(pair, select(pair.chunks, [5]), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_files_beside(tmp_path: Path) -> None:
    first, second = models(tmp_path)
    (second / "additional_chat_templates").mkdir()
    (second / "additional_chat_templates" / "tool.jinja").write_text("{{ tools }}")
    pair = open_pair(first, second)
    (path,) = restore(pair, select(pair.chunks, [5]), tmp_path / "out")
    assert (path / "additional_chat_templates" / "tool.jinja").read_text() == "{{ tools }}"
    # a file of a folder that is a model: what makes it one goes with it
    pair = open_pair(first, second / "model.safetensors")
    (one,) = restore(pair, select(pair.chunks, [5]), tmp_path / "one")
    assert {file.name for file in one.iterdir()} == {file.name for file in path.iterdir()}


def test_shrunk_models(tmp_path: Path) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    tuned, half, original = write_shrunk(pair, [0, 0.75, 1], tmp_path / "out", elements=7)
    assert (tuned / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    p, s, found, back = values(first), values(second), values(half), values(original)
    for match in pair.matches:
        name = match.name
        assert found[name] == pytest.approx((p[name] + s[name]) / 2, abs=1e-6)
        assert (back[name] == p[name]).all()


def test_a_run_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    selection = select(pair.chunks, PERCENTS)
    (tmp_path / "out" / ".percent-5.part").mkdir(parents=True)  # of a run that was killed
    file = first / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-200])
    with pytest.raises(DataError, match="must stay as it is"):
        restore(pair, selection, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    file.write_bytes(content)
    restore(pair, selection, tmp_path / "out")
    with pytest.raises(DataError, match=r"output must not have percent-0; .* has it"):
        restore(pair, selection, tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir())[:2] == ["percent-0", "percent-100"]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's own
def test_an_adapter_is_written_merged_and_models_load(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    base = made.make_model()
    base.save_pretrained(tmp_path / "base")
    tuned = get_peft_model(
        base, LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    )
    tuned.save_pretrained(tmp_path / "adapter")
    (tmp_path / "base" / "chat_template.jinja").write_text("base's")
    (tmp_path / "base" / "tokenizer.json").write_text("{}")
    (tmp_path / "adapter" / "chat_template.jinja").write_text("its own")
    pair = open_pair(tmp_path / "base", tmp_path / "adapter", scope="attention")
    none, every = restore(pair, select(pair.chunks, [0, 100]), tmp_path / "out")
    beside = {file.name: file for file in none.iterdir() if file.suffix != ".safetensors"}
    assert beside.keys() == {
        "assay-restore.json", "chat_template.jinja", "config.json", "generation_config.json", "tokenizer.json"
    }  # fmt: skip
    assert beside["chat_template.jinja"].read_text() == "its own"
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    merged = PeftModel.from_pretrained(again, tmp_path / "adapter").merge_and_unload().state_dict()
    original = AutoModelForCausalLM.from_pretrained(tmp_path / "base").state_dict()
    for path, in_scope in ((none, merged), (every, original)):
        model = AutoModelForCausalLM.from_pretrained(path)
        for name, value in model.state_dict().items():
            side = in_scope if "self_attn" in name else merged
            torch.testing.assert_close(value, side[name], rtol=1e-6, atol=1e-7)
        assert model.generate(torch.tensor([[1, 5]]), max_new_tokens=3, do_sample=False).shape[1] > 2
