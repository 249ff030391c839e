"""The command line: wiring only. Results go to standard output, talk to standard error.

One module a command group; `options` words the shared flags, `console` prints, `inputs` turns data arguments
into vectors, `manifest` records a run and replays it.
"""

from __future__ import annotations

import sys
import warnings


def main() -> None:
    """Run the command line: exit 0 done, 1 findings, 2 bad input or usage, 130 interrupted."""
    from assay.cli.app import app
    from assay.cli.console import show_warning
    from assay.errors import AssayError

    warnings.showwarning = show_warning
    try:
        app()
    except AssayError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept. Go on with --resume.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
