"""What models wrote, beside the questions that it answers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.formats.format import rows, text
from assay.knowledge.questions import Question

Pair = tuple[Question, str]


def read_outputs(path: str | Path, questions: Iterable[Question]) -> list[Pair]:
    """Return the outputs of a file, each with its question.

    Parameters
    ----------
    path
        Rows of ``id`` (of a question) and ``output`` (a text, without the prompt) or ``outputs`` (a list of them).
        Other fields do not matter.
    questions
        Those that may be answered; not all must be.

    Raises
    ------
    DataError
        (``file:line: ...``) For an id of no question, or a row without outputs.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "out.jsonl"
    >>> _ = file.write_text('{"id": "1", "outputs": [" Oslo.", " Bergen"]}')
    >>> pairs = read_outputs(file, [Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",))])
    >>> [output for _, output in pairs]
    [' Oslo.', ' Bergen']
    """
    by_id = {question.id: question for question in questions}
    pairs: list[Pair] = []
    for origin, row in rows(Path(path)):
        id = text(origin, row, "id")
        if id not in by_id:
            raise DataError(f"{origin}: id must be that of a question; got {excerpt(id)}, of none.")
        field = "outputs" if "outputs" in row else "output"
        value = row.get(field)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
            raise DataError(f"{origin}: {field} must be a text or a list of texts; got {excerpt(value)}.")
        pairs += [(by_id[id], one) for one in listed]
    if not pairs:
        raise DataError(f"{path} must hold at least one row of id and output; it has none.")
    return pairs
