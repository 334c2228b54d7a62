"""The table of field maps against Octo's own standardisation, on data sets that tensorflow-datasets wrote.

Expected values are what `OXE_STANDARDIZATION_TRANSFORMS` of octo-models/octo (commit 241fb35) made of the same episodes
(tests/oracles/standardise_rlds.py). Where we differ on purpose the test says so: grippers are -1 and 1 here, 0 and 1
there; Octo pads the vectors of Stretch and of Language Table with zeros.
"""

from pathlib import Path

import numpy as np
import pytest

from polymath.data.formats.rlds.field_maps import FIELD_MAPS
from polymath.data.formats.rlds.reader import RldsEpisodes
from polymath.data.robots.embodiments import check

STANDARDISED = Path(__file__).parents[2] / "fixtures" / "data" / "rlds_standardised"
NAMES = sorted(file.stem for file in (STANDARDISED / "expected").glob("*.npz"))
AS_RECORDED = {"maniskill_dataset_converted_externally_to_rlds"}  # its gripper is -1 closed, 1 open already
PADDED = {"language_table": ([0, 1], [0, 1]), "cmu_stretch": ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 6])}


def test_every_row_is_compared() -> None:
    """Octo has no transform for the Open X-Embodiment build of Bridge, nor for DROID."""
    assert set(FIELD_MAPS) - set(NAMES) == {"bridge", "droid"}


@pytest.mark.parametrize("name", NAMES)
def test_is_as_octo_has_it(name: str) -> None:
    episodes, expected = RldsEpisodes(STANDARDISED / name), np.load(STANDARDISED / "expected" / f"{name}.npz")
    assert len(episodes) == 2
    check(episodes.embodiment)
    for episode in range(2):
        action, proprio = expected[f"action_{episode}"], expected[f"proprio_{episode}"]
        if name in PADDED:
            kept, seen = PADDED[name]
            action, proprio = action[:, kept], proprio[:, seen]
        for gripper in episodes.embodiment.gripper_dims if name not in AS_RECORDED else ():
            action[:, gripper] = 2 * np.clip(action[:, gripper], 0, 1) - 1
        np.testing.assert_allclose(episodes.actions(episode), action, atol=1e-6)
        np.testing.assert_array_equal(episodes.states(episode), proprio)
        assert episodes.instruction(episode).encode() == expected[f"language_{episode}"].tobytes()
        assert episodes.frames(episode, [0]).shape[1] == len(episodes.embodiment.cameras)
