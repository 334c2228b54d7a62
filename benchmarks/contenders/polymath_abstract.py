"""What it takes to reason about the 30B without its weights: count, cost, shapes of forward pass and loss."""

import resource
import time

import jax
from timing import report

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.model import polymath_v
from polymath.planning.cost import memory_bytes, training_flops_per_token
from polymath.planning.count import count_by_part
from polymath.presets import preset
from polymath.training import losses


def main() -> None:
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    recipe = preset("polymath_v_30b")
    count = count_by_part(recipe.model)["total"]
    training_flops_per_token(recipe)
    memory_bytes(recipe)
    counted = time.process_time()
    batch = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, collate([[]], recipe.layout)))
    params = weights.abstract(polymath_v.specs(recipe.model))
    objective = lambda p, b: losses.objective(p, recipe.model, recipe.robot.loss, b, recipe.execution)[0]  # noqa: E731
    jax.eval_shape(jax.value_and_grad(objective), params, batch)
    shaped = time.process_time()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    measured = {"count_seconds": counted - begun, "shapes_seconds": shaped - counted, "grown_bytes": grown}
    report("polymath_v_30b, abstract", count, measured)


if __name__ == "__main__":
    main()
