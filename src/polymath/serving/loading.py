"""From run directories to models that answer at once: weights, contract, adapters, and every program compiled."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import jax
import numpy as np

from polymath.errors import ConfigError, DataError
from polymath.home import home
from polymath.policy import Policy
from polymath.policy.cache_rows import MOST_ROWS
from polymath.policy.one_pass import bucket, padded
from polymath.policy.session import Session, Turn
from polymath.serving.limits import Limits
from polymath.types import Observation

log = logging.getLogger("polymath.serving")
CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def programs_folder(folder: Path | None) -> Path:
    """Where compiled programs are kept: $JAX_COMPILATION_CACHE_DIR, HOME/compiled, or `folder` before both."""
    return folder or Path(os.environ.get(CACHE_VARIABLE) or home() / "compiled")


def keep_programs(place: Path) -> None:
    """Compiled programs go to this folder and come from it, so that the next start is fast.

    Raises ConfigError where it cannot be made.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--compiled {place}: cannot be made ({error}); name another folder") from None
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def warm_up(
    policy: Policy,
    rows: Sequence[int],
    limits: Limits,
    stop: Callable[[], bool],
    known: Mapping[int, float] = MappingProxyType({}),
) -> dict[int, float]:
    """Compile everything that a request can need.

    Each length of prompt up to `limits.tokens` tokens of instruction, for each number of rows; of a run with a history
    also its appended turns and the turn after a full window. The memory of `limits.sessions` sessions is made at once.
    Returns the seconds of the quickest pass by its number of rows, which says what sizes are worth: as `known`, else
    measured with black pictures. Ends early where `stop()`. Raises ConfigError for more sessions than a policy can
    remember.
    """
    if policy.window > 1 and limits.sessions > MOST_ROWS:
        raise ConfigError(
            f"--sessions {limits.sessions}: model {policy.name} remembers {MOST_ROWS} at most; choose fewer"
        )
    texts = instructions(policy, limits.tokens)
    sessions = [policy.open() for _ in range(limits.sessions if policy.window > 1 else 1)]
    quickest: dict[int, float] = {}
    try:
        for number, count in enumerate(rows):
            begin = time.perf_counter()
            for text in texts:
                if stop():
                    return quickest
                turns = list(_episode(policy, sessions[0], text))
                if number == 0 and text is texts[0]:
                    policy.answer(turns[:1], count)  # leaves the memory where all later passes find it
                policy.compile(turns, count)
            quickest[count] = known[count] if count in known else _quickest_pass(policy, sessions[0], texts[0], count)
            took = time.perf_counter() - begin
            log.info("compiled", extra={"model": policy.name, "rows": count, "seconds": round(took, 3)})
    finally:
        for session in sessions:
            session.close()
    return quickest


def _quickest_pass(policy: Policy, session: Session, instruction: str, count: int) -> float:
    """Seconds of the quicker one of the first two passes: of a run with a history the first one begins it."""
    session.reset()
    turns = list(_episode(policy, session, instruction))
    seconds = []
    for turn in (turns * 2)[:2]:
        begin = time.perf_counter()
        policy.answer([turn], count)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _episode(policy: Policy, session: Session, instruction: str) -> Iterator[Turn]:
    """The turns until a full window has begun anew; one of a run without a history."""
    layout, robot = policy.run.recipe.layout, policy.run.embodiment
    executed = np.zeros((layout.stride, robot.action_dim), np.float32)
    for step in range(1 if policy.window == 1 else policy.window + 1):
        yield Turn(session, black(policy, instruction), executed if step else None)


def instructions(policy: Policy, tokens: int) -> list[str]:
    """One instruction for each pair of lengths to which prompts are padded, of at most `tokens` tokens of instruction.

    The pair: what comes before the first picture and after it; of a run with a history the prompt that begins an
    episode, and the one after a full window.

    Lengths beyond the sequences of the training are left out. Raises ConfigError where there is none left.
    """
    chosen: dict[tuple[int, ...], str] = {}
    for words in range(1, tokens + 1):
        text = "a" + " a" * (words - 1)
        if len(policy.transform.instruction_ids(text)) > tokens:
            break
        try:
            chosen.setdefault(_padded_lengths(policy, text), text)
        except DataError:  # longer than the sequences of the training
            break
    if not chosen:
        longest = policy.run.recipe.layout.length
        raise ConfigError(f"model {policy.name}: its shortest prompt is longer than layout.length {longest}")
    return list(chosen.values())


def _padded_lengths(policy: Policy, instruction: str) -> tuple[int, ...]:
    """The pair of lengths of `instructions`, with the padding.

    Raises DataError beyond the sequences of the training.
    """
    layout, robot = policy.run.recipe.layout, policy.run.embodiment
    room = layout.chunk_length * robot.action_dim if policy.decoding.kind == "tokens" else 0
    executed = np.zeros((layout.stride, robot.action_dim), np.float32)
    kept = layout.window // 2 + 1
    prompts = [
        policy.transform.prompt([black(policy, instruction)] * steps, [executed] * (steps - 1))
        for steps in dict.fromkeys((1, min(kept, layout.window), layout.window))
    ]
    if len(prompts[-1].tokens) + room > layout.length:
        raise DataError("the actions after the prompt would go beyond the sequences of the training")
    if policy.window == 1:
        return padded(prompts[0], layout.length - room)
    return tuple(bucket(len(prompt.tokens), layout.length) for prompt in prompts[:2])


def black(policy: Policy, instruction: str) -> Observation:
    """Black pictures and the mean state."""
    robot, size = policy.run.embodiment, policy.run.recipe.layout.image_size
    picture = np.zeros((size, size, 3), np.uint8)
    state = np.asarray(policy.run.statistics.state.mean, np.float32)
    return Observation(dict.fromkeys(robot.cameras, picture), state, instruction, robot.name)
