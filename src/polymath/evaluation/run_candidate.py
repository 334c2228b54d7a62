"""A trained run as the candidate of an evaluation: its name, what its weights are, what it was trained on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from polymath import config
from polymath.data.sequences.transforms import Ablation
from polymath.evaluation.candidate import Candidate
from polymath.policy import Policy
from polymath.policy.decoding import HEAD, Decoding, Dtype
from polymath.policy.exported_kinds import is_exported
from polymath.policy.policy import directory_name
from polymath.policy.session import BATCH
from polymath.policy.several import SeveralRobots, load
from polymath.training.beginning import files
from polymath.training.checkpoint_choice import NEWEST
from polymath.training.checkpoints import latest_step, weights_digest
from polymath.training.run import Run

UNCHANGED: tuple[tuple[str, Any], ...] = (("subtracted", []), ("image_fit", "stretch"))


def of_run(
    path: Path,
    name: str | None = None,
    dtype: Dtype | None = None,
    decoding: Decoding = HEAD,
    checkpoint: str | int = NEWEST,
    embodiment: str | None = None,
) -> Candidate:
    """Robot weights of a run directory, named after it; with what is not the head's chunk as RUN-tokens.

    checkpoint: "newest", "best" on the held-out episodes, or a step; what is not the newest stands in the name.
    embodiment: the robot of a run of several; of a run of one robot it decides nothing.
    Raises ConfigError or CheckpointError if it is incomplete, ConfigError for a run of several robots without that one.
    """
    suffix = "" if decoding.kind == "head" else f"-{decoding.label}"
    chosen = "" if checkpoint == NEWEST else f"-{checkpoint}"
    name = name or f"{directory_name(path)}{chosen}{suffix}"
    loaded = load(path, name, decoding, dtype=dtype, checkpoint=checkpoint)
    policy = loaded.of(embodiment) if isinstance(loaded, SeveralRobots) else loaded
    return of_run_policy(policy, f"{policy.name}-{policy.other_dtype}" if policy.other_dtype else None)


def is_of_a_run(policy: Any) -> bool:
    """Is it a loaded run?"""
    return isinstance(getattr(policy, "run", None), Run)


def of_run_policy(policy: Policy, name: str | None) -> Candidate:
    """A loaded run, answered in batches of BATCH unless it was loaded with a larger batch.

    Weights that are held in another dtype than the usual one are other weights.
    """
    run, layout = policy.run, policy.run.recipe.layout
    step = latest_step(run.checkpoints("robot")) if run.step is None else run.step
    weights = _content(run, step, policy.transform.ablation)
    other = f"/{policy.other_dtype}" if policy.other_dtype else ""
    return Candidate(
        name=name or policy.name,
        policy=policy if policy.batch > 1 else policy.in_batches_of(BATCH),
        checkpoint=f"{_checkpoint(run, step)}{other}",
        trained_on=run.data.renderer,
        embodiment=run.embodiment,
        image_size=layout.image_size,
        image_fit=layout.image_fit,
        cameras=run.embodiment.cameras,
        weights=weights and f"{weights}{other}",
        decode=policy.decoding.label,
        execute=layout.stride if layout.window > 1 else None,
    )


def _fields(part: Any) -> dict[str, Any]:
    """Its fields, without those that are younger than the first results and say that nothing is different."""
    return {name: value for name, value in config.to_dict(part).items() if (name, value) not in UNCHANGED}


def _checkpoint(run: Run, step: int | None) -> str:
    """Which weights of the run's, or the name of an exported directory alone, whose weights are the only ones."""
    name = run.path.resolve().name
    return f"{name}/robot/{step or 0}" if step is not None or not is_exported(run.path) else name


def _content(run: Run, step: int | None, ablation: Ablation) -> str:
    """16 hexadecimal digits of the weights and of all that turns observations into their input and back.

    Empty for a checkpoint without checksums, and where there is none.
    """
    if is_exported(run.path):
        parts: list[Any] = [files(run.path, (".safetensors",)).sha256]
    elif step is None:
        return ""
    else:
        parts = [weights_digest(run.checkpoints("robot"), step)]
    if not parts[0]:
        return ""
    parts += [_fields(part) for part in (run.statistics, run.embodiment, run.recipe.layout, ablation)]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
