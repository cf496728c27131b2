"""Mouth shapes of speech as mixtures of units, for nudging by hand.  Not what the motion net predicts with.

What moves in each is the phonetics of English; the units are ARKit's.
"""

VISEMES: dict[str, dict[str, float]] = {
    "Closed (p b m)": {"mouthClose": 0.5, "mouthPressLeft": 0.5, "mouthPressRight": 0.5, "jawOpen": -0.6},
    "Lip to teeth (f v)": {"mouthRollLower": 0.7, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2, "jawOpen": -0.1},
    "Rounded (w oo)": {"mouthPucker": 0.8, "mouthFunnel": 0.3},
    "Funnel (sh ch r)": {"mouthFunnel": 0.7, "mouthPucker": 0.2, "jawOpen": 0.05},
    "Open (ah)": {"jawOpen": 0.8, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    "Half open (eh uh)": {"jawOpen": 0.4, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15},
    "Round open (aw oh)": {"jawOpen": 0.5, "mouthFunnel": 0.5},
    "Spread (ee)": {"mouthStretchLeft": 0.5, "mouthStretchRight": 0.5, "mouthSmileLeft": 0.2, "mouthSmileRight": 0.2},
    "Teeth (s z t d n)": {
        "mouthStretchLeft": 0.2,
        "mouthStretchRight": 0.2,
        "mouthLowerDownLeft": 0.3,
        "mouthLowerDownRight": 0.3,
        "jawOpen": 0.05,
    },
    "Tongue (th l)": {"tongueOut": 0.4, "jawOpen": 0.15},
}  # unit -> activation at amount 1
