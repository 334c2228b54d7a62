"""Published success rates on LIBERO in per cent: 10 tasks a suite, 50 official initial states a task.

`setting` says what the policy was trained on and sees; `libero_10` is also called LIBERO-Long. OpenVLA, OpenVLA-OFT,
π0.5, GR00T and FLOWER are their authors' numbers. Published numbers on LIBERO-PRO are left out: the instructions of its
paraphrases and swapped tasks did not reach most policies (see `simulator/libero_worker/suites.py`).
"""

from polymath.evaluation.benchmark import Published

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10")
OPENVLA = "Kim et al. 2024, arXiv 2406.09246, table 9"
OFT = "Kim et al. 2025, arXiv 2502.19645, table I"
OPENPI = "examples/libero/README.md of github.com/Physical-Intelligence/openpi"
GROOT = "examples/LIBERO/README.md of github.com/NVIDIA/Isaac-GR00T"
LEROBOT = "documentation of LeRobot 0.6 (huggingface.co/docs/lerobot)"
STARVLA = "README of github.com/starVLA/starVLA"
FLOWER = "README of github.com/intuitive-robots/flower_vla_calvin (Reuss et al. 2025)"

# method, setting, spatial, object, goal, 10, source
_ROWS = (
    ("OpenVLA", "a policy each suite; front camera", 84.7, 88.4, 79.2, 53.7, OPENVLA),
    ("OpenVLA-OFT", "a policy each suite; front camera", 96.2, 98.3, 96.2, 90.7, OFT),
    ("OpenVLA-OFT", "a policy each suite; two cameras, state", 97.6, 98.4, 97.9, 94.5, OFT),
    ("StarVLA Qwen3-VL-OFT", "one policy", 97.8, 98.6, 96.2, 93.8, STARVLA),
    ("StarVLA Qwen3-VL-GR00T", "one policy", 97.8, 98.8, 97.4, 92.0, STARVLA),
    ("GR00T N1.6", "a policy each suite; 200 episodes", 97.65, 98.45, 97.5, 94.35, GROOT),
    ("π0.5", "one policy; two cameras, state", 98.8, 98.2, 98.0, 92.4, OPENPI),
    ("π0.5 (LeRobot)", "one policy; two cameras, state", 97.0, 99.0, 98.0, 96.0, LEROBOT),
    ("FLOWER", "a policy each suite; two cameras", 97.2, 99.3, 96.9, 94.5, FLOWER),
)


def _published(method: str, setting: str, *numbers_and_source: float | str) -> Published:
    *rates, source = numbers_and_source
    return Published(method, setting, dict(zip(SUITES, map(float, rates), strict=True)), str(source))


PUBLISHED = tuple(_published(*row) for row in _ROWS)
