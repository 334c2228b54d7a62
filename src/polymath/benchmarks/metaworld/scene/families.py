"""The families of scenes: which Meta-World environment, where its object may stand, and what its parts are called.

Meta-World's own success measure and scripted expert are used unchanged; only the place of the object is drawn from a
much wider region than Meta-World's, so that it cannot be guessed, and an identical second object is added.

World frame = robot frame: metres, x to the robot's right when it looks along +y, y away from the robot, z up; the
table top is z = 0. The front camera stands opposite to the robot, so +x appears on the left side of its picture.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One Meta-World environment with a widened placement.

    xml            Meta-World's model file; body the movable root body of the functional object
    noun           what a person calls the part to touch; whole what the whole object is called
    y_range        interval of the body's y; height the body's z; x of both objects lies in [-reach, reach]
    gap            interval of the distance in x between the two objects; None where the scene has one object
    part           offset of the part to touch from the body's position
    accents        XML materials that take the accent colour; housings those that take the housing colour
    clear_radius   distractors keep out of this circle around the body, whose centre is shifted by clear_offset in y
    """

    name: str
    xml: str
    body: str
    noun: str
    whole: str
    y_range: tuple[float, float]
    height: float
    gap: tuple[float, float] | None
    part: tuple[float, float, float]
    accents: tuple[str, ...]
    housings: tuple[str, ...]
    clear_radius: float = 0.2
    clear_offset: float = 0.0
    reach: float = 0.33


_BUTTON = {"noun": "button", "whole": "button box", "accents": ("btn_red",), "housings": ("btn_yellow",)}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="button-press-topdown",
            xml="sawyer_button_press_topdown",
            body="box",
            y_range=(0.62, 0.86),
            height=0.115,
            gap=(0.19, 0.32),
            part=(0.0, 0.0, 0.193),
            **_BUTTON,  # type: ignore[arg-type]
        ),
        Family(
            name="button-press",
            xml="sawyer_button_press",
            body="box",
            y_range=(0.72, 0.88),
            height=0.115,
            gap=(0.19, 0.32),
            part=(0.0, -0.193, 0.0),
            clear_offset=-0.08,
            **_BUTTON,  # type: ignore[arg-type]
        ),
        Family(
            name="handle-press",
            xml="sawyer_handle_press",
            body="box",
            noun="handle",
            whole="handle press",
            y_range=(0.70, 0.92),
            height=0.0,
            gap=(0.19, 0.32),
            part=(0.0, -0.216, 0.172),
            accents=("hdlprs_red",),
            housings=("hdlprs_metal0",),
            clear_offset=-0.1,
        ),
        Family(
            name="coffee-button",
            xml="sawyer_coffee",
            body="coffee_machine",
            noun="coffee button",
            whole="coffee machine",
            y_range=(0.72, 0.82),
            height=0.0,
            gap=(0.19, 0.32),
            part=(0.0, -0.22, 0.3),
            accents=("cmgrey",),
            housings=("cmred",),
            clear_offset=-0.1,
            reach=0.31,
        ),
        Family(
            name="faucet",
            xml="sawyer_faucet",
            body="faucetBase",
            noun="faucet handle",
            whole="faucet",
            y_range=(0.64, 0.86),
            height=0.0,
            gap=None,
            part=(0.0, -0.12, 0.125),
            accents=("faucet_red",),
            housings=("faucet_metal",),
            clear_radius=0.24,
        ),
        Family(
            name="reach",
            xml="sawyer_reach_v3",
            body="marker",
            noun="block",
            whole="block",
            y_range=(0.52, 0.86),
            height=0.0,
            gap=(0.16, 0.34),
            part=(0.0, 0.0, 0.05),
            accents=("marker",),
            housings=(),
            clear_radius=0.12,
        ),
    )
}
