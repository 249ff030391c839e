"""The few lines that a trainer needs to read a file: for LLaMA-Factory, TRL and Axolotl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay._check import choice
from assay.data.containers import suffix_of
from assay.data.formats import FORMATS, QUESTION_KEYS
from assay.data.read import read
from assay.data.turns import is_plain
from assay.errors import DataError

LLAMAFACTORY_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a data file holds, as far as a trainer must know."""

    path: Path
    shape: str
    columns: tuple[str, ...]
    strings: tuple[str, ...]
    flags: tuple[str, ...]
    roles: tuple[str, ...]
    plain: bool
    parts: bool


@dataclass(frozen=True, slots=True)
class Trainer:
    """One trainer: what its file is called and how it is made."""

    name: str
    summary: str
    file_name: str
    snippet: Callable[[Contents], str]


def trainer_snippet(path: str | Path, shape: str, trainer: str) -> tuple[str, str]:
    """Return (file name, text) of what a trainer needs beside a data file to train on it.

    The file is read through once for its columns and roles. Where the trainer does not read the shape, the
    text (for LLaMA-Factory, whose file is JSON, the error) says how to convert it.

    Parameters
    ----------
    path
        A data file that is there.
    shape
        Its shape, a row of `FORMATS`.
    trainer
        ``"llamafactory"``: a ``dataset_info.json`` with one entry, named as the file. ``"trl"``: a Python
        script. ``"axolotl"``: the ``datasets`` part of a YAML configuration.

    Raises
    ------
    DataError
        Where the trainer has no way to read the file.
    """
    choice("shape", shape, FORMATS)
    choice("trainer", trainer, TRAINERS)
    row = TRAINERS[trainer]
    contents = _contents(Path(path), shape)
    if shape == "text" and "text" not in contents.columns:
        raise DataError(
            f"rows must be objects for {trainer}; got bare strings. Write each as an object with a 'text'."
        )
    if contents.parts and trainer != "llamafactory":
        command, _ = _converted(contents, "sharegpt")
        raise DataError(
            f"content must be text for {trainer}; got lists of parts. "
            f"Convert it: {command}, and the result --to messages."
        )
    return row.file_name, row.snippet(contents)


def _contents(path: Path, shape: str) -> Contents:
    columns: dict[str, None] = {}
    mixed: set[str] = set()
    not_flags: set[str] = set()
    roles: dict[str, None] = {}
    plain, parts = True, False
    for sample in read(path, shape=shape):
        plain = plain and all(map(is_plain, sample.messages))
        parts = parts or any("content" in message.extra for message in sample.messages)
        row = sample.row if isinstance(sample.row, dict) else {}
        for key, value in row.items():
            if value is not None:
                columns[key] = None
            if not isinstance(value, str):
                mixed.add(key)
            if not isinstance(value, bool):
                not_flags.add(key)
        turns = row.get("conversations" if shape != "messages" else "messages")
        for turn in turns if isinstance(turns, list) else ():
            roles[str(turn.get("from", turn.get("role")))] = None
    strings = tuple(key for key in columns if key not in mixed)
    flags = tuple(key for key in columns if key not in not_flags)
    return Contents(path, shape, tuple(columns), strings, flags, tuple(roles), plain, parts)


def _converted(contents: Contents, shape: str) -> tuple[str, str]:
    """Return the command that converts the file, and the name of the file that it makes."""
    suffix = suffix_of(contents.path)
    name = f"{contents.path.name.removesuffix(suffix)}.{shape}.jsonl"
    return f"assay convert {contents.path.name} --to {shape} -o {name}", name


def _question_columns(contents: Contents) -> tuple[str, str]:
    if contents.shape == "prompt_completion":
        return "prompt", "completion"
    return next(keys for keys in QUESTION_KEYS if set(keys) <= set(contents.columns))


def _turn_tags(contents: Contents) -> dict[str, str] | None:
    """Return what each role is called in a file's turns, or None where a role has two names."""
    tags = {}
    names = {
        "user": ("human", "user"),
        "assistant": ("gpt", "assistant", "chatgpt", "bing", "bard"),
        "tool": ("observation", "tool", "function"),
        "system": ("system", "developer"),
    }
    for role, options in names.items():
        used = [name for name in options if name in contents.roles]
        if len(used) > 1:
            return None
        tags[role] = (
            used[0] if used else options[1 if contents.shape == "messages" and role != "system" else 0]
        )
    return tags


