"""The command line: wiring only. Results go to standard output, talk to standard error.

One module a command group; `options` words the shared flags, `wording` puts messages in terms of what was typed,
`console` prints, `inputs` turns data arguments into vectors, `output` fills the folder of a run, `manifest` records
a run and replays it.
"""

from __future__ import annotations

import sys
import warnings


def main() -> None:
    """Run the command line: exit 0 done, 1 findings, 2 bad input or usage, 130 interrupted, 141 nobody reads."""
    try:
        with warnings.catch_warnings():
            code = _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _say(130, "interrupted")
    except BrokenPipeError:
        from assay.cli.console import nobody_reads

        code = nobody_reads()
    sys.exit(code)


def _run() -> int:
    from typer.main import get_command

    from assay.cli.app import app
    from assay.cli.wording import as_typed, usage
    from assay.errors import AssayError, AssayWarning

    warnings.filterwarnings("always", category=AssayWarning)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(get_command(app)(prog_name="assay", standalone_mode=False) or 0)
    except AssayError as error:
        return _say(2, f"error: {as_typed(str(error))}")
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        return _say(2, f"error: {where}{error.strerror}")
    except Exception as error:
        if not hasattr(error, "format_message"):  # what every usage error of typer has, whatever its class
            raise
        text = usage(error)
        return _say(2, f"error: {text}") if text else 2


def _say(code: int, text: str) -> int:
    print(text, file=sys.stderr)
    return code
