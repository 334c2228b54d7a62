"""`polymath plan`."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional, UseAppendAction

from polymath.commands.output import print_json


def plan(
    preset: Positional[str],
    topology: str = "v4:8x8x8",
    mesh: str | None = None,
    batch: int | None = None,
    context: int | None = None,
    images: int | None = None,
    remat: str | None = None,
    accumulation: int | None = None,
    gradients: Literal["float32", "bfloat16"] | None = None,
    reduction: Literal["scatter", "hops"] | None = None,
    adapters: str | None = None,
    rank: int = 16,
    set: UseAppendAction[tuple[tuple[str, ...], ...]] = (),
    days: float = 28.0,
    price: float | None = None,
    search: bool = False,
    top: int = 10,
    compile: bool = False,
    json: bool = False,
    html: Path | None = None,
) -> None:
    """Before a chip is rented: does it fit, how long is a step, how far do the days go, what does it cost.

    For one GPU it says what takes the memory, and what to do where it is too little.

    An estimate in closed forms, at once; --compile puts what the compiler makes of the real step beside it. It needs no
    TPU, only libtpu, and minutes of one core.

    Example: polymath plan polymath_v_30b --topology v4:8x8x8 --images 4 --search

    Example: polymath plan polymath_v_600m --topology rtx4090:1

    Example: polymath plan polymath_v_1b --topology h100:8 --price 2.5 --html plan.html

    Example: polymath plan polymath_v_30b --topology v4:8x8x8 --compile --json

    Args:
        preset: The name of a recipe, see `polymath presets`.
        topology: CHIP:SIZES, as v4:8x8x8, v5e:16x16, 2*v4:4x4x4 (two slices), rtx4090:1, h100:4x8 (four nodes),
            cpu:8.
        mesh: replica,data,model, one of them -1 for what is left; by default all chips of a slice on the data axis.
        batch: Sequences a step, instead of the recipe's.
        context: Tokens a sequence, instead of the recipe's.
        images: Images a sequence, instead of the recipe's.
        remat: What the backward pass computes again: full, attention, projections, minimal, offload, none.
        accumulation: Micro-batches a step.
        gradients: In what they are summed over the data axis.
        reduction: How: by collectives that computation waits for, or hop by hop beside it.
        adapters: Low-rank adapters on the weights whose names this regular expression matches; beside them learns what
            is between and beside a published vision transformer and decoder.
        rank: Of the adapters.
        set: Fields of the recipe to change, as field=value.
        days: Of computation without a pause.
        price: Of one chip and hour, in any currency.
        search: Rank meshes, remat and micro-batches (those not given); the estimate is then of the fastest.
        top: How many ranks to show.
        compile: Compile the real step for the topology.
        json: Print one JSON object instead of tables.
        html: Write a page with pictures of memory and of the step to this file.
    """
    from polymath.errors import ConfigError
    from polymath.model import lora
    from polymath.planning.answer import answer
    from polymath.planning.page import write_page
    from polymath.planning.request import Request
    from polymath.planning.tables import show
    from polymath.presets import preset as find_preset
    from polymath.training.adapters import with_adapters_on_published
    from polymath.training.settings import with_settings

    if days <= 0 or top < 1 or (price is not None and price < 0):
        raise ConfigError("--days must be above 0, --top at least 1, --price not negative")
    request = Request(topology, mesh, batch, context, images, remat, accumulation, gradients, reduction)
    recipe = with_settings(find_preset(preset), [assignment for group in set for assignment in group])
    if adapters is not None:
        recipe = with_adapters_on_published(recipe, lora.Config(adapters, rank, float(rank)))
    report = answer(recipe, request, days, price, search=top if search else 0, compile=compile)
    if html is not None:
        write_page(report, html)
    if json:
        print_json(report)
    else:
        show(report)
