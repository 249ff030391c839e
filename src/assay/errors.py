"""Everything that assay raises or warns with on purpose.

::

    AssayError
    ├── DataError(ValueError)            a file, a row or an argument is not what it must be
    │   ├── StaleError                   a file is not what it was when the caller read it
    │   └── NoFactError                  no fact is of the kind that is measured
    └── MissingExtraError(ImportError)   an optional dependency is not installed
    AssayWarning(UserWarning)            a result that stands, with something to know about it

The command line prints an `AssayError` as one line on standard error and exits with 2. Anything else
that escapes is a bug and shows its traceback.
"""

import sys
import warnings


class AssayError(Exception):
    """Base of every error that a user can mend."""


class DataError(AssayError, ValueError):
    """A file, a row or an argument breaks a rule; the message says which and what to do."""


class StaleError(DataError):
    """A file was changed by another since the caller read it: read it again, then decide."""


class NoFactError(DataError):
    """No fact is of the kind that a measure is taken on: of a model that knows little, there may be none."""


class MissingExtraError(AssayError, ImportError):
    """A feature needs an optional dependency; the message names the command that installs it."""


class AssayWarning(UserWarning):
    """The result stands, but the reader should know what the message says."""


def warn(message: str) -> None:
    """Warn with `AssayWarning` at the line, outside assay, that led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("assay."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, AssayWarning, stacklevel=level)
