"""The laws of entities, documents and corpora, and how tokens become a text."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity
from assay.ner.document import joined


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Entity(3, 3, "X"), r"entity must have 0 <= start < end; got \[3, 3\)\."),
        (lambda: Entity(-1, 3, "X"), r"entity must have 0 <= start < end; got \[-1, 3\)\."),
        (lambda: Entity(0, 3, ""), r"label must not be empty; got one at \[0, 3\)\."),
        *(
            (
                lambda spans=spans: Entity(0, 9, "X", spans=spans),
                r"spans must be two or more ascending parts .* from start to end; got .* for \[0, 9\)\.",
            )
            for spans in (((0, 9),), ((0, 5), (4, 9)), ((4, 9), (0, 3)), ((0, 2), (3, 8)), ((0, 0), (3, 9)))
        ),
        (
            lambda: Document("d", "Oslo", (Entity(0, 5, "X"),)),
            r"entity must end inside the text of 4 characters; got \[0, 5\) 'X' in document 'd'\.",
        ),
        (
            lambda: Document("d", "Oslo", tokens=((0, 2), (1, 4))),
            r"tokens must ascend inside the text; got \[1, 4\) in document 'd'\.",
        ),
        (
            lambda: Document("d", "Oslo", tokens=((0, 5),)),
            r"tokens must ascend inside the text; got \[0, 5\) in document 'd'\.",
        ),
        (lambda: Corpus("a/b", ()), r"name of a corpus must be a word without /; got 'a/b'\."),
        (lambda: Corpus("", ()), r"name of a corpus must be a word without /; got ''\."),
    ],
)
def test_what_breaks_a_law_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_a_discontinuous_entity_reads_as_its_parts():
    entity = Entity(0, 18, "PART", spans=((0, 4), (15, 18)))
    assert Document("d", "left and right arm", (entity,)).surface(entity) == "left arm"
    assert Entity(0, 4, "X").parts == ((0, 4),)


def test_labels_are_those_that_occur_unless_declared():
    documents = (Document("d", "ab", (Entity(1, 2, "Y"), Entity(0, 1, "X"), Entity(0, 2, "Y"))),)
    assert Corpus("a", documents).labels == ("Y", "X")
    assert Corpus("a", documents, labels=("X", "Y", "Z")).labels == ("X", "Y", "Z")


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["to", "Oslo", "."], "to Oslo ."),
        (["我", "用", "Mac", "OS"], "我用Mac OS"),
        (["ﾄ", "ｰ", "ｷ", "ｮ", "ｰ"], "ﾄｰｷｮｰ"),
        (["한국어", "말"], "한국어 말"),
        ([], ""),
    ],
)
def test_tokens_join_with_a_space_between_spaced_scripts(tokens, text):
    found, offsets = joined(tokens)
    assert found == text
    assert [found[start:end] for start, end in offsets] == tokens
