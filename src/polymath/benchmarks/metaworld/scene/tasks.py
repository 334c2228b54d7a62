"""The tasks: two per family of scenes, on indistinguishable scenes, told apart by the instruction alone.

"left" and "right" are as seen in the picture of the front camera, which looks at the robot.
"""

from dataclasses import dataclass
from typing import Literal

from polymath.benchmarks.metaworld.scene.families import FAMILIES, Family
from polymath.errors import ConfigError, did_you_mean

Side = Literal["left", "right", "only"]


@dataclass(frozen=True)
class Task:
    """One task: Meta-World's environment (success measure and expert), the scene, and several wordings of it.

    `novel_instructions` mean the same in words that no demonstration has.
    """

    name: str
    env_name: str
    family: Family
    side: Side
    instructions: tuple[str, ...]
    novel_instructions: tuple[str, ...]


def _sided(family: str, env_name: str, templates: tuple[str, ...], novel: tuple[str, ...]) -> list[Task]:
    """The left and the right task of one family; each template holds one `{}` for the side."""
    sides: tuple[Side, Side] = ("left", "right")
    return [
        Task(
            name=f"{family}-{side}",
            env_name=env_name,
            family=FAMILIES[family],
            side=side,
            instructions=tuple(template.format(side) for template in templates),
            novel_instructions=tuple(template.format(side) for template in novel),
        )
        for side in sides
    ]


_ALL = [
    *_sided(
        "button-press-topdown",
        "button-press-topdown-v3",
        (
            "press the {} button from above",
            "push down the button on the {}",
            "press the button on the {} side down",
            "push the {} button down",
            "lower the gripper onto the {} button and press it",
            "press down on the {} one of the two buttons",
        ),
        (
            "use the gripper to depress the {} button from overhead",
            "of the two buttons, squash the {} one",
            "come down onto the button at {} until it clicks",
        ),
    ),
    *_sided(
        "button-press",
        "button-press-v3",
        (
            "push in the {} button",
            "press the button on the front of the {} box",
            "push the {} button forward into its box",
            "press the {} of the two front buttons",
            "push the button on the {} in",
            "press the front button on the {} side",
        ),
        (
            "poke the {} box's button inwards",
            "the front button at {} has to go in",
            "jab the {} button with the gripper",
        ),
    ),
    *_sided(
        "handle-press",
        "handle-press-v3",
        (
            "press the {} handle down",
            "push down the handle on the {}",
            "press down the {} lever",
            "lower the {} handle",
            "push the handle on the {} side down",
            "bring the {} one of the two handles down",
        ),
        (
            "get the {} handle to the bottom",
            "shove the {} lever downwards",
            "force down the grip at {}",
        ),
    ),
    *_sided(
        "coffee-button",
        "coffee-button-v3",
        (
            "press the button of the {} coffee machine",
            "start the coffee machine on the {}",
            "push the {} coffee button",
            "make coffee with the {} machine",
            "switch on the coffee machine on the {} side",
            "press the coffee button on the {}",
        ),
        (
            "turn on the espresso maker at {}",
            "get some coffee out of the {} machine",
            "touch the {} brewer's switch",
        ),
    ),
    *_sided(
        "reach",
        "reach-v3",
        (
            "reach the {} block",
            "move the gripper over the block on the {}",
            "go to the {} block",
            "hold the gripper just above the {} block",
            "reach for the block on the {} side",
            "move to the {} one of the two blocks",
        ),
        (
            "bring your hand to the {} cube",
            "hover above the cube at {}",
            "put the fingers over the {} one of the small blocks",
        ),
    ),
    Task(
        "faucet-open",
        "faucet-open-v3",
        FAMILIES["faucet"],
        "only",
        (
            "open the faucet",
            "turn the faucet on",
            "open the tap",
            "turn on the water",
            "rotate the faucet handle to open it",
            "let the water run",
        ),
        (
            "make the tap flow",
            "get water out of the tap",
            "unscrew the valve until water comes",
        ),
    ),
    Task(
        "faucet-close",
        "faucet-close-v3",
        FAMILIES["faucet"],
        "only",
        (
            "close the faucet",
            "turn the faucet off",
            "close the tap",
            "turn off the water",
            "rotate the faucet handle to close it",
            "stop the water",
        ),
        (
            "make the tap stop flowing",
            "no more water, please",
            "screw the valve shut",
        ),
    ),
]

TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def task(name: str) -> Task:
    """The task of that name. Raises ConfigError with the nearest names for an unknown one."""
    if name in TASKS:
        return TASKS[name]
    raise ConfigError(f"task {name!r}: no such task of the embedded simulator; {did_you_mean(name, TASKS)}")


def opposite(of: Task) -> Task:
    """The other task of the same scenes."""
    return next(other for other in _ALL if other.family is of.family and other.name != of.name)
