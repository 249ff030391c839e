"""Programs that score a model: what is run, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import DataError
from assay.study.command import run_command


def test_the_folder_is_quoted_and_the_last_line_read(tmp_path: Path) -> None:
    folder = tmp_path / "my model's; 'folder'"
    folder.mkdir()
    (folder / "score").write_text("2.5\n\n")
    assert run_command("echo talk; cat {model}/score", folder) == {"command": 2.5}
    assert run_command("SCORE=3 sh -c 'echo $SCORE' {model} | cat", folder) == {"command": 3.0}
    (folder / "score").write_text('{"acc": 1, "f 1": 0.25}')
    assert run_command("cat {model}/score", folder) == {"acc": 1.0, "f 1": 0.25}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo 1", "command must have {model} where the model's folder goes; got 'echo 1'."),
        ("echo '{model}", 'command must be a command; got "echo \'{model}": no closing quotation.'),
        ("echo {model} >&2; exit 3", "command must have a score as its last line; it exited with 3: m"),
        ("no-such-program {model}", "command must have a score as its last line; it exited with 127: "),
        ("true {model}", "command must have a score as its last line; it exited with 0: nothing was printed"),
        (
            "echo 'yes{model}'",
            "command must have a number, or a JSON object of numbers, as its last line; got 'yesm'.",
        ),
        ('echo \'{{"a": "{model}"}}\'', "command must have a number"),
        ("true {model}; echo '{}'", "command must have a number"),
        ("true {model}; echo NaN", "command must have a number"),
        ("true {model}; echo true", "command must have a number"),
    ],
)
def test_refused(command: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        run_command(command, "m")
    assert str(error.value).startswith(said)


def test_of_a_long_complaint_the_end_is_told() -> None:
    with pytest.raises(DataError) as error:
        run_command("seq 1000 >&2; exit 1 {model}", "m")
    assert str(error.value).endswith(" 998 999 1000")
    assert len(str(error.value)) < 400
