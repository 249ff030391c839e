"""``python -m benchmarks [NAME ...] [--save]``: run benchmarks, each in a process of its own, and print tables.

``make bench`` runs all but the large ones, ``make bench-large`` those.
With ``--save`` the tables are written to ``benchmarks/results``. Real data is used where
``ASSAY_DATA`` has it (see CONTRIBUTING.md); its vectors are kept in ``build/bench``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.cases import CASES
from benchmarks.large import LARGE

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}; by default all but the large ones"
    )
    parser.add_argument("--large", action="store_true", help="run the large ones instead")
    parser.add_argument("--save", action="store_true", help="write the tables to benchmarks/results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        rows = CASES[arguments.child]()
        Path(arguments.names[0]).write_text(json.dumps(rows))
        return
    unknown = set(arguments.names) - set(CASES)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(CASES)}")
    for name in arguments.names or [name for name in CASES if (name in LARGE) == arguments.large]:
        rows = run(name)
        text = table(name, rows)
        print(text, flush=True)
        if arguments.save:
            RESULTS.mkdir(exist_ok=True)
            content = {"benchmark": name, "machine": machine.describe(), "rows": rows}
            (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
            (RESULTS / f"{name}.md").write_text(text + "\n")


def run(name: str) -> list[dict[str, object]]:
    """Run one benchmark in a fresh process and return its rows."""
    out = Path(f"build/bench/{name}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "benchmarks", "--child", name, str(out)], check=True)
    rows: list[dict[str, object]] = json.loads(out.read_text())
    return rows


def table(name: str, rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table under a heading."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"## {name}", "", inspect.getdoc(CASES[name]) or "", "", f"{machine.describe()}", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [row.get(column, "") for column in columns]
        lines.append("| " + " | ".join(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
