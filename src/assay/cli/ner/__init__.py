"""`assay ner`: one module a group of commands."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.ner import (
    build,
    crossval,
    decide,
    example,
    export,
    map,
    predict,
    prune,
    records,
    review,
    score,
    screen,
    taxonomy,
    train,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    example.example,
    records.check,
    records.convert,
    records.stats,
    screen.screen,
    crossval.crossval,
    review.review,
    map.map,
    decide.propose,
    decide.apply,
    taxonomy.taxonomy,
    decide.recover_mapping,
    build.recipes,
    build.build,
    prune.prune,
    export.export,
    train.ner_train,
    predict.predict,
    score.score,
)
