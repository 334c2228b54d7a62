"""`polymath eval openloop`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from polymath.commands.again import command_line
from polymath.commands.output import print_json, print_table
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.evaluation.openloop.result import ProbeResult


def openloop(
    policy: str,
    data: str | None = None,
    out: Path | None = None,
    name: str | None = None,
    key_file: Path | None = None,
    episodes: int = 0,
    execute: int = 0,
    plots: int = 4,
    probes: int = 8,
    dtype: Literal["float32", "bf16", "int8"] | None = None,
    checkpoint: str = "newest",
    decode: Literal["head", "tokens"] | None = None,
    temperature: float = 0.0,
    json: bool = False,
) -> None:
    """How close a policy's actions come to recorded episodes it was not trained on. No simulator is needed.

    Writes OUT/openloop.json and OUT/openloop.html. A low error is no success rate.

    Example: polymath eval openloop --policy run

    Example: polymath eval openloop --policy run --data episodes --checkpoint best

    Args:
        policy: A run directory, the name of a registered policy, or a served one, as for `polymath eval`.
        data: Episodes of the policy's robot, as for `polymath data inspect`; left out, those that the run held out of
            its training.
        out: Where the results are written; RUN/openloop if left out.
        name: The policy's name in the results; that of the run directory if left out.
        key_file: The key of a server that asks for one; $POLYMATH_SERVER_KEY if left out.
        episodes: The first so many episodes; all of them if 0.
        execute: Control steps from one question to the next; those of the policy's history, or 1, if 0.
        plots: Episodes whose curves and pictures are drawn, those with the largest error first.
        probes: Episodes on which the policy is asked again with the instruction of another episode, with black pictures
            and with the mean state; 0 leaves that out.
        dtype: How a run's weights are held, as for `polymath eval`.
        checkpoint: Of a run: newest, best on the episodes that it held out, or a step.
        decode: How a run answers, as for `polymath eval`.
        temperature: Of the draws of action tokens; 0 takes the likeliest each time.
        json: Print the results as JSON instead of the tables.
    """
    arguments = dict(locals())
    from polymath import config
    from polymath.evaluation.openloop.evaluate import evaluate
    from polymath.policy.decoding import Decoding

    for option, value in (("--episodes", episodes), ("--plots", plots), ("--probes", probes), ("--execute", execute)):
        if value < 0:
            raise ConfigError(f"{option} {value}: choose 0 or more")
    if out is None and not Path(policy).is_dir():
        raise ConfigError(f"--policy {policy}: no such run directory; a policy without one needs --out")
    out = out or Path(policy) / "openloop"
    decoding = None if decode is None and temperature == 0 else Decoding(decode or "head", temperature)
    command = command_line("eval openloop", openloop, arguments)
    result = evaluate(
        policy, data, out, name, episodes, execute, plots, dtype, decoding, key_file, probes, command, checkpoint
    )
    if json:
        print_json(config.to_dict(result))
        return
    print_table(
        ["dimension", "unit", "MSE", "MAE", "relative"],
        [
            [each.name, each.unit, f"{each.mse:.3g}", f"{each.mae:.3g}", _ratio(each.relative)]
            for each in result.dimensions
        ],
    )
    for gripper in result.gripper:
        print(
            f"\n{gripper.name}: right in {gripper.accuracy:.1%} of the steps; always the more frequent would be "
            f"{gripper.most_frequent:.1%}"
        )
    if result.relative is not None and result.interval is not None:
        low, high = result.interval
        print(f"\nrelative error of the motion {result.relative:.3f} (95 % {low:.3f} to {high:.3f})")
    if result.by_episode and result.relative is not None:
        worst = result.by_episode[0]
        print(f"largest in {worst.name}: {worst.relative:.3f}")
    for probe in result.probes:
        print(f"{probe.name}: {_answer(probe)}")
    if result.seen == "trained on":
        print("the run was trained on these episodes: the errors say how well it remembers them")
    print(out / "openloop.html")


def _answer(probe: "ProbeResult") -> str:
    if probe.interval is None or probe.difference is None:
        return f"not measured ({probe.skipped})"
    low, high = probe.interval
    use = f"it uses its {probe.sense}" if probe.uses else f"no sign that it uses its {probe.sense}"
    return f"relative error {probe.difference:+.3f} (95 % {low:+.3f} to {high:+.3f}); {use}"


def _ratio(value: float | None) -> str:
    return "constant" if value is None else f"{value:.3f}"
