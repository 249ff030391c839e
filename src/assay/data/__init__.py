"""What a fine-tuning record is, in every shape people have.

    source  --read-->  samples  --write-->  the same shape and container, or others
                          |
                          +--text-->  what is embedded          check(source) --> what is wrong with it

- `sample`: `Message` and `Sample`, and `text`, the rule for what of a sample is embedded;
- `formats`: `FORMATS`, the shapes; `turns` spells single turns;
- `read`, over `containers` (files) and `json_text` (JSON without loss);
- `write`, and `trainers` for the snippet that a trainer needs beside the data;
- `check`, over `faults` (one sample) and `duplicates` (near texts);
- `hub`, the push of a selection, with the `card` that says where it came from.
"""

from assay.data.check import KINDS, Finding, check, exit_code, summary
from assay.data.formats import FORMATS, Format
from assay.data.read import read, resolve, spool_stdin
from assay.data.sample import Message, Sample, text
from assay.data.trainers import TRAINERS, trainer_snippet
from assay.data.write import selected_name, write

__all__ = [
    "FORMATS",
    "KINDS",
    "TRAINERS",
    "Finding",
    "Format",
    "Message",
    "Sample",
    "check",
    "exit_code",
    "read",
    "resolve",
    "selected_name",
    "spool_stdin",
    "summary",
    "text",
    "trainer_snippet",
    "write",
]
