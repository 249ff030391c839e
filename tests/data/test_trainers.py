"""Snippets: parseable, and true to the file beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.data import TRAINERS, trainer_snippet
from assay.data.formats import shape_of
from assay.errors import DataError

SHAREGPT = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
MESSAGES = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
PAIR = {
    "conversations": [{"from": "human", "value": "a"}],
    "chosen": {"from": "gpt", "value": "b"},
    "rejected": {"from": "gpt", "value": "c"},
}


def snippet(folder: Path, trainer: str, *rows: Any, name: str = "data.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    file_name, text = trainer_snippet(path, str(shape_of(rows[0])), trainer)
    assert file_name == TRAINERS[trainer].file_name
    return text


@pytest.mark.parametrize(
    ("rows", "entry"),
    [
        ([{"instruction": "a", "input": "", "output": "b", "category": "x"}],
         {"columns": {"prompt": "instruction", "query": "input", "response": "output"}}),
        ([{"instruction": "a", "response": "b"}],
         {"columns": {"prompt": "instruction", "response": "response"}}),
        ([{"instruction": "a", "output": "b"},
          {"instruction": "a", "output": "b", "system": "s", "history": []}],
         {"columns": {"prompt": "instruction", "response": "output", "system": "system",
                      "history": "history"}}),
        ([{"instruction": "a", "output": "b", "kto_tag": True}],
         {"columns": {"prompt": "instruction", "response": "output", "kto_tag": "kto_tag"}}),
        ([{"prompt": "a", "completion": "b"}], {"columns": {"prompt": "prompt", "response": "completion"}}),
        ([{"question": "a", "answer": "b"}], {"columns": {"prompt": "question", "response": "answer"}}),
        ([{"query": "a", "response": "b", "history": []}],
         {"columns": {"prompt": "query", "response": "response", "history": "history"}}),
        ([{"text": "a"}], {"columns": {"prompt": "text"}}),
        ([SHAREGPT | {"tools": "[]"}],
         {"formatting": "sharegpt", "columns": {"messages": "conversations", "tools": "tools"}}),
        ([{"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]}],
         {"formatting": "sharegpt", "columns": {"messages": "conversations"},
          "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "user",
                   "assistant_tag": "assistant", "observation_tag": "observation", "system_tag": "system",
                   "function_tag": "function_call"}}),
        ([MESSAGES | {"label": False}],
         {"formatting": "sharegpt", "columns": {"messages": "messages", "kto_tag": "label"},
          "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user",
                   "assistant_tag": "assistant", "system_tag": "system"}}),
        ([PAIR], {"formatting": "sharegpt", "ranking": True,
                  "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}}),
        ([{"instruction": "a", "input": "", "chosen": "b", "rejected": "c"}],
         {"ranking": True, "columns": {"prompt": "instruction", "query": "input", "chosen": "chosen",
                                       "rejected": "rejected"}}),
    ],
)  # fmt: skip
def test_llamafactory_entry(tmp_path: Path, rows: list[Any], entry: dict[str, Any]) -> None:
    info = json.loads(snippet(tmp_path, "llamafactory", *rows))
    assert info == {"data": {"file_name": "data.jsonl"} | entry}


@pytest.mark.parametrize(
    "row",
    [
        {"history": [{"user": "a", "bot": "b"}]},
        SHAREGPT["conversations"],
        {"messages": [MESSAGES["messages"][0], CALL]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "user", "value": "b"}]},
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
    ],
)
def test_llamafactory_says_how_to_convert(tmp_path: Path, row: Any) -> None:
    with pytest.raises(DataError) as caught:
        snippet(tmp_path, "llamafactory", row)
    target = "messages" if shape_of(row) == "sharegpt" else "sharegpt"
    assert str(caught.value) == (
        f"shape must be one that llamafactory reads; got {shape_of(row)} with turns or columns that it does "
        f"not. Convert it: assay convert data.jsonl --to {target} -o data.{target}.jsonl"
    )


def test_llamafactory_reads_no_compressed_files(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        snippet(tmp_path, "llamafactory", {"text": "a"}, name="data.ndjson")
    assert str(caught.value) == (
        "path must end in .json, .jsonl, .csv, .parquet, .arrow for llamafactory; got data.ndjson."
    )


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (MESSAGES, ['load_dataset("json", data_files="data.jsonl", split="train")', "SFTTrainer("]),
        ({"prompt": "a", "completion": "b"}, ['data_files="data.jsonl"', "SFTTrainer("]),
        ({"text": "a"}, ['data_files="data.jsonl"']),
        (
            SHAREGPT,
            [
                "assay convert data.jsonl --to messages -o data.messages.jsonl",
                'data_files="data.messages.jsonl"',
            ],
        ),
        ({"instruction": "a", "output": "b"}, ["--to messages", "SFTTrainer("]),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, ["DPOTrainer(", "DPOConfig("]),
        (PAIR, ["DPOTrainer(", "dataset.map(pair"]),
        ({"instruction": "a", "chosen": "b", "rejected": "c"}, ["DPOTrainer(", "dataset.map(pair"]),
    ],
)
def test_trl_script(tmp_path: Path, row: Any, parts: list[str]) -> None:
    text = snippet(tmp_path, "trl", row)
    compile(text, "train_trl.py", "exec")
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("row", "result"),
    [
        (PAIR | {"system": "s"},
         {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
          "chosen": [{"role": "assistant", "content": "b"}],
          "rejected": [{"role": "assistant", "content": "c"}]}),
        ({"instruction": "a", "input": "x", "chosen": "b", "rejected": "c", "system": "s", "history": [["h", "i"]]},
         {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "h"},
                     {"role": "assistant", "content": "i"}, {"role": "user", "content": "a\nx"}],
          "chosen": [{"role": "assistant", "content": "b"}],
          "rejected": [{"role": "assistant", "content": "c"}]}),
    ],
)  # fmt: skip
def test_trl_mapping_of_pairs_is_right(tmp_path: Path, row: Any, result: Any) -> None:
    text = snippet(tmp_path, "trl", row)
    start = text.index("ROLES") if "ROLES" in text else text.index("def turn")
    names: dict[str, Any] = {}
    exec(text[start : text.index("dataset = dataset.map")], names)
    assert names["pair"](row) == result


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, {"type": "alpaca"}),
        ({"instruction": "a", "input": "", "response": "b"},
         {"type": {"field_instruction": "instruction", "field_input": "input", "field_output": "response",
                   "format": "{instruction}\n{input}", "no_input_format": "{instruction}"}}),
        ({"query": "a", "response": "b"},
         {"type": {"field_instruction": "query", "field_output": "response", "format": "{instruction}",
                   "no_input_format": "{instruction}"}}),
        ({"text": "a"}, {"type": "completion", "field": "text"}),
        (MESSAGES, {"type": "chat_template", "field_messages": "messages",
                    "message_property_mappings": {"role": "role", "content": "content"}}),
        (SHAREGPT, {"type": "chat_template", "field_messages": "conversations",
                    "message_property_mappings": {"role": "from", "content": "value"},
                    "roles": {"user": ["human", "user"], "assistant": ["gpt", "assistant"],
                              "system": ["system"]}}),
    ],
)  # fmt: skip
def test_axolotl_datasets(tmp_path: Path, row: Any, entry: dict[str, Any]) -> None:
    found = yaml.safe_load(snippet(tmp_path, "axolotl", row))
    assert found == {"datasets": [{"path": "data.jsonl", "ds_type": "json"} | entry]}


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "a", "output": "b", "system": "s"},
        {"history": [{"user": "a", "bot": "b"}]},
        SHAREGPT | {"system": "s"},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "{}"}]},
    ],
)
def test_axolotl_says_how_to_convert(tmp_path: Path, row: Any) -> None:
    text = snippet(tmp_path, "axolotl", row)
    assert "#   assay convert data.jsonl --to messages -o data.messages.jsonl\n" in text
    assert yaml.safe_load(text)["datasets"][0]["path"] == "data.messages.jsonl"


def test_axolotl_preference(tmp_path: Path) -> None:
    found = yaml.safe_load(snippet(tmp_path, "axolotl", PAIR))
    assert found["rl"] == "dpo"
    assert found["datasets"][0]["type"] == "chat_template.default"
    found = yaml.safe_load(snippet(tmp_path, "axolotl", {"prompt": "a", "chosen": "b", "rejected": "c"}))
    assert found["datasets"][0]["type"]["field_chosen"] == "chosen"
    with pytest.raises(
        DataError, match="shape must be one that axolotl reads; got this layout of preference"
    ):
        snippet(tmp_path, "axolotl", {"instruction": "a", "chosen": "b", "rejected": "c"})


def test_what_no_trainer_reads(tmp_path: Path) -> None:
    for trainer in TRAINERS:
        with pytest.raises(DataError):
            snippet(tmp_path, trainer, {"turns": ["a"]})
        with pytest.raises(DataError) as caught:
            snippet(tmp_path, trainer, "bare")
        assert str(caught.value) == (
            f"rows must be objects for {trainer}; got bare strings. Write each as an object with a 'text'."
        )
    with pytest.raises(DataError) as caught:
        snippet(tmp_path, "trl", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]})
    assert str(caught.value) == (
        "content must be text for trl; got lists of parts. "
        "Convert it: assay convert data.jsonl --to sharegpt -o data.sharegpt.jsonl, "
        "and the result --to messages."
    )
    with pytest.raises(DataError, match=r"trainer must be one of llamafactory, trl, axolotl; got 'llama'"):
        trainer_snippet(tmp_path / "data.jsonl", "alpaca", "llama")
