"""`assay demo`: the whole chain on a sample that comes with the package."""

from __future__ import annotations

from typing import Annotated

from assay.cli import options
from assay.cli.options import METHOD, OUTPUT, flag


def demo(
    budget: Annotated[int, flag("--budget", help="Rows to choose of the 300.", panel=METHOD)] = 60,
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Keep the sample and the results in this folder.", panel=OUTPUT),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Check, embed, measure and select on a built-in sample: 300 instructions in English and Chinese."""
    import csv
    import shutil
    import tempfile
    from collections import Counter
    from importlib.resources import files
    from pathlib import Path

    from assay._files import new_folder, read_json
    from assay.cli import console
    from assay.cli.report import report
    from assay.cli.select import select
    from assay.data import check, read, summary

    with tempfile.TemporaryDirectory(prefix="assay-demo-") as scratch:
        folder = Path(scratch) if output is None else new_folder(output, overwrite=overwrite)
        source = folder / "instructions.jsonl"
        builtin = files("assay.data") / "builtin"
        with builtin.joinpath("instructions.jsonl").open("rb") as incoming, source.open("wb") as outgoing:
            shutil.copyfileobj(incoming, outgoing)
        rows = [sample.row for sample in read(source)]
        domains = Counter(row["domain"] for row in rows)
        languages = Counter(row["language"] for row in rows)
        most, least = domains.most_common(1)[0], domains.most_common()[-1]
        print(
            f"The sample: {len(rows)} instructions, {languages['en']} English and {languages['zh']} Chinese, ",
            end="",
        )
        print(f"{len(domains)} domains, from {most[1]} rows of {most[0]} to {least[1]} of {least[0]}.")

        print("\n1. What is wrong with it?   assay check instructions.jsonl")
        found = summary(check(source))
        for kind in ("exact_duplicate", "near_duplicate"):
            print(f"   {found.get(kind, 0)} rows are {kind.replace('_', ' ')}s of an earlier row")

        command = f"assay select instructions.jsonl --budget {budget} --compare random,kcenter -o out/"
        print(f"\n2. Which {budget} rows?   {command}")
        select(
            source=str(source), budget=str(budget), output=str(folder / "out"), compare="random,kcenter", quiet=True,
            overwrite=overwrite,
        )  # fmt: skip
        planted = read_json(Path(str(builtin.joinpath("planted.json"))))
        pairs = [set(pair) for kind in ("exact", "near") for pair in planted[kind]]
        with (folder / "out" / "selection.csv").open(encoding="utf-8", newline="") as f:
            chosen = [line["id"] for line in csv.DictReader(f)]
        both = sum(pair <= set(chosen) for pair in pairs)
        domain_of = {row["id"]: row["domain"] for row in rows}
        share = Counter(domain_of[name] for name in chosen)
        print(
            f"   Of {len(pairs)} planted pairs of copies and rewordings, {both} were chosen with both rows."
        )
        print(
            f"   {most[0].capitalize()}, {most[1] / len(rows):.0%} of the pool, is "
            f"{share[most[0]] / len(chosen):.0%} of the choice; {len(share)} of {len(domains)} domains are in it."
        )
        if output is not None:
            page = folder / "report.html"
            print(f"\n3. See it   assay report out/ --columns domain,language -o {page.name}")
            report(
                folders=[str(folder / "out")],
                output=str(page),
                columns="domain,language",
                overwrite=overwrite,
                quiet=True,
            )
        seconds = read_json(folder / "out" / "manifest.json")["run"]["seconds"]
        print(f"\nThat took {console.human_seconds(sum(seconds.values()))}. ", end="")
        print(
            f"The results are in {folder}."
            if output
            else "Add -o FOLDER to keep the results, with a page to look at."
        )
