"""Which language model a command asks: its flags, worded once, and what they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.options import METHOD, flag

if TYPE_CHECKING:
    from assay.knowledge.models import LanguageModel, Sampler

Model = Annotated[
    str,
    typer.Argument(
        help="Folder, .gguf file or hub id of a language model, or openai:NAME on a server.",
        show_default=False,
    ),
]
BatchSize = Annotated[int, flag("--batch-size", help="Sequences in memory at a time.", panel=METHOD)]
Device = Annotated[str, flag("--device", help="auto, cpu, cuda, cuda:1, ...", panel=METHOD)]
Dtype = Annotated[str, flag("--dtype", help="auto, float32, bfloat16 or float16.", panel=METHOD)]
Threads = Annotated[
    int | None, flag("--threads", help="Threads of torch; by default its own choice.", panel=METHOD)
]
BaseUrl = Annotated[
    str | None, flag("--base-url", help="openai only: address of the server, to /v1.", panel=METHOD)
]
Workers = Annotated[int | None, flag("--workers", help="openai only: requests in flight (8).", panel=METHOD)]
SHOTS = 4  # answered questions before one that is asked few-shot
# what a kind of model does not read must be at its default
DEFAULTS = {
    "batch_size": 64,
    "device": "auto",
    "dtype": "auto",
    "threads": None,
    "base_url": None,
    "workers": None,
}
_SERVER = ("base_url", "workers")


def loaded(given: dict[str, Any], *, chat_template: str | None = None) -> Sampler | LanguageModel:
    """Return the model that the options of a command name, or raise by the option that it does not read.

    `chat_template` stands in place of the model's own; a server has its own.
    """
    from assay.errors import DataError
    from assay.knowledge.models import Remote, Transformer

    model: str = given["model"]
    kind, _, name = model.partition(":")
    remote = kind == "openai" and bool(name)
    read = {option: given[option] for option in DEFAULTS if (option in _SERVER) == remote}
    for option in DEFAULTS.keys() - read.keys():
        if given[option] != DEFAULTS[option]:
            raise DataError(
                f"{option} must be left out of {model}, which does not read it; got {given[option]!r}."
            )
    if remote:
        return Remote(name, **{option: value for option, value in read.items() if value is not None})
    return Transformer(name if kind == "hf" and name else model, chat_template=chat_template, **read)
