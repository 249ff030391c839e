"""The loss of plain texts: against a slow sum written from the definition, windows and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.study import loss
from assay.study.restoration.texts import files_of_texts, mean_loss, read_texts, texts_loss
from tests.training.conftest import make_llama, make_tokenizer

TEXTS = ["w1 w2 w3 w4 w5", "w7", "w9 w8 w7 w6 w5 w4 w3 w2 w1", "w1 w2", "w50 w60 w70"]


@pytest.fixture(scope="module")
def llama() -> Any:
    import torch

    torch.set_num_threads(1)
    return make_llama().eval()


def slow(model: Any, ids: list[int], first: int = 1) -> float:
    """Return the sum of -log p(token | what stands before it), one pass a token, from `first` on."""
    import torch

    total = 0.0
    with torch.inference_mode():
        for at in range(first, len(ids)):
            logits = model(torch.tensor([ids[:at]])).logits[0, -1].double()
            total -= float(logits.log_softmax(-1)[ids[at]])
    return total


@pytest.mark.parametrize("start", [False, True])
def test_sums_are_those_of_the_definition(llama: Any, start: bool) -> None:
    tokenizer = make_tokenizer(start=start)
    rows = texts_loss(llama, tokenizer, TEXTS, batch_size=3)
    for number, (row, text) in enumerate(zip(rows, TEXTS, strict=True)):
        ids = tokenizer(text)["input_ids"]
        assert (row["id"], row["tokens"]) == (str(number), len(ids) - 1)
        assert row["nats"] == pytest.approx(slow(llama, ids), abs=1e-5)
    assert rows[1]["tokens"] == start  # one word: the first token has loss only after a start token
    total = sum(row["nats"] for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    assert mean_loss(rows) == {"nats": total / tokens, "tokens": tokens, "texts": 5}


@pytest.mark.parametrize("start", [False, True])
def test_long_texts_are_cut_and_every_token_counts_once(llama: Any, start: bool) -> None:
    tokenizer = make_tokenizer(start=start)
    ids = tokenizer(TEXTS[2])["input_ids"]
    [row] = texts_loss(llama, tokenizer, TEXTS[2:3], max_tokens=4)
    assert row["tokens"] == len(ids) - 1
    # windows of four by hand: a start token or the token before, and the next three
    windows = [[ids[0] if start else ids[at - 1], *ids[at : at + 3]] for at in range(1, len(ids), 3)]
    assert row["nats"] == pytest.approx(sum(slow(llama, window) for window in windows), abs=1e-5)
    assert row["nats"] != pytest.approx(texts_loss(llama, tokenizer, TEXTS[2:3])[0]["nats"], abs=1e-3)


def test_batches_and_blocks_change_nothing(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = make_tokenizer()
    expected = [row["nats"] for row in texts_loss(llama, tokenizer, TEXTS)]
    for most, at_once in ((1, 1), (2000, 3)):
        monkeypatch.setattr(loss, "LOGITS", most)
        monkeypatch.setattr(loss, "AT_ONCE", at_once)
        for size in (1, 2, 9):
            found = texts_loss(llama, tokenizer, TEXTS, batch_size=size)
            assert [row["nats"] for row in found] == pytest.approx(expected, abs=1e-5)


def test_no_pass_has_more_logits_than_are_allowed(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    monkeypatch.setattr(loss, "LOGITS", 2000)
    hook = llama.lm_head.register_forward_hook(lambda _, __, logits: shapes.append(tuple(logits.shape)))
    texts_loss(llama, make_tokenizer(), TEXTS * 3)
    hook.remove()
    assert all(rows * width * vocabulary <= 2000 for rows, width, vocabulary in shapes)
    assert max(rows for rows, _, _ in shapes) > 1


def test_a_tokenizer_s_end_token_is_not_counted(llama: Any) -> None:
    from tokenizers import processors

    tokenizer = make_tokenizer()
    plain = texts_loss(llama, tokenizer, TEXTS)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 2)]
    )
    assert texts_loss(llama, tokenizer, TEXTS) == plain


def test_refused(llama: Any) -> None:
    tokenizer = make_tokenizer()
    for texts, options, said in (
        ([], {}, "texts must hold at least one text; got none."),
        (["w1", "w2"], {}, "texts must have at least two tokens; none has."),
        (TEXTS, {"max_tokens": 1}, "max_tokens must be >= 2; got 1."),
        (TEXTS, {"max_tokens": 65}, "max_tokens must be at most 64, the positions of the model; got 65."),
    ):
        with pytest.raises(DataError) as error:
            texts_loss(llama, tokenizer, texts, **{"max_tokens": 64} | options)
        assert str(error.value).startswith(said)


def test_what_is_read(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("\ufeffone line\n\n  \ntwo lines\r\nthree\n", encoding="utf-8")
    assert read_texts(lines) == ["one line", "two lines", "three"]
    assert read_texts(lines, limit=2) == ["one line", "two lines"]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b", "a"):
        (folder / f"{name}.txt").write_text(f"{name}\n\nmore of {name}\n")
    (folder / "empty.txt").write_text("")
    assert read_texts(folder) == ["a\n\nmore of a\n", "b\n\nmore of b\n"]
    assert [path.name for path in files_of_texts(folder)] == ["a.txt", "b.txt", "empty.txt"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps(row) + "\n" for row in ({"text": "one"}, {"text": ""}, {"text": "two"}))
    )
    assert read_texts(rows, limit=5) == ["one", "two"]
    assert files_of_texts(str(rows)) == [rows]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for name, said in (
        ("empty.txt", "texts must hold at least one text; "),
        ("latin.txt", "texts must be UTF-8; byte 3 is not."),
        ("none.txt", "texts must be an existing file; there is no "),
        ("none.jsonl", "source must be an existing file; there is no "),
    ):
        with pytest.raises(DataError) as error:
            read_texts(tmp_path / name)
        assert said in str(error.value)
    with pytest.raises(DataError, match="texts_limit must be >= 1; got 0"):
        read_texts(tmp_path / "empty.txt", limit=0)
