"""How captions and pointing questions of simulated scenes say where a thing is."""

import numpy as np
from jaxtyping import Float

METRES = 0.3  # scale of the offsets from the gripper in a pointing question's answer


def where(offset: Float[np.ndarray, "3"]) -> str:
    """An offset from the gripper to the right, away from the robot and up (metres), in whole centimetres."""
    right, away, up = (100 * offset).round().astype(int).tolist()
    side, depth = ("right" if right > 0 else "left"), ("behind" if away > 0 else "in front of")
    return (
        f"{abs(right)} cm {side} of the gripper, {abs(away)} cm {depth} it and {abs(up)} cm "
        f"{'above' if up > 0 else 'below'}"
    )
