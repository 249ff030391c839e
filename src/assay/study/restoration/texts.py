"""Held-out loss of plain texts: a check that nothing else broke, one number a text for paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from assay import _check
from assay.data import read, resolve, text
from assay.embed.encoder import mend
from assay.errors import DataError
from assay.study.loss import summed_losses
from assay.study.restoration.run import Measure, Row
from assay.study.restoration.states import State
from assay.training.tokens import IGNORED

PLAIN = ".txt"
WINDOW = 512  # tokens


def read_texts(source: str | Path, *, limit: int | None = None) -> list[str]:
    """Return texts: the lines of a .txt file, the .txt files of a folder, or the samples of any data that assay reads.

    Parameters
    ----------
    source : str or Path
        A ``.txt`` file: a text a line. A folder of such files: a text a file, by sorted name. Otherwise what
        `assay.data.read` takes (JSON Lines with ``text``, Alpaca, Parquet, ...): a text a sample, its turns joined by
        a newline.
    limit : int, optional
        Only the first so many.

    Returns
    -------
    list of str
        Texts of blanks alone are left out.

    Raises
    ------
    DataError
        For a source that is not there or has no text.
    """
    if limit is not None:
        _check.whole("texts_limit", limit, 1)
    found = (one for one in _texts(Path(source), source) if one.strip())
    texts = list(islice(found, limit))
    if not texts:
        raise DataError(f"texts must hold at least one text; {source} has none.")
    return texts


def files_of_texts(source: str | Path) -> list[Path]:
    """Return the files that `read_texts` reads; none for a dataset on the hub."""
    path = Path(source)
    if path.is_dir() and (plain := sorted(path.glob(f"*{PLAIN}"))):
        return plain
    if path.suffix == PLAIN:
        if not path.is_file():
            raise DataError(f"texts must be an existing file; there is no {source}.")
        return [path]
    return resolve(source)


def _texts(path: Path, source: str | Path) -> Iterator[str]:
    files = files_of_texts(source)
    if not files or files[0].suffix != PLAIN:
        yield from (text(sample) for sample in read(source))
        return
    for file in files:
        try:
            content = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: texts must be UTF-8; byte {error.start} is not.") from None
        yield from content.splitlines() if path.is_file() else [content]


def texts_loss(
    model: Any, tokenizer: Any, texts: Sequence[str], *, max_tokens: int | None = None, batch_size: int = 32
) -> list[Row]:
    """Return how surprised a causal language model is by each of some texts: the nats of its tokens, summed.

    Lower is better. Means over the same texts may be compared between states of one model, or models of one tokenizer.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Loaded, on any device.
    tokenizer : transformers.PreTrainedTokenizer
        Its own. Texts are written as it writes them, with a start token where it puts one and no end token.
    texts : sequence of str
        Plain texts; no chat template is put around them.
    max_tokens : int, optional
        Of a window, >= 2; by default 512, or the model's positions where they are fewer. A longer text is cut into
        windows that are read apart: see the notes.
    batch_size : int
        Windows in one forward pass, at most.

    Returns
    -------
    list of dict
        A row a text, in order: ``id`` (its number from 0), ``tokens`` (those with loss), ``nats`` (their sum). Their
        mean is the sum of nats over the sum of tokens.

    Raises
    ------
    DataError
        For no text, windows longer than the model's positions, or texts of which none has two tokens.

    Notes
    -----
    All tokens of a text but the first have loss, each once; a start token is the first. A window starts with the
    start token, or where there is none with the last token of the window before; it reads `max_tokens` tokens with
    that one. Tokens early in a later window are thus predicted from less than what stands before them.

    One forward pass over all tokens. Nothing is drawn; the batch size changes sums by rounding alone.
    """
    if not texts:
        raise DataError("texts must hold at least one text; got none.")
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or math.inf
    size = _check.whole("max_tokens", min(WINDOW, positions) if max_tokens is None else max_tokens, 2)
    if size > positions:
        raise DataError(
            f"max_tokens must be at most {positions}, the positions of the model; got {size}. Use fewer."
        )
    plain = tokenizer("a")["input_ids"]
    starts, ends = plain[:1] == [tokenizer.bos_token_id], plain[-1:] == [tokenizer.eos_token_id]
    windows, labels, owner, tokens = [], [], [], []
    for number, one in enumerate(texts):
        ids = tokenizer(mend(one), verbose=False)["input_ids"]
        ids = ids[:-1] if ends else ids
        tokens.append(max(len(ids) - 1, 0))
        for at in range(1, len(ids), size - 1):
            head = ids[0] if starts else ids[at - 1]
            said = ids[at : at + size - 1]
            windows.append([head, *said])
            labels.append([IGNORED, *said])
            owner.append(number)
    if not windows:
        raise DataError("texts must have at least two tokens; none has.")
    nats = [0.0] * len(texts)
    for number, loss in zip(owner, summed_losses(model, windows, labels, batch_size=batch_size), strict=True):
        nats[number] += float(loss)
    return [
        {"id": str(number), "tokens": count, "nats": loss}
        for number, (count, loss) in enumerate(zip(tokens, nats, strict=True))
    ]


def mean_loss(rows: Sequence[Row]) -> Row:
    """Return the mean nats a token over all texts, and the numbers of tokens and texts."""
    tokens = sum(row["tokens"] for row in rows)
    return {"nats": sum(row["nats"] for row in rows) / tokens, "tokens": tokens, "texts": len(rows)}


def texts_measure(
    texts: Sequence[str], tokenizer: Any, *, max_tokens: int = 512, batch_size: int = 32
) -> Measure:
    """Return what tells ``loss`` of a loaded model on texts, and ``losses``, a row a text; see `texts_loss`.

    Windows are of `max_tokens` tokens, or as long as the model reads.
    """

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or max_tokens
        rows = texts_loss(
            model, tokenizer, texts, max_tokens=min(max_tokens, positions), batch_size=batch_size
        )
        return {"loss": mean_loss(rows), "losses": rows}

    return measure
