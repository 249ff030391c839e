"""Everything that assay raises or warns with on purpose.

::

    AssayError
    ├── DataError(ValueError)            a file, a row or an argument is not what it must be
    └── MissingExtraError(ImportError)   an optional dependency is not installed
    AssayWarning(UserWarning)            a result that stands, with something to know about it

The command line prints an `AssayError` as one line on standard error and exits with 2. Anything else
that escapes is a bug and shows its traceback.
"""


class AssayError(Exception):
    """Base of every error that a user can mend."""


class DataError(AssayError, ValueError):
    """A file, a row or an argument breaks a rule; the message says which and what to do."""


class MissingExtraError(AssayError, ImportError):
    """A feature needs an optional dependency; the message names the command that installs it."""


class AssayWarning(UserWarning):
    """The result stands, but the reader should know what the message says."""
