"""From run directories to models that answer at once: weights, contract, adapters, and every program compiled."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from polymath.errors import ConfigError, DataError
from polymath.home import home
from polymath.policy import Policy
from polymath.policy.one_pass import bucket
from polymath.policy.session import Turn
from polymath.serving.limits import Limits
from polymath.types import Observation

log = logging.getLogger("polymath.serving")
CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def keep_programs(folder: Path | None) -> Path:
    """Compiled programs go to `folder` and come from it, so that the next start is fast; HOME/compiled unless named.

    $JAX_COMPILATION_CACHE_DIR comes first where it is set. Raises ConfigError where the folder cannot be made.
    """
    place = folder or Path(os.environ.get(CACHE_VARIABLE) or home() / "compiled")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--compiled {place}: cannot be made ({error}); name another folder") from None
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return place


def warm_up(policy: Policy, rows: Sequence[int], limits: Limits, stop: Callable[[], bool]) -> int:
    """Compile everything that a request can need, by answering made-up observations; the number of turns answered.

    Each length of prompt up to `limits.tokens` tokens of instruction, for each number of rows; of a run with a history
    also its appended turns and the turn after a full window. The memory of `limits.sessions` sessions is made at once.
    Ends early where `stop()`.
    """
    sessions = [policy.open() for _ in range(limits.sessions if policy.window > 1 else 1)]
    layout, robot = policy.run.recipe.layout, policy.run.embodiment
    executed = np.zeros((layout.stride, robot.action_dim), np.float32)
    turns = 0
    try:
        for count in rows:
            for instruction in instructions(policy, limits.tokens):
                begin = time.perf_counter()
                sessions[0].reset()
                for step in range(1 if policy.window == 1 else policy.window + 1):
                    if stop():
                        return turns
                    turn = Turn(sessions[0], black(policy, instruction), executed if step else None)
                    policy.answer([turn], count)
                    turns += 1
                took = time.perf_counter() - begin
                log.info("compiled", extra={"model": policy.name, "rows": count, "seconds": round(took, 3)})
    finally:
        for session in sessions:
            session.close()
    return turns


def instructions(policy: Policy, tokens: int) -> list[str]:
    """One instruction for each length to which a prompt of at most `tokens` tokens of instruction is padded.

    Lengths beyond the sequences of the training are left out. Raises ConfigError where there is none left.
    """
    transform, longest = policy.transform, policy.run.recipe.layout.length
    chosen: dict[int, str] = {}
    for words in range(1, tokens + 1):
        text = "a" + " a" * (words - 1)
        if len(transform.instruction_ids(text)) > tokens:
            break
        try:
            length = len(transform.prompt([black(policy, text)]).tokens)
        except DataError:  # longer than the sequences of the training
            break
        chosen.setdefault(bucket(length, longest), text)
    if not chosen:
        raise ConfigError(
            f"model {policy.name}: its prompt without an instruction is longer than layout.length {longest}"
        )
    return list(chosen.values())


def black(policy: Policy, instruction: str) -> Observation:
    """Black pictures and the mean state."""
    robot, size = policy.run.embodiment, policy.run.recipe.layout.image_size
    picture = np.zeros((size, size, 3), np.uint8)
    state = np.asarray(policy.run.statistics.state.mean, np.float32)
    return Observation(dict.fromkeys(robot.cameras, picture), state, instruction, robot.name)
