"""Every real instruction file reads in its right shape, or is refused clearly, and comes back equal."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from assay.data import check, read, summary, text, write
from assay.errors import AssayWarning, DataError
from tests.conftest import real_data

FILES = {
    "alpaca/alpaca_data.json": ("alpaca", 52002),
    "alpaca_zh_parallel/alpaca_15323_18280_zh.json": ("alpaca", 2957),
    "belle_eval/eval_set.json": ("query_response", 1000),
    "code_alpaca_2k/code_alpaca_2k.json": ("alpaca", 2017),
    "dolly_3k/dolly_3k.json": ("alpaca", 2996),
    "fastchat/dummy_conversation.json": ("sharegpt", 500),
    "fastchat/mt_bench_question.jsonl": ("questions", 80),
    "gpteacher_roleplay/roleplay-simple-deduped-roleplay-instruct.json": ("alpaca", 1923),
    "gsm8k/gsm_8k_train.json": ("alpaca", 7473),
    "llamafactory_demo/alpaca_en_demo.json": ("alpaca", 999),
    "llamafactory_demo/alpaca_zh_demo.json": ("alpaca", 1000),
    "llamafactory_demo/dpo_en_demo.json": ("preference", 300),
    "llamafactory_demo/dpo_zh_demo.json": ("preference", 300),
    "llamafactory_demo/glaive_toolcall_en_demo.json": ("sharegpt", 300),
    "llamafactory_demo/glaive_toolcall_zh_demo.json": ("sharegpt", 300),
    "llamafactory_demo/identity.json": ("alpaca", 91),
    "llamafactory_demo/kto_en_demo.json": ("messages", 300),
    "llamafactory_demo/v1_sft_demo.jsonl": ("messages", 500),
    "mtbench101/mtbench101.jsonl": ("history", 1388),
}
REFUSED = (
    "belle_eval/zh_seed_tasks.json",
    "fastchat/mt_bench_ref_gpt-4.jsonl",
    "self_instruct_seeds/seed_tasks.jsonl",
)


def values(path: Path) -> list[Any]:
    data = path.read_text("utf-8")
    if data.lstrip().startswith("["):
        return list(json.loads(data))
    return [json.loads(line) for line in data.splitlines() if line.strip()]


def read_quietly(path: Path) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        return list(read(path))


@pytest.mark.parametrize("name", FILES)
def test_file_comes_back_equal(name: str, tmp_path: Path) -> None:
    source = real_data(f"instructions/{name}")
    shape, count = FILES[name]
    samples = read_quietly(source)
    assert len(samples) == count
    assert {sample.format for sample in samples} == {shape}
    target = tmp_path / source.name
    assert write(samples, target, like=source) == count
    rows = values(target)
    assert rows == values(source)
    assert [list(row) for row in rows] == [list(sample.row) for sample in samples]


@pytest.mark.parametrize("name", REFUSED)
def test_file_of_an_unusual_schema_is_refused(name: str) -> None:
    source = real_data(f"instructions/{name}")
    with pytest.raises(DataError) as caught:
        read_quietly(source)
    assert str(caught.value).startswith(
        f"{source}:1: row must have a known shape (turns, preference, messages,"
    )
    assert "Name the shape with --from to read every row as that one" in str(caught.value)


def test_no_real_file_is_left_out() -> None:
    folder = real_data("instructions")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.json*")}
    assert found == {*FILES, *REFUSED}


@pytest.mark.parametrize(
    "name", [name for name, (shape, _) in FILES.items() if shape in ("alpaca", "history")]
)
def test_conversion_there_and_back(name: str, tmp_path: Path) -> None:
    samples = read_quietly(real_data(f"instructions/{name}"))[:500]
    write(samples, tmp_path / "m.jsonl", shape="messages")
    write(read(tmp_path / "m.jsonl"), tmp_path / "s.jsonl", shape="sharegpt")
    back = list(read(tmp_path / "s.jsonl"))
    assert [sample.messages for sample in back] == [sample.messages for sample in samples]


def test_tool_conversations_cross(tmp_path: Path) -> None:
    samples = read_quietly(real_data("instructions/llamafactory_demo/glaive_toolcall_en_demo.json"))
    write(samples, tmp_path / "m.jsonl", shape="messages")
    write(read(tmp_path / "m.jsonl"), tmp_path / "s.jsonl", shape="sharegpt")
    for before, after in zip(samples, read(tmp_path / "s.jsonl"), strict=True):
        assert [message.role for message in after.messages] == [message.role for message in before.messages]
        assert after.row["tools"] == before.row["tools"]


def test_alpaca_texts() -> None:
    samples = read_quietly(real_data("instructions/alpaca/alpaca_data.json"))
    for sample in samples[::997]:
        parts = [sample.row["instruction"], sample.row["input"], sample.row["output"]]
        assert text(sample) == "\n".join(part for part in parts if part)
        assert text(sample, "instruction") == "\n".join(part for part in parts[:2] if part)


def test_check_counts_what_the_data_is_known_for() -> None:
    alpaca = real_data("instructions/alpaca/alpaca_data.json")
    assert summary(check(alpaca, near=None))["empty_turn"] == 28
    conversations = summary(check(real_data("instructions/fastchat/dummy_conversation.json")))
    assert conversations["duplicate_prompt"] == 500 - 52
    assert conversations["near_duplicate"] > 400


def test_check_finds_a_planted_leak(tmp_path: Path) -> None:
    source = real_data("instructions/gsm8k/gsm_8k_train.json")
    samples = read_quietly(source)
    write(samples[100:110], tmp_path / "test.jsonl")
    write(samples[:200], tmp_path / "train.jsonl")
    leaks = [
        f for f in check(tmp_path / "train.jsonl", against=tmp_path / "test.jsonl") if f.kind == "leak_exact"
    ]
    assert [finding.origin for finding in leaks] == [f"{tmp_path}/train.jsonl:{n}" for n in range(101, 111)]
