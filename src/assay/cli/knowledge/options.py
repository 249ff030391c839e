"""Flags that commands on facts share, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.options import DATA, METHOD, flag

FACTS = "Facts, as assay knowledge facts reads or writes them."
FactsArgument = Annotated[str, typer.Argument(help=FACTS, show_default=False)]
Facts = Annotated[str, flag("--facts", help=FACTS, panel=DATA)]
Shape = Annotated[
    str | None,
    flag("--from", help="Shape of the facts; by default told from them.", panel=DATA, metavar="SHAPE"),
]
Limit = Annotated[
    int | None, flag("--limit", help="At most so many facts, as many of each relation.", panel=DATA)
]
Aliases = Annotated[
    str,
    flag(
        "--aliases",
        help="More names of answers: none, paper (eleven places), or a YAML file of answer: [alias, ...].",
        panel=METHOD,
    ),
]
Templates = Annotated[
    str | None,
    flag(
        "--templates",
        help="YAML file or folder of relation: [template, ...]; by default the source's own, else ours.",
        panel=METHOD,
    ),
]
StatementTemplates = Annotated[
    str | None,
    flag(
        "--templates",
        help="statement only: YAML file or folder of relation: [template, ...]; the first is used.",
        panel=METHOD,
    ),
]
Examples = Annotated[
    str | None, flag("--train", help="few-shot only: facts to take examples from.", panel=DATA)
]
Shots = Annotated[int | None, flag("--shots", help="few-shot only: examples from --train (4).", panel=METHOD)]
Prompt = Annotated[
    str,
    flag(
        "--prompt",
        help="sft: the paper's; chat: the model's own chat template, also for the original; few-shot; statement.",
        panel=METHOD,
    ),
]
Rule = Annotated[
    str,
    flag(
        "--rule",
        help="When an output has the answer: contains, word, first, begins or exact.",
        panel=METHOD,
    ),
]
AnswerTokens = Annotated[int, flag("--max-tokens", help="Of an answer, at most.", panel=METHOD)]
