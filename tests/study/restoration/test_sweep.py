"""Several tuned models in every state: facts parted, adapters merged, the original evaluated once, tokenizers found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay._files import read_lines
from assay.errors import DataError
from assay.knowledge import Question
from assay.study.restoration import Plan
from assay.study.restoration.sweep import sets_of, sweep
from assay.study.restoration.texts import texts_loss
from assay.weights import open_pair
from tests.training.conftest import make_llama, make_tokenizer
from tests.weights import made
from tests.weights.test_lora import QV, save_pair

PLAN = Plan(percents=(40.0,), rankings=("relative",))
TEXTS = ["w1 w2 w3 w4", "w9 w8 w7", "w5 w5"]


def questions(split: str = "", domain: str = "", count: int = 8, first: int = 0) -> list[Question]:
    return [
        Question(
            f"{domain}{split}{n}", "", f"P{n % 2}", f"{domain}{split}{n}?", ("I",), domain=domain, split=split
        )
        for n in range(first, first + count)
    ]


def test_facts_are_parted() -> None:
    plain = (*questions(), *questions(domain="OOD", count=3))
    found, said = sets_of(plain, dev_fraction=0.25)
    assert {name: len(own) for name, own in found.items()} == {"dev": 2, "test": 6, "OOD": 3}
    assert said == ["facts: 2 dev, 6 test, 3 OOD"]
    assert sets_of(plain, seed=1)[0]["dev"] != sets_of(plain, seed=2)[0]["dev"]
    split = [*questions("train"), *questions("dev"), *questions("test"), *questions("dev", "OOD")]
    found, said = sets_of((*split, *questions("test", "OOD")))
    assert {name: {one.id.rstrip("0123456789") for one in own} for name, own in found.items()} == {
        "dev": {"dev"}, "test": {"test"}, "OOD": {"OODtest"}
    }  # fmt: skip
    assert said == [
        "facts: 8 dev, 8 test, 8 OOD; splits dev and test of the facts are used as they are; 16 of other splits were "
        "left out"
    ]
    found, _ = sets_of((*split, *questions("test", "OOD")), limit=4)
    for own in found.values():
        assert sorted(one.relation for one in own) == ["P0", "P0", "P1", "P1"]
    # without dev facts those of test are halved, and the ones that models were trained on left out
    found, _ = sets_of((*questions("train"), *questions("test")))
    assert {one.id[:4] for own in found.values() for one in own} == {"test"}
    with pytest.raises(DataError, match=r"dev must leave facts to both, of 8; got 8\. Give more facts\."):
        sets_of(tuple(questions()), dev_fraction=1)


def _fact(id: str, prompt: str, split: str = "", domain: str = "ID") -> Question:
    return Question(id, id, "P1", prompt, ("a",), split=split, domain=domain)


def test_facts_that_were_trained_on_report_nothing() -> None:
    """Nor does dev ask what test asks, too."""
    taught = [_fact(f"t{n}", f"t{n}", "train") for n in range(20)]
    for split in ("test", "dev", ""):
        sets, notes = sets_of((*taught, *(_fact(f"f{n}", f"f{n}", split) for n in range(6))))
        assert {name: len(own) for name, own in sets.items()} == {"dev": 3, "test": 3}
        assert not any(one.split == "train" for own in sets.values() for one in own)
        assert notes == ["facts: 3 dev, 3 test; 20 of other splits were left out"]
    twins = [
        _fact(f"{split}{n}", f"q{n}", split)
        for split, count in (("dev", 5), ("test", 3))
        for n in range(count)
    ]
    outside = [_fact("o", "q9", "test", "OOD"), _fact("p", "q8", "dev", "OOD")]
    sets, (note,) = sets_of((*twins, *outside))
    assert {name: [one.id for one in own] for name, own in sets.items()} == {
        "dev": ["dev3", "dev4"], "test": ["test0", "test1", "test2"], "OOD": ["o"]
    }  # fmt: skip
    assert "3 of dev were left out, which test asks, too; 1 of other splits were left out" in note
    with pytest.raises(DataError, match="facts must have some to choose by that test does not ask"):
        sets_of(twins[:3] + twins[5:])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_put_into_states_as_its_merge(tmp_path: Path) -> None:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)  # PEFT draws one of the factors
        merged = save_pair(tmp_path, target_modules=QV, lora_alpha=60)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path / "base")
    pair = open_pair(tmp_path / "base", tmp_path / "adapter")
    sweep({"a": pair}, PLAN, output=tmp_path / "o", settings={"a": {}}, texts=TEXTS, device="cpu", threads=1)
    losses = {path.stem: list(read_lines(path)) for path in (tmp_path / "o" / "a" / "losses").iterdir()}
    model = made.make_model()
    with torch.no_grad():
        for name, value in model.state_dict(keep_vars=True).items():
            value.copy_(torch.from_numpy(merged[name]).reshape(value.shape))
    for row, expected in zip(losses["tuned"], texts_loss(model, tokenizer, TEXTS), strict=True):
        assert row["nats"] == pytest.approx(expected["nats"], abs=1e-4)
    # the adapter changed nothing outside of the scope
    for row, same, other in zip(losses["scope"], losses["original"], losses["tuned"], strict=True):
        assert row["nats"] == pytest.approx(same["nats"], abs=1e-5)
        assert row["nats"] != pytest.approx(other["nats"], abs=1e-3)


def test_programs_get_whole_checkpoints_and_the_original_once(tmp_path: Path) -> None:
    make_llama().save_pretrained(tmp_path / "p")
    make_tokenizer().save_pretrained(tmp_path / "p")
    pairs = {}
    for name in ("a", "b"):
        made.nudge(make_llama()).save_pretrained(tmp_path / name)
        pairs[name] = open_pair(tmp_path / "p", tmp_path / name)
    seen: list[Path] = []

    def program(folder: Path) -> dict[str, float]:
        assert (folder / "tokenizer.json").exists()  # the original's, as the tuned models have none
        seen.append(folder)
        return {"size": float(len(seen))}

    (tmp_path / "o" / "b" / ".state-killed").mkdir(parents=True)
    rows = sweep(
        pairs, PLAN, output=tmp_path / "o", settings={"a": {}, "b": {}}, texts=TEXTS, programs=[program],
        device="cpu", threads=1,
    )  # fmt: skip
    assert [folder.name for folder in seen] == [
        "tuned", "scope", "relative-weights-40", "p", "tuned", "scope", "relative-weights-40"
    ]  # fmt: skip
    assert rows["b"][-1]["numbers"] == {"size": 4.0}
    assert not (tmp_path / "a" / "tokenizer.json").exists()
    assert {path.name for path in (tmp_path / "o" / "b").iterdir()} == {"settings.json", "states", "losses"}
    with pytest.raises(
        DataError, match=r"output must hold the same sweep to go on with; in .*b x was None, and is now 1"
    ):
        sweep(
            pairs, PLAN, output=tmp_path / "o", settings={"a": {}, "b": {"x": 1}}, texts=TEXTS, device="cpu"
        )


def test_two_programs_need_names_of_their_own(tmp_path: Path) -> None:
    made.write_model(tmp_path / "p", made.llama_arrays())
    made.write_model(tmp_path / "s", made.llama_arrays(seed=1))

    def program(folder: Path) -> dict[str, float]:
        return {"f1": 1.0}

    sides: dict[str, Any] = {"s": open_pair(tmp_path / "p", tmp_path / "s")}
    with pytest.raises(
        DataError, match="command must have names of its own for its numbers; lm_eval has f1, too"
    ):
        sweep(sides, PLAN, output=tmp_path / "o", settings={"s": {}}, programs=[program, program])
