"""B2NER's prompts, as `ner.md` 8.1 gives them: one sentence a language with places for what a variant inserts, and the
first eight hexadecimal digits of the SHA-256 of each template in the released ``configs/instruction_config_ml.json``
(UmeanNever/B2NER, MIT, commit 01858da). Never regenerated from this package."""

from __future__ import annotations

SENTENCES = {
    "en": (
        "Given the label set of entities{D}, please recognize all the entities in the text. The answer format should "
        'be "entity label: entity; entity label: entity". {S}\nLabel Set: {labels_str} \n{L}\n{X}Text: {text} \n'
    ),
    "zh": (
        '给定实体的标签范围{D}，请识别文本中属于这些标签的所有实体。答案格式为 "实体标签: 实体; 实体标签: 实体"。{S}\n'
        "标签范围: {labels_str}{E}\n{L}\n{X}文本: {text} \n"
    ),
}
DESCRIBED = {
    "en": {"D": " and their descriptions", "L": "Label Description: {label_descriptions_str} \n"},
    "zh": {"D": "以及对每个标签的描述", "L": "标签描述: {label_descriptions_str}\n"},
}
FEW_SHOT = {
    "en": {"S": "Below are some examples. ", "X": "@@examples@@"},
    "zh": {"S": "下面有一些例子。 ", "E": " ", "X": "@@examples@@"},
}
HASHES = {
    "en": {"plain": "f7c41295", "described": "4be457c6", "few_shot": "f6ddcf28"},
    "zh": {"plain": "0191f833", "described": "9f3e15a8", "few_shot": "23748607"},
}
MARKERS = {"en": "Answer:", "zh": "答案:"}


def template(language: str, variant: str) -> str:
    """Return a template put together from its sentence."""
    parts = {"plain": {}, "described": DESCRIBED[language], "few_shot": FEW_SHOT[language]}[variant]
    made = SENTENCES[language]
    for place in "DSELX":
        made = made.replace(f"{{{place}}}", parts.get(place, ""))
    return made


# whole training texts, without start and end token, written out by hand from the page
PLAIN_EN = (
    "Given the label set of entities, please recognize all the entities in the text. The answer format should be "
    '"entity label: entity; entity label: entity". \nLabel Set: person, city \n\nText: Ada met Bob in Paris. \nAnswer: '
    "person: Ada; person: Bob; city: Paris"
)
DESCRIBED_EN = (
    "Given the label set of entities and their descriptions, please recognize all the entities in the text. The answer "
    'format should be "entity label: entity; entity label: entity". \nLabel Set: person, city \nLabel Description: '
    'person means "somebody"; city means "a large town" \n\nText: Ada met Bob in Paris. \nAnswer: person: Ada; '
    "person: Bob; city: Paris"
)
FEW_SHOT_EN = (
    "Given the label set of entities, please recognize all the entities in the text. The answer format should be "
    '"entity label: entity; entity label: entity". Below are some examples. \nLabel Set: person, city \n\nText: Eve '
    "left Rome \nAnswer: person: Eve; city: Rome \n\nText: nobody left \nAnswer: None \n\nText: Ada met Bob in Paris. "
    "\nAnswer: person: Ada; person: Bob; city: Paris"
)
PLAIN_ZH = (
    '给定实体的标签范围，请识别文本中属于这些标签的所有实体。答案格式为 "实体标签: 实体; 实体标签: 实体"。\n'
    "标签范围: 人名, 城市\n\n文本: 小明去了北京 \n答案: 人名: 小明; 城市: 北京"
)
DESCRIBED_ZH = (
    "给定实体的标签范围以及对每个标签的描述，请识别文本中属于这些标签的所有实体。答案格式为 "
    '"实体标签: 实体; 实体标签: 实体"。\n标签范围: 人名, 城市\n标签描述: 人名 是指 "某人"; 城市 是指 "大镇"\n\n'
    "文本: 小明去了北京 \n答案: 人名: 小明; 城市: 北京"
)
FEW_SHOT_ZH = (
    "给定实体的标签范围，请识别文本中属于这些标签的所有实体。答案格式为 "
    '"实体标签: 实体; 实体标签: 实体"。下面有一些例子。 \n标签范围: 人名, 城市 \n\n文本: 没有人 \n答案: None \n\n'
    "文本: 小明去了北京 \n答案: 人名: 小明; 城市: 北京"
)
