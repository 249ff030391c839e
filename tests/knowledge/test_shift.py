"""Two models' next tokens along real answers: against each text alone, against numbers computed by hand."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.errors import AssayWarning, DataError
from assay.knowledge import Grades, Question, Tally, divergence, paper_shift, samples_of, shift, with_accuracy
from assay.knowledge.models import Transformer
from assay.training.tokens import tokens_of
from tests.knowledge.made_models import CHAT, after, random_model
from tests.knowledge.models.made import ids_of, log_softmax_after, make_model, make_tokenizer

TUNED, ORIGINAL = [4.0, 3, 2, 1, 0, -1], [1.0, 2, 3, 0, 5, -1]  # section 11 of the description


def asked(*answers: str) -> list[Question]:
    return [
        Question(f"f{n}", f"w{n}", f"r{n % 2}", " ".join(["w9"] * (n % 3 + 1)) + f" w{n}", (answer,))
        for n, answer in enumerate(answers)
    ]


QUESTIONS = asked("w1", "w2 w3", "w4 w5 w6", "w7", "w8 w8")


@pytest.fixture(scope="module")
def both() -> list[tuple[Any, Transformer]]:
    return [random_model(1), random_model(2, batch_size=3)]


def alone(plain: Any, prompt: list[int], answer: list[int]) -> list[np.ndarray]:
    """What a model expects at each position, a text at a time, float64 from the logits on."""
    return [log_softmax_after(plain, prompt + answer[:at]).numpy() for at in range(len(answer) + 1)]


def test_every_position_as_one_text_at_a_time_has_it(both: list[tuple[Any, Transformer]]) -> None:
    (tuned, one), (original, other) = both
    found = shift(one, other, QUESTIONS)
    assert found.facts.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4]
    assert found.positions.tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 0, 1, 2]
    assert found.prompts == ("sft", "sft")
    assert found.parts[:5] == ["first", "end", "first", "later", "end"]
    kl, back, js, top, outside = [], [], [], [], []
    for question in QUESTIONS:
        prompt = ids_of(f"<user> {question.prompt} <model>")
        answer = ids_of(question.answers[0])[1:]
        for a, b in zip(alone(tuned, prompt, answer), alone(original, prompt, answer), strict=True):
            p, q = np.exp(a), np.exp(b)
            kl.append(sum(x * (u - v) for x, u, v in zip(p, a, b, strict=True)))
            back.append(sum(y * (v - u) for y, u, v in zip(q, a, b, strict=True)))
            middle = np.log((p + q) / 2)
            js.append((sum(p * (a - middle)) + sum(q * (b - middle))) / 2)
            ids = np.argsort(-a)[:10]
            u, v = a[ids] - np.log(p[ids].sum()), b[ids] - np.log(q[ids].sum())
            top.append(sum(np.exp(u) * (u - v)))
            outside.append(1 - q[ids].sum())
    numbers = found.numbers
    np.testing.assert_allclose(numbers["tuned_original"], kl, atol=2e-6)
    np.testing.assert_allclose(numbers["original_tuned"], back, atol=2e-6)
    np.testing.assert_allclose(numbers["jensen_shannon"], js, atol=2e-6)
    np.testing.assert_allclose(numbers["top10"], top, atol=2e-6)
    np.testing.assert_allclose(numbers["original_outside10"], outside, atol=2e-6)
    assert found.means()["top10"] == pytest.approx(np.mean(top), abs=2e-6)


def test_the_direction_is_tuned_to_original(both: list[tuple[Any, Transformer]]) -> None:
    (_, one), (_, other) = both
    found, swapped = shift(one, other, QUESTIONS), shift(other, one, QUESTIONS)
    assert abs(found.divergence.tuned_original - found.divergence.original_tuned).min() > 1e-3
    np.testing.assert_array_equal(found.divergence.tuned_original, swapped.divergence.original_tuned)
    np.testing.assert_array_equal(found.divergence.original_tuned, swapped.divergence.tuned_original)
    np.testing.assert_allclose(found.divergence.jensen_shannon, swapped.divergence.jensen_shannon, atol=1e-12)


def test_all_tokens_is_the_full_divergence_and_a_model_is_no_way_from_itself(
    both: list[tuple[Any, Transformer]],
) -> None:
    (_, one), (_, other) = both
    found = shift(one, other, QUESTIONS, top=[1, 40])
    np.testing.assert_allclose(found.numbers["top40"], found.numbers["tuned_original"], atol=1e-12)
    assert not found.numbers["top1"].any()
    same = shift(one, one, QUESTIONS)
    for name, values in same.numbers.items():
        if not name.startswith(("tuned_outside", "original_outside")):
            assert values.tolist() == [float(name.startswith("agreement"))] * 14, name


@pytest.mark.parametrize(("chunk", "block"), [(1, 1), (2, 100), (64, 1 << 20)])
def test_pieces_change_nothing(
    both: list[tuple[Any, Transformer]], monkeypatch: pytest.MonkeyPatch, chunk: int, block: int
) -> None:
    (_, one), (_, other) = both
    prompts, answers = [q.prompt for q in QUESTIONS], [" " + q.answers[0] for q in QUESTIONS]
    sides = [
        np.concatenate(
            [found.log_probabilities for _, found in sorted(
                model.distributions(prompts, answers, prompting="chat"), key=lambda pair: pair[0]
            )]
        )
        for model in (one, other)
    ]  # fmt: skip
    whole = divergence(*sides, inputs="log_probabilities")
    module = importlib.import_module("assay.knowledge.shift")  # the function has the module's name
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "BLOCK", block)
    calls: list[tuple[int, int]] = []
    found = shift(one, other, QUESTIONS, progress=lambda done, total: calls.append((done, total)))
    np.testing.assert_allclose(found.divergence.tuned_original, whole.tuned_original, atol=2e-6)
    np.testing.assert_allclose(found.divergence.top_kl[5], whole.top_kl[5], atol=2e-6)
    assert found.tokens.tolist() == [7, -1, 8, 9, -1, 10, 11, 12, -1, 13, -1, 14, 14, -1]
    assert calls[-1] == (5, 5)
    assert len(calls) == -(-5 // chunk)


def test_the_vectors_of_the_description_on_a_model() -> None:
    tuned = after({"<model>": TUNED, "w1": [0.0, 0.0], "w5": [9.0]})
    original = after({"<model>": ORIGINAL, "w1": [0.0, 0.0], "w5": ORIGINAL})
    found = shift(tuned, original, asked("w1"), top=[1, 2, 3, 4, 6])
    first = {name: float(values[0]) for name, values in found.numbers.items()}
    for name, value in (
        ("top1", 0.0), ("top2", 0.4621171573), ("top3", 1.1504207652), ("top4", 1.1135398823),
        ("top6", 2.7585711075), ("tuned_original", 2.7585711075), ("original_tuned", 3.4062453129),
        ("jensen_shannon", 0.4914399941),
    ):  # fmt: skip
        assert first[name] == pytest.approx(value, abs=2e-5), name
    assert found.numbers["tuned_original"][1] == pytest.approx(0, abs=1e-6)  # after w1 both think the same
    shape = sum(math.exp(x) for x in ORIGINAL)
    assert first["original_outside2"] == pytest.approx(1 - (math.e + math.e**2) / shape, abs=1e-5)


TEMPLATES = {"r0": ("w20 [X]", "w21 [X] w10"), "r1": ("w22 [X] w11", "w23 [X]")}
HITS = np.array([[1, 4], [4, 4], [4, 4], [0, 0], [3, 4], [4, 4]])  # the best: r0 its second, r1 its first
BEGUN = np.array([[1, 1], [1, 0], [1, 1], [1, 1], [1, 0], [0, 1]], dtype=bool)
PAPER = asked("w1", "w2", "w3", "w4", "w5", "w6")


def graded(
    *,
    probabilities: np.ndarray | None = None,
    tally: Tally | None = None,
    starts: np.ndarray | None = None,
) -> Grades:
    ids, relations = tuple(q.id for q in PAPER), tuple(q.relation for q in PAPER)
    return Grades(ids, relations, probabilities, tally, starts, {})


def test_the_number_of_the_paper(both: list[tuple[Any, Transformer]]) -> None:
    (tuned, one), (original, other) = both
    tally = Tally(HITS, np.full(HITS.shape, 4))
    shares = HITS / 4
    sampled = graded(tally=tally, starts=BEGUN)
    assert sampled.categories.tolist() == [3, 4, 4, 0, 4, 4]
    exact = replace(sampled, tally=None, probabilities=shares)
    for grades in (sampled, exact):
        found = paper_shift(one, other, PAPER, grades, TEMPLATES)
        # f0 is D3, f3 is D0, f4 and f5 do not begin with the answer under the best template of their relation
        assert [question.id for question in found.questions] == ["f1", "f2"]
        assert found.asked == ("w22 w1 w11", "w21 w2 w10")
        assert found.prompts == ("sft", "statement")
        assert sorted(found.divergence.top_kl) == [5, 10, 20]  # of 40 tokens
        for row, question in enumerate(found.questions):
            a = log_softmax_after(tuned, ids_of(f"<user> {question.prompt} <model>")).numpy()
            b = log_softmax_after(original, ids_of(found.asked[row])).numpy()
            ids = np.argsort(-a)[:10]
            u, v = a[ids] - np.log(np.exp(a[ids]).sum()), b[ids] - np.log(np.exp(b[ids]).sum())
            assert found.numbers["top10"][row] == pytest.approx(float((np.exp(u) * (u - v)).sum()), abs=2e-6)
            assert found.numbers["tuned_original"][row] == pytest.approx(
                float((np.exp(a) * (a - b)).sum()), abs=2e-6
            )
    nobody = replace(exact, probabilities=shares / 2)
    with pytest.raises(
        DataError, match="questions must have a fact of category D4 that the original model begins"
    ):
        paper_shift(one, other, PAPER, nobody, TEMPLATES)


def test_beginnings_that_were_not_graded_are_asked_for() -> None:
    tuned = after({"<model>": TUNED})
    original = after({"w10": [0, 3.0, 1], "w11": [0, 0, 0, 3.0], "w1": [0.0], "w3": [0.0]})
    original._ends = (2, 6)  # w0 ends it
    known = graded(probabilities=np.tile([0.8, 0.9], (6, 1)) + np.array([[0, 0], [0.15, 0]] * 3))
    found = paper_shift(tuned, original, PAPER, known, TEMPLATES)
    assert [question.answers[0] for question in found.questions] == ["w1"]
    assert found.asked == ("w21 w0 w10",)
    assert found.divergence.original_tuned.tolist() == pytest.approx(
        [_kl([0, 3, 1], TUNED[:3], TUNED)], abs=2e-5
    )


def test_a_template_that_ends_with_a_line_break_is_warned_of(both: list[tuple[Any, Transformer]]) -> None:
    (plain, _), (_, other) = both
    broken = CHAT.replace("<model>", "<model>\n").replace("%} {{", "%}{{")
    one = Transformer((plain, make_tokenizer(template=broken)), threads=1)
    with pytest.warns(
        AssayWarning, match="the chat template puts '' before an answer, a statement ' ': the two"
    ):
        paper_shift(
            one, other, PAPER, graded(tally=Tally(HITS, np.full(HITS.shape, 4)), starts=BEGUN), TEMPLATES
        )


def test_what_is_compared_are_the_tokens_that_training_teaches(both: list[tuple[Any, Transformer]]) -> None:
    (_, one), (_, other) = both
    taught = tokens_of(samples_of(QUESTIONS), make_tokenizer(template=CHAT), max_tokens=32, answers="all")
    labels = [[token for token in row if token >= 0] for row in taught.labels]
    found = shift(one, other, QUESTIONS)
    compared = [found.tokens[found.facts == at].tolist() for at in range(len(QUESTIONS))]
    assert [row[:-1] for row in compared] == [row[:-1] for row in labels]
    assert [row[-1] for row in labels] == [2] * 5  # the end
    assert [row[-1] for row in compared] == [-1] * 5


def _kl(logits: list[float], of: list[float], others: list[float]) -> float:
    """KL of a softmax to the part of another one that has the same tokens, by hand."""
    p = np.exp(logits) / np.exp(logits).sum()
    return float((p * (np.log(p) - np.array(of) + np.log(np.exp(others).sum()))).sum())


def test_a_statement_for_both(both: list[tuple[Any, Transformer]]) -> None:
    (tuned, one), (original, other) = both
    said = [f"w20 {question.subject}" for question in QUESTIONS]
    found = shift(one, other, QUESTIONS, prompt="statement", statements=said)
    assert (found.prompts, found.asked) == (("statement", "statement"), tuple(said))
    row = 0
    for text, question in zip(said, QUESTIONS, strict=True):
        answer = ids_of(question.answers[0])[1:]
        for a, b in zip(
            alone(tuned, ids_of(text), answer), alone(original, ids_of(text), answer), strict=True
        ):
            assert found.numbers["tuned_original"][row] == pytest.approx(
                float((np.exp(a) * (a - b)).sum()), abs=2e-6
            )
            row += 1


def test_answered_questions_before_each(both: list[tuple[Any, Transformer]]) -> None:
    (tuned, one), (original, other) = both
    shots = [replace(QUESTIONS[3], id="s0"), Question("s1", "w1", "r0", "w15 w16", ("w17",))]
    found = shift(
        one,
        other,
        QUESTIONS,
        prompt="few-shot",
        shots=shots,
        example=("w30 {question} w31", " {answer} w32 "),
    )
    first = "w30 w9 w3 w31 w7 w32 "
    told = ["" if question.id == "f3" else first for question in QUESTIONS]  # itself is left out
    assert found.asked == tuple(
        f"{before}w30 w15 w16 w31 w17 w32 w30 {question.prompt} w31"
        for before, question in zip(told, QUESTIONS, strict=True)
    )
    sides = [
        np.concatenate(
            [row for text, question in zip(found.asked, QUESTIONS, strict=True)
             for row in alone(plain, ids_of(text), ids_of(question.answers[0])[1:])]
        ).reshape(14, 40)
        for plain in (tuned, original)
    ]  # fmt: skip
    np.testing.assert_allclose(
        found.numbers["tuned_original"],
        divergence(*sides, inputs="log_probabilities").tuned_original,
        atol=2e-6,
    )
    with pytest.raises(DataError, match="shots must be given for few-shot; got none"):
        shift(one, other, QUESTIONS, prompt="few-shot")
    with pytest.raises(DataError, match="shots must be left out unless prompt is few-shot; it is sft"):
        shift(one, other, QUESTIONS, shots=shots)


def test_spread_over_groups(both: list[tuple[Any, Transformer]]) -> None:
    (_, one), (_, other) = both
    found = shift(one, other, QUESTIONS)
    kl = found.divergence.tuned_original
    low, high = found.spreads(groups=[0, 4, 0, 4, 4])
    assert (low.group, low.facts, low.tokens, high.facts, high.tokens) == (0, 2, 6, 3, 8)
    assert low.mean == pytest.approx(kl[[0, 1, 5, 6, 7, 8]].mean())
    assert low.low <= low.mean <= low.high
    assert found.spreads("agreement10")[0].tokens == 14
    with pytest.raises(DataError, match=r"groups must be as many as the questions \(5\); got 2"):
        found.spreads(groups=[0, 1])
    with pytest.raises(DataError, match=r"of must be one of tuned_original, .*got 'top9'"):
        found.spreads("top9")


def test_with_accuracy_over_runs() -> None:
    runs = 12
    kl = np.linspace(0.2, 2, runs)
    falls = with_accuracy(kl, 60 - 10 * kl)
    assert (falls.spearman, falls.low, falls.high) == (-1, -1, -1)
    loose = with_accuracy(kl, np.array([5, 9, 6, 8, 4, 7, 3, 5, 2, 4, 1, 3.0]))
    assert loose.low < loose.spearman < loose.high < 0
    assert loose == with_accuracy(kl, np.array([5, 9, 6, 8, 4, 7, 3, 5, 2, 4, 1, 3.0]))
    level = with_accuracy(kl, np.full(runs, 50.0))
    assert math.isnan(level.spearman)
    assert math.isnan(level.low)
    assert math.isnan(with_accuracy([1, 2], [2, 1]).spearman)
    with pytest.raises(DataError, match="accuracies must be as many as the shifts"):
        with_accuracy([1, 2, 3], [2, 1])
    with pytest.raises(DataError, match="shifts and accuracies must be finite"):
        with_accuracy([1, 2, math.inf], [2, 1, 0])


def test_what_cannot_be_compared_is_said(both: list[tuple[Any, Transformer]]) -> None:
    (plain, one), (_, other) = both
    with pytest.raises(DataError, match="questions must have at least one question; got none"):
        shift(one, other, [])
    with pytest.raises(DataError, match="prompt must be one of sft, few-shot, statement; got 'chat'"):
        shift(one, other, QUESTIONS, prompt="chat")
    with pytest.raises(DataError, match=r"statements must be one for each of 5 questions .* got none"):
        shift(one, other, QUESTIONS, prompt="statement")
    elsewhere = Transformer((plain, make_tokenizer()), chat_template="{{ messages[0]['content'] }} w5")
    with pytest.raises(
        DataError,
        match=r"chat template of tuned, which writes '<s><user> w9 w0 <model>'; got 'w9 w0 w5'\. Give one",
    ):
        shift(one, elsewhere, QUESTIONS)
    strange = make_tokenizer()
    strange.add_tokens(["w99"])
    with pytest.raises(
        DataError,
        match=r"tokenizer of tuned \(40 tokens, of which 40 is none\); got 41 tokens, of which 40 is 'w99'",
    ):
        shift(one, Transformer((make_model(), strange)), QUESTIONS)
    with pytest.raises(DataError, match="original must have the tokenizer of tuned"):
        paper_shift(one, Transformer((make_model(), strange)), PAPER, None, TEMPLATES)  # type: ignore[arg-type]
