"""How models of one corpus do on the others -> sections with heat maps."""

from __future__ import annotations

from typing import Any

from assay.ner.crossval import CrossValidation, Matrix, Measure
from assay.report.page import Section, plain

TITLES: dict[Measure, str] = {
    "f1": "F1",
    "transfer": "transfer",
    "seen_f1": "seen F1",
}
BESIDE = 6  # labels up to which the maps stand side by side
READING = (
    "A model of the row's corpus was tested on the column's; the diagonal is in-domain. Low F1 mixes another domain "
    "with another definition, and both with hard texts. Transfer is F1 over that of the tested corpus' own model, so "
    "that hard texts cancel out. Seen F1 is that of mentions which the model has seen annotated, so that new names do: "
    "where it is high, definitions mostly agree, however low F1 is. Never judge by F1 alone: screen for what the "
    "corpora make of the same words."
)


def transfer_sections(found: CrossValidation) -> list[Section]:
    """Return the sections of a page: heat maps for each group of labels, then every pair with what goes wrong in it."""
    by_measure = {measure: found.matrices(measure) for measure in TITLES}
    sections = [
        Section(name, text=READING if not at else "", figure=_maps([by_measure[m][at] for m in TITLES]))
        for at, name in enumerate(_headings(by_measure["f1"]))
    ]
    pairs = [cell for cell in found.cells if cell.train != cell.test]
    return [
        *sections,
        Section(
            "What goes wrong",
            text="Low and high hold 95 % of F1 over draws of documents. The errors are shares of all entities, gold "
            "and predicted, that are in no correct pair. Boundary: same label, other bounds. Type: the model, or the "
            "corpus, has another label there. Missed: gold that no prediction overlaps. Spurious: predictions in no "
            "gold. Many type errors, or misses one way alone, point to definitions.",
            table=[
                {
                    "trained on": row["train"],
                    "tested on": row["test"],
                    "F1": row["f1"],
                    "low": row["f1_low"],
                    "high": row["f1_high"],
                    "own F1": row["own_f1"],
                    "transfer": row["transfer"],
                    "seen F1": row["seen_f1"],
                    "boundary": row["boundary"],
                    "type": row["type"],
                    "missed": row["missed"],
                    "spurious": row["spurious"],
                    "gold": row["gold"],
                    "predicted": row["predicted"],
                    "seen gold": row["seen_gold"],
                }
                for row in (cell.row() for cell in pairs)
            ],
        ),
        Section(
            "Corpora",
            text="Documents that were trained on and tested on, at most; texts that either corpus of a pair "
            "trains on are not tested.",
            table=[{"corpus": name, **counts} for name, counts in found.corpora.items()],
        ),
    ]


def _headings(matrices: list[Matrix]) -> list[str]:
    """Return a heading for each group of labels, no two alike."""
    names = [matrix.name for matrix in matrices]
    return [
        matrix.name if names.count(matrix.name) == 1 else f"{matrix.name} ({matrix.labels[0]})"
        for matrix in matrices
    ]


def _maps(matrices: list[Matrix]) -> Any:
    """Return a figure with a heat map of each measure, side by side or, of many labels, one below the other."""
    from plotly.subplots import make_subplots

    labels = matrices[0].labels
    alike = len({label.partition("/")[2] for label in labels}) == 1
    names = [plain(label.partition("/")[0] if alike else label) for label in labels]
    beside = len(labels) <= BESIDE
    each = 130 + 34 * len(labels)
    below = 80 + 4 * max(map(len, names))  # pixels, for the names that stand aslant
    figure = make_subplots(
        rows=1 if beside else len(matrices),
        cols=len(matrices) if beside else 1,
        shared_yaxes=beside,
        subplot_titles=list(TITLES.values()),
        horizontal_spacing=0.03,
        vertical_spacing=None if beside else below / ((each + below) * len(matrices)),
    )
    for at, matrix in enumerate(matrices, 1):
        figure.add_heatmap(
            x=names,
            y=names,
            z=matrix.values,
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            showscale=False,
            xgap=2,
            ygap=2,
            texttemplate="%{z:.2f}",
            hovertemplate="trained on %{y}<br>tested on %{x}<br>%{z:.3f}<extra></extra>",
            hoverongaps=False,
            row=1 if beside else at,
            col=at if beside else 1,
        )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_annotations(font_size=13)
    figure.update_layout(height=each if beside else (each + below) * len(matrices), margin={"t": 60})
    return figure
