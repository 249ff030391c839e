"""`assay ner example`: five small corpora to try the other commands on."""

from __future__ import annotations

from typing import Annotated

from assay.cli import options
from assay.cli.options import OUTPUT, flag


def example(
    output: Annotated[str, flag("--output", "-o", help="Folder for the five corpora.", panel=OUTPUT)],
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write five small corpora of our own, English and Chinese, whose labels clash in every way: see the guide."""
    from importlib.resources import as_file, files

    from assay._files import new_folder
    from assay.cli import console
    from assay.cli.output import staged

    folder = new_folder(output, overwrite=overwrite)
    names = []
    with as_file(files("assay.ner") / "builtin" / "mini") as source:
        for corpus in sorted(path for path in source.iterdir() if path.is_dir()):
            names.append(corpus.name)
            target = folder / corpus.name
            target.mkdir(exist_ok=True)
            with staged(target) as stage:
                for file in corpus.iterdir():
                    (stage / file.name).write_bytes(file.read_bytes())
    console.Talk(quiet).say(f"wrote {', '.join(names)} to {folder}. Go on with: assay ner screen {folder}/*")
