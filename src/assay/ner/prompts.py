"""The wire format of B2NER's instructions: what its models read and answer, byte by byte.

The sentences are those that the B2NER models were trained on (Yang et al., "Beyond Boundaries: Learning a Universal
Entity Taxonomy across Datasets and Languages for Open NER", COLING 2025, arXiv 2406.11192; ``UmeanNever/B2NER``, MIT,
``configs/instruction_config_ml.json``). A model answers them well only as they are: a blank more or less is another
prompt. The tests hold their hashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NONE = " None"


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences of one language.

    `plain`, `described` and `few_shot` are the three prompts, to be filled in by `filled`; `marker` follows each of
    them and ends what the model reads. `exemplar` is the beginning of an answered example, up to its text, and
    `means` stands between a label and its description.
    """

    plain: str
    described: str
    few_shot: str
    marker: str
    exemplar: str
    means: str


PROMPTS: Mapping[str, Wording] = {
    "en": Wording(
        plain="Given the label set of entities, please recognize all the entities in the text. The answer format "
        'should be "entity label: entity; entity label: entity". \nLabel Set: {labels_str} \n\nText: {text} \n',
        described="Given the label set of entities and their descriptions, please recognize all the entities in the "
        'text. The answer format should be "entity label: entity; entity label: entity". \nLabel Set: {labels_str} \n'
        "Label Description: {label_descriptions_str} \n\nText: {text} \n",
        few_shot="Given the label set of entities, please recognize all the entities in the text. The answer format "
        'should be "entity label: entity; entity label: entity". Below are some examples. \nLabel Set: {labels_str} '
        "\n\n@@examples@@Text: {text} \n",
        marker="Answer:",
        exemplar="Text: ",
        means="means",
    ),
    "zh": Wording(
        plain="给定实体的标签范围，请识别文本中属于这些标签的所有实体。"
        '答案格式为 "实体标签: 实体; 实体标签: 实体"。\n标签范围: {labels_str}\n\n文本: {text} \n',
        described="给定实体的标签范围以及对每个标签的描述，请识别文本中属于这些标签的所有实体。"
        '答案格式为 "实体标签: 实体; 实体标签: 实体"。\n标签范围: {labels_str}\n'
        "标签描述: {label_descriptions_str}\n\n文本: {text} \n",
        few_shot="给定实体的标签范围，请识别文本中属于这些标签的所有实体。"
        '答案格式为 "实体标签: 实体; 实体标签: 实体"。下面有一些例子。 \n标签范围: {labels_str} \n\n'
        "@@examples@@文本: {text} \n",
        marker="答案:",
        exemplar="文本: ",
        means="是指",
    ),
}

# Prompt and answer as they are, between the start and the end token: what B2NER is trained on. For tokenizers of models
# that get these prompts; a model that was tuned to talk needs the template of its own.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)

_PLACES = re.compile(r"\{(labels_str|label_descriptions_str|text)\}|@@(examples)@@")


def filled(template: str, **parts: str) -> str:
    """Return a prompt with its places filled, all in one pass: braces in what is put there are text.

    >>> filled("{labels_str}|{text}", labels_str="a, b", text="{labels_str}")
    'a, b|{labels_str}'
    """
    return _PLACES.sub(lambda place: parts[place[1] or place[2]], template)


def wording_of(language: str) -> str:
    """Return the language that texts of a language are asked in: Chinese for Chinese, English for all others.

    >>> wording_of("zh-Hant"), wording_of("de")
    ('zh', 'en')
    """
    return "zh" if language.split("-")[0].casefold() == "zh" else "en"