def _llamafactory(contents: Contents) -> str:
    if suffix_of(contents.path) not in LLAMAFACTORY_SUFFIXES:
        raise DataError(
            f"path must end in {', '.join(LLAMAFACTORY_SUFFIXES)} for llamafactory; got {contents.path.name}."
        )
    entry = _llamafactory_entry(contents)
    if entry is None:
        if contents.shape in ("questions", "preference"):
            raise DataError(
                f"shape must be one that llamafactory reads; got this layout of {contents.shape}."
            )
        command, _ = _converted(contents, "messages" if contents.shape == "sharegpt" else "sharegpt")
        raise DataError(
            f"shape must be one that llamafactory reads; got {contents.shape} with turns or columns that it "
            f"does not. Convert it: {command}"
        )
    for flag in ("kto_tag", "label"):
        if flag in contents.flags and "kto_tag" not in entry["columns"]:
            entry["columns"]["kto_tag"] = flag
    name = contents.path.name.removesuffix(suffix_of(contents.path))
    info = {name: {"file_name": contents.path.name} | entry}
    return orjson.dumps(info, option=orjson.OPT_INDENT_2).decode("utf-8") + "\n"


def _llamafactory_entry(contents: Contents) -> dict[str, Any] | None:
    def beside(*names: str) -> dict[str, str]:
        return {name: name for name in names if name in contents.columns}

    shape, columns = contents.shape, contents.columns
    query = {"query": "input"} if "input" in columns else {}
    if shape == "alpaca":
        answer = "output" if "output" in columns else "response"
        fields = {"prompt": "instruction"} | query | {"response": answer}
        return {"columns": fields | beside("system", "history", "tools")}
    if shape in ("prompt_completion", "query_response"):
        question, answer = _question_columns(contents)
        if question not in contents.strings:
            return None
        history = ("history",) if shape == "query_response" else ()
        return {"columns": {"prompt": question, "response": answer} | beside("system", *history, "tools")}
    if shape == "text":
        return {"columns": {"prompt": "text"}}
    if shape == "preference":
        sides = {"chosen": "chosen", "rejected": "rejected"}
        if "conversations" in columns:
            return {
                "formatting": "sharegpt",
                "ranking": True,
                "columns": {"messages": "conversations"} | sides | beside("system", "tools"),
            }
        question = "instruction" if "instruction" in columns else "prompt"
        if not {question, "chosen", "rejected"} <= set(contents.strings):
            return None
        return {"ranking": True, "columns": {"prompt": question} | query | sides | beside("system")}
    tags = _turn_tags(contents)
    if shape == "sharegpt" and tags is not None and "role" not in contents.roles:
        entry: dict[str, Any] = {
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"} | beside("system", "tools"),
        }
        usual = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}
        if tags != usual:
            entry["tags"] = _llamafactory_tags("from", "value", tags) | {"function_tag": "function_call"}
        return entry
    if shape == "messages" and tags is not None and contents.plain and not contents.parts:
        del tags["tool"]
        return {
            "formatting": "sharegpt",
            "columns": {"messages": "messages"} | beside("tools"),
            "tags": _llamafactory_tags("role", "content", tags),
        }
    return None


def _llamafactory_tags(role: str, content: str, tags: Mapping[str, str]) -> dict[str, str]:
    names = {
        "user": "user_tag",
        "assistant": "assistant_tag",
        "tool": "observation_tag",
        "system": "system_tag",
    }
    return {"role_tag": role, "content_tag": content} | {names[key]: tag for key, tag in tags.items()}


def _trl(contents: Contents) -> str:
    name, shape = contents.path.name, contents.shape
    lines = []
    mapping = ""
    if shape == "questions":
        raise DataError("shape must hold answers for trl's SFTTrainer; got questions.")
    trainer = "DPO" if shape == "preference" else "SFT"
    if shape == "preference":
        mapping = _trl_preference(contents)
    elif shape not in ("messages", "prompt_completion", "text"):
        command, name = _converted(contents, "messages")
        lines += [f"# TRL does not read the shape {shape}; convert the file first:", f"#   {command}"]
    builder = {".csv": "csv", ".parquet": "parquet", ".arrow": "arrow"}.get(suffix_of(name), "json")
    lines += [
        "from datasets import load_dataset",
        f"from trl import {trainer}Config, {trainer}Trainer",
        "",
        f'dataset = load_dataset("{builder}", data_files={orjson.dumps(name).decode()}, split="train")',
        *([mapping] if mapping else []),
        f"trainer = {trainer}Trainer(",
        '    model="Qwen/Qwen3-0.6B",  # the model to tune',
        "    train_dataset=dataset,",
        f'    args={trainer}Config(output_dir="tuned"),',
        ")",
        "trainer.train()",
    ]
    return "\n".join(lines) + "\n"


