"""`assay ner review`: conflicts settled in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.options import OUTPUT, flag


def review(
    folder: Annotated[
        str, typer.Argument(help="Folder that assay ner screen wrote.", show_default=False, metavar="CARDS")
    ],
    port: Annotated[int, flag("--port", help="Of 127.0.0.1; 0 is any free one.", panel=OUTPUT)] = 8765,
    browser: Annotated[
        bool, flag("--browser/--no-browser", help="Open the page in the browser.", panel=OUTPUT)
    ] = True,
    quiet: options.Quiet = False,
) -> None:
    """Settle conflicts in the browser: cards with their evidence, decisions, taxonomy, and what apply would change.

    The page is for this machine alone, and opens with the address that is printed. Every decision is in
    CARDS/decisions.yaml before the next page shows. Ctrl-C ends it. Go on with: assay ner apply CARDS.
    """
    from assay import _check
    from assay.cli import console

    _check.whole("port", port, 0, 65535)
    for module in ("fastapi", "uvicorn"):
        _check.require(module, "web", "assay ner review")
    from assay.web.serve import serve

    talk = console.Talk(quiet)

    def ready(address: str) -> None:
        print(address, flush=True)
        talk.say("open this address; Ctrl-C ends the review")

    try:
        serve(folder, port=port, browser=browser, ready=ready)
    except KeyboardInterrupt:
        talk.say(f"ended; the decisions are in {folder}/decisions.yaml")
