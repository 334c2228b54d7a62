"""Is it better, and how sure is that? Intervals, paired tests, sample sizes, tests that may be looked at at any time.

rates       success rates: Wilson intervals, differences of independent rates
bootstrap   mean scores, such as CALVIN's average length: BCa bootstrap
paired      two policies on the same episodes: McNemar, permutation test, intervals of the difference
power       how many episodes would separate two policies
anytime     e-values and confidence sequences, valid at every moment at which one may want to stop
multiple    many policies at once: Holm's correction, groups that are not separated
"""

from polymath.evaluation.statistics.anytime import confidence_sequence, e_value
from polymath.evaluation.statistics.bootstrap import bootstrap_mean
from polymath.evaluation.statistics.multiple import holm, letters
from polymath.evaluation.statistics.paired import mcnemar, paired_difference, paired_mean, permutation_test
from polymath.evaluation.statistics.power import independent_episodes, paired_episodes, power_of_pairs, score_episodes
from polymath.evaluation.statistics.rates import LEVEL, Rate, difference, fisher, wilson

__all__ = [
    "LEVEL",
    "Rate",
    "bootstrap_mean",
    "confidence_sequence",
    "difference",
    "e_value",
    "fisher",
    "holm",
    "independent_episodes",
    "letters",
    "mcnemar",
    "paired_difference",
    "paired_episodes",
    "paired_mean",
    "permutation_test",
    "power_of_pairs",
    "score_episodes",
    "wilson",
]