def _trl_preference(contents: Contents) -> str:
    """Return the lines that turn LLaMA-Factory's two preference layouts into TRL's own."""
    if "conversations" in contents.columns:
        return (
            'ROLES = {"human": "user", "gpt": "assistant"}\n'
            "\n"
            "\n"
            "def turn(one):\n"
            '    name = one.get("from", one.get("role"))\n'
            '    return {"role": ROLES.get(name, name), "content": one.get("value", one.get("content"))}\n'
            "\n"
            "\n"
            "def pair(row):\n"
            '    system = [{"role": "system", "content": row["system"]}] if row.get("system") else []\n'
            '    prompt = system + [turn(one) for one in row["conversations"]]\n'
            '    sides = {side: [turn(row[side])] for side in ("chosen", "rejected")}\n'
            '    return {"prompt": prompt} | sides\n'
            "\n"
            "\n"
            "dataset = dataset.map(pair, remove_columns=dataset.column_names)"
        )
    if "instruction" in contents.columns:
        return (
            "def turn(role, content):\n"
            '    return {"role": role, "content": content}\n'
            "\n"
            "\n"
            "def pair(row):\n"
            '    prompt = [turn("system", row["system"])] if row.get("system") else []\n'
            '    for asked, answered in row.get("history") or []:\n'
            '        prompt += [turn("user", asked), turn("assistant", answered)]\n'
            '    parts = [row["instruction"], row.get("input")]\n'
            '    prompt.append(turn("user", "\\n".join(part for part in parts if part)))\n'
            '    sides = {side: [turn("assistant", row[side])] for side in ("chosen", "rejected")}\n'
            '    return {"prompt": prompt} | sides\n'
            "\n"
            "\n"
            "dataset = dataset.map(pair, remove_columns=dataset.column_names)"
        )
    return ""


def _axolotl(contents: Contents) -> str:
    import yaml

    name, comment = contents.path.name, ""
    top: dict[str, Any] = {}
    entry = _axolotl_entry(contents)
    if entry is None:
        if contents.shape in ("questions", "preference"):
            raise DataError(f"shape must be one that axolotl reads; got this layout of {contents.shape}.")
        command, name = _converted(contents, "messages")
        comment = f"# Axolotl does not read all of this file; convert it first:\n#   {command}\n"
        entry = _axolotl_chat("messages", "role", "content")
    if contents.shape == "preference":
        top["rl"] = "dpo"
    kind = {".csv": "csv", ".parquet": "parquet", ".arrow": "arrow"}.get(suffix_of(name), "json")
    top["datasets"] = [{"path": name, "ds_type": kind} | entry]
    return comment + str(yaml.safe_dump(top, sort_keys=False, allow_unicode=True))


def _axolotl_chat(field: str, role: str, content: str, **more: Any) -> dict[str, Any]:
    mappings = {"role": role, "content": content}
    return {"type": "chat_template", "field_messages": field, "message_property_mappings": mappings} | more


def _axolotl_plain(question: str, answer: str, **more: str) -> dict[str, Any]:
    form = "{instruction}\n{input}" if "field_input" in more else "{instruction}"
    fields = {"field_instruction": question, **more, "field_output": answer}
    return {"type": fields | {"format": form, "no_input_format": "{instruction}"}}


def _axolotl_entry(contents: Contents) -> dict[str, Any] | None:
    shape, columns = contents.shape, contents.columns
    roles = {"user": ["human", "user"], "assistant": ["gpt", "assistant"], "system": ["system"]}
    if shape == "alpaca" and not {"system", "history"} & set(columns):
        if "output" in columns:
            return {"type": "alpaca"}
        return _axolotl_plain("instruction", "response", field_input="input")
    if shape in ("prompt_completion", "query_response"):
        question, answer = _question_columns(contents)
        before = shape == "query_response" and {"system", "history"} & set(columns)
        return _axolotl_plain(question, answer) if question in contents.strings and not before else None
    if shape == "text":
        return {"type": "completion", "field": "text"}
    if shape == "messages" and "developer" not in contents.roles:
        return _axolotl_chat("messages", "role", "content")
    if shape == "sharegpt" and "system" not in columns:
        tools = {"tool": ["tool", "observation"]} if {"tool", "observation"} & set(contents.roles) else {}
        known = {name for names in (roles | tools).values() for name in names}
        if set(contents.roles) <= known:
            return _axolotl_chat("conversations", "from", "value", roles=roles | tools)
    if shape == "preference":
        sides = {"field_chosen": "chosen", "field_rejected": "rejected"}
        if "conversations" in columns and "system" not in columns:
            chat = _axolotl_chat("conversations", "from", "value")
            return chat | {"type": "chat_template.default"} | sides | {"roles": roles}
        if {"prompt", "chosen", "rejected"} <= set(contents.strings):
            forms = {
                "prompt_format": "{prompt}",
                "chosen_format": "{chosen}",
                "rejected_format": "{rejected}",
            }
            return {"type": {"field_prompt": "prompt"} | sides | forms}
        if "prompt" not in columns and "instruction" not in columns and "chosen" not in contents.strings:
            return {"type": "chat_template.argilla_chat"}
    return None


TRAINERS: dict[str, Trainer] = {
    "llamafactory": Trainer(
        "llamafactory", "LLaMA-Factory: an entry of dataset_info.json", "dataset_info.json", _llamafactory
    ),
    "trl": Trainer("trl", "TRL: a script with SFTTrainer or DPOTrainer", "train_trl.py", _trl),
    "axolotl": Trainer("axolotl", "Axolotl: the datasets of a configuration", "axolotl.yml", _axolotl),
}
