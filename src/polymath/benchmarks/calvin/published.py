"""Published success on the 1,000 chains in scene D: how many have at least 1 to 5 subtasks solved, and the mean.

`setting` names the scenes of the training data and of the evaluation. Sources are where the numbers were read, for many
methods the table of another paper. Rates are in per cent; the average length, 0 to 5, is the sum of the five rates.
This holds for all rows but two: FLOWER's own, whose rates sum to 4.72 (ABCD→D) and 4.48 (ABC→D).
"""

from polymath.evaluation.benchmark import Published

FLOWER = "README of github.com/intuitive-robots/flower_vla_calvin (Reuss et al. 2025)"
FLOWER_PAGE = "intuitive-robots.github.io/flower_vla (Reuss et al. 2025)"
ROBOFLAMINGO = "README of github.com/RoboFlamingo/RoboFlamingo (Li et al. 2024)"
X_VLA = "evaluation/calvin in the repository of X-VLA (Zheng et al. 2025)"

# method, setting, at least 1 … 5 in a row (%), average length, source
_ROWS = (
    ("MCIL", "ABCD→D", (37.3, 2.7, 0.2, 0.0, 0.0), 0.40, ROBOFLAMINGO),
    ("RT-1", "ABCD→D", (84.4, 61.7, 43.8, 32.3, 22.7), 2.45, ROBOFLAMINGO),
    ("HULC", "ABCD→D", (88.9, 73.3, 58.7, 47.5, 38.3), 3.06, ROBOFLAMINGO),
    ("RoboFlamingo", "ABCD→D", (96.4, 89.6, 82.4, 74.0, 66.0), 4.09, ROBOFLAMINGO),
    ("GR-1", "ABCD→D", (94.9, 89.6, 84.4, 78.9, 73.1), 4.21, FLOWER),
    ("MoDE", "ABCD→D", (97.1, 92.5, 87.9, 83.5, 77.9), 4.39, FLOWER),
    ("MDT", "ABCD→D", (98.6, 95.8, 91.6, 86.2, 80.1), 4.52, FLOWER),
    ("FLOWER", "ABCD→D", (99.1, 97.8, 95.2, 92.4, 87.8), 4.67, FLOWER),
    ("MCIL", "ABC→D", (30.4, 1.3, 0.2, 0.0, 0.0), 0.31, ROBOFLAMINGO),
    ("HULC", "ABC→D", (41.8, 16.5, 5.7, 1.9, 1.1), 0.67, ROBOFLAMINGO),
    ("RT-1", "ABC→D", (53.3, 22.2, 9.4, 3.8, 1.3), 0.90, ROBOFLAMINGO),
    ("RoboFlamingo", "ABC→D", (82.4, 61.9, 46.6, 33.1, 23.5), 2.48, ROBOFLAMINGO),
    ("SuSIE", "ABC→D", (87.0, 69.0, 49.0, 38.0, 26.0), 2.69, FLOWER_PAGE),
    ("GR-1", "ABC→D", (85.4, 71.2, 59.6, 49.7, 40.1), 3.06, FLOWER),
    ("OpenVLA", "ABC→D", (91.3, 77.8, 62.0, 52.1, 43.5), 3.27, FLOWER_PAGE),
    ("3D Diffuser Actor", "ABC→D", (93.8, 80.3, 66.2, 53.3, 41.2), 3.35, FLOWER),
    ("MoDE", "ABC→D", (96.2, 88.9, 81.1, 71.8, 63.5), 4.01, FLOWER),
    ("Seer", "ABC→D", (96.3, 91.6, 86.1, 80.3, 74.0), 4.28, FLOWER),
    ("VPP", "ABC→D", (95.7, 91.2, 86.3, 81.0, 75.0), 4.29, FLOWER),
    ("X-VLA", "ABC→D", (97.1, 92.6, 88.5, 84.4, 78.8), 4.43, X_VLA),
    ("FLOWER", "ABC→D", (99.3, 95.9, 90.5, 84.8, 77.5), 4.54, FLOWER),
    ("MDT", "D→D", (93.7, 84.5, 74.1, 64.4, 55.6), 3.72, FLOWER_PAGE),
    ("FLOWER", "D→D", (98.4, 94.0, 87.9, 81.7, 74.1), 4.36, FLOWER),
)


def _published(method: str, setting: str, rates: tuple[float, ...], length: float, source: str) -> Published:
    numbers = {f"{i} in a row": rate for i, rate in enumerate(rates, 1)}
    return Published(method, setting, {**numbers, "average length": length}, source)


PUBLISHED = tuple(_published(*row) for row in _ROWS)
