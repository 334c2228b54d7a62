"""Does a simulator rank policies as the real robot does? SIMPLER's two measures (Li et al., CoRL 2024, section 4).

Both take the success rates of the same policies, in the same order, in simulation and on the real robot, and both give
the values of SimplerEnv's own functions (simpler_env/utils/metrics.py), where these are defined.
"""

from collections.abc import Sequence

import numpy as np

from polymath.errors import PolymathError


def mean_maximum_rank_violation(simulated: Sequence[float], real: Sequence[float]) -> float:
    """MMRV = 1/N Σᵢ maxⱼ |realᵢ - realⱼ| where simᵢ > simⱼ and realᵢ > realⱼ disagree: 0 is best, 1 worst.

    Raises PolymathError unless both are finite and of one length, two at least.
    """
    sim, truth = _checked(simulated, real, "mean_maximum_rank_violation")
    disagree = (sim[:, None] > sim[None, :]) != (truth[:, None] > truth[None, :])
    return float((np.abs(truth[:, None] - truth[None, :]) * disagree).max(axis=1).mean())


def pearson(simulated: Sequence[float], real: Sequence[float]) -> float:
    """Pearson's correlation r of the two columns, -1 to 1.

    Raises PolymathError as above, and where all policies of one column have the same rate: r is not defined then.
    """
    sim, truth = _checked(simulated, real, "pearson")
    sim, truth = sim - sim.mean(), truth - truth.mean()
    for name, column in (("simulated", sim), ("real", truth)):
        if np.abs(column).max() < 1e-12:
            raise PolymathError(f"pearson: all {name} rates are equal, so there is no correlation; add a policy")
    return float(sim @ truth / np.sqrt((sim @ sim) * (truth @ truth)))


def _checked(simulated: Sequence[float], real: Sequence[float], where: str) -> tuple[np.ndarray, np.ndarray]:
    sim, truth = np.asarray(simulated, np.float64), np.asarray(real, np.float64)
    if sim.shape != truth.shape or sim.ndim != 1 or len(sim) < 2:
        raise PolymathError(
            f"{where}: {list(sim.shape)} simulated and {list(truth.shape)} real rates; give one of each for two "
            "policies or more"
        )
    if not (np.isfinite(sim).all() and np.isfinite(truth).all()):
        raise PolymathError(f"{where}: a rate is NaN or infinite; give numbers")
    return sim, truth
