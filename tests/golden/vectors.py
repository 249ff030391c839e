"""Numbers from outside: computed in float64 with the authors' released functions (UmeanNever/NovelSum, MIT,
commit b594962) or by hand, printed to ten decimals. Never regenerated from this package."""

from __future__ import annotations

import numpy as np


def circle(*degrees):
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


CIRCLE = circle(0, 60, 100, 180)

T2 = {
    1: {
        "density": ["2.0", "4.2743160852", "4.2743160852", "1.2101383127"],
        "paper rows": ["2.9803209241", "1.3872743497", "1.4914720597", "4.2018248769"],
        "paper": "10.0608922104",
        "paper weighted": "9.9777156343",
        "paper normalised": "1.3719398469",
        "official rows": [".5477837082", ".4621794059", ".4812631838", ".5276427446"],
        "official": ".5047172606",
        "official without self": ".8801807363",
    },
    2: {
        "density": [".5974971403", "1.3624803173", ".9431227393", ".4298575952"],
        "paper rows": ["1.5906081533", ".7482672631", ".8463800488", "2.1932670810"],
        "paper": "5.3785225462",
        "paper weighted": "5.3443690130",
        "paper normalised": ".7334348927",
        "official rows": [".4234255177", ".3690263596", ".3197042638", ".4447334193"],
        "official": ".3892223901",
        "official without self": ".6794898679",
    },
    # proximity power, paper sum, official, official without self
    "no density": [
        (0.0, "12.4679111138", ".7792444446", "1.0389925928"),
        (1.0, "6.0188123287", ".4678652215", ".8207471357"),
        (2.0, "3.5357794003", ".2300686577", ".6494288694"),
    ],
}

_I = np.arange(24)
T3_R = np.stack([np.sin(1.3 * _I + 0.2), np.cos(0.7 * _I), np.sin(2.1 * _I + 1)], axis=1)
T3_R /= np.linalg.norm(T3_R, axis=1, keepdims=True)
T3_X = T3_R[::3]

T3 = {
    "density": [
        "1.3681871481",
        "1.3619281358",
        "2.5703187224",
        "2.1879053428",
        "1.5271537991",
        "3.7076912143",
        "1.6318124587",
        "4.1093441688",
    ],
    "official": ".5153358231",
    "values": [
        ({"variant": "paper"}, "11.7003983311"),
        ({"variant": "paper", "rank_by": "weighted"}, "11.5239099076"),
        ({"variant": "paper", "reduction": "mean"}, ".5640687901"),
        ({"variant": "paper", "density_side": "self"}, "11.5447716117"),
        ({}, ".5153358231"),
        ({"include_self": False}, ".6816515054"),
        ({"variant": "paper", "proximity_power": 0.0}, "52.5647935899"),
        ({"variant": "paper", "proximity_power": 0.0, "density_side": "self"}, "52.5647935899"),
    ],
    "two rows by four": ".3245832120",
    "two rows by four, no density": ".2268324662",
    ("disjoint", "official"): ".2895072404",
    ("disjoint", "paper"): "6.5043353624",
    ("scaled", "official"): ".2081865877",
    ("scaled", "paper"): "11.7003983311",
}
