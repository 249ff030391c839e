"""``python -m benchmarks.disk OUT TIMES FOLDER ...``: read folders twice, write the last one's files TIMES times.

The least that restoring models has to do with a disk, as one plain loop: blocks of 4 MiB, all copies of a file written
in one go, each brought to the disk (fsync) at its end.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

BLOCK = 2**22


def main() -> None:
    out, times, *folders = sys.argv[1:]
    copies = [Path(out) / str(number) for number in range(int(times))]
    for copy in copies:
        copy.mkdir(parents=True)
    for folder in folders:
        read_into(folder, [])
    for folder in folders:
        read_into(folder, copies if folder == folders[-1] else [])


def read_into(folder: str, copies: list[Path]) -> None:
    """Read the weights of a folder, and write them to others."""
    buffer = memoryview(bytearray(BLOCK))
    for file in sorted(Path(folder).glob("*.safetensors")):
        with ExitStack() as stack:
            source = stack.enter_context(open(file, "rb", buffering=0))
            targets = [stack.enter_context(open(copy / file.name, "wb", buffering=0)) for copy in copies]
            while count := source.readinto(buffer):
                for target in targets:
                    target.write(buffer[:count])
            for target in targets:
                os.fsync(target.fileno())


if __name__ == "__main__":
    main()
