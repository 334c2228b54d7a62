"""Many comparisons at once: p-values that count how many were made, and groups of policies that are not separated."""

from collections.abc import Collection, Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given; those up to alpha hold together at level alpha, whatever their dependence.

    The i-th smallest of n is multiplied by n - i + 1, and is never below a smaller one. S. Holm, Scandinavian Journal
    of Statistics 6 (1979) 65.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    scaled = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    adjusted = np.empty_like(scaled)
    adjusted[order] = scaled
    return adjusted.tolist()


def letters(count: int, separated: Collection[tuple[int, int]]) -> list[str]:
    """For policies 0 … count - 1, best first: two share a letter exactly if their pair is not in `separated`.

    Insert and absorb: H.-P. Piepho, Journal of Computational and Graphical Statistics 13 (2004) 456.
    """
    groups = [frozenset(range(count))]
    for a, b in sorted(separated):
        for group in [g for g in groups if a in g and b in g]:
            groups.remove(group)
            for part in (group - {a}, group - {b}):
                if not any(part <= other for other in groups):
                    groups = [other for other in groups if not other < part] + [part]
    ordered = sorted(groups, key=sorted)
    names = [_letter(i) for i in range(len(ordered))]
    return ["".join(n for n, group in zip(names, ordered, strict=True) if policy in group) for policy in range(count)]


def _letter(index: int) -> str:
    """a … z, then a2, b2 …: one name a group."""
    round_, place = divmod(index, 26)
    return chr(ord("a") + place) + (str(round_ + 1) if round_ else "")
