"""The ten lines of Python that the README shows, on a folder that the real lerobot wrote."""

import importlib.util
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_from_a_folder_to_actions(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("finetune", ROOT / "examples" / "finetune.py")
    assert spec is not None
    assert spec.loader is not None
    finetune = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(finetune)
    chunk = finetune.main(str(ROOT / "tests" / "fixtures" / "data" / "lerobot_v3_image"), str(tmp_path / "run"))
    assert chunk.actions.shape == (10, 4), "one second at the set's 10 Hz"
    assert np.isfinite(chunk.actions).all()
