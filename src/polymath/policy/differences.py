"""Where a client and a checkpoint disagree: two nested structures field by field, and the error with both sides."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from polymath.errors import DataError, did_you_mean

RATE_TOLERANCE = 0.01  # relative: clocks of 29.97 and 30 Hz are the same
UNSAID = "does not say"  # of a side of a difference
SHOWN = 160  # characters of one side in a message


class Difference(NamedTuple):
    """A field in which a client and a checkpoint disagree, with both sides as they are printed."""

    field: str
    claimed: str
    promised: str


def disagreement(who: str, differences: list[Difference], remedy: str) -> DataError:
    """The error that prints both sides; its `kind` is the first field."""
    side = who.split(" ")[0]
    fields = "; ".join(f"{each.field}: {side} {each.claimed}, checkpoint {each.promised}" for each in differences)
    count = f"{len(differences)} fields" if len(differences) > 1 else "one field"
    return DataError(f"{who} and checkpoint disagree in {count}: {fields}; {remedy}", differences[0].field)


def differences(claims: Mapping[str, Any], promises: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    """The fields of `claims` that `promises` has otherwise; a claim of None says nothing.

    Raises DataError for a field that `promises` does not have, with those that it has.
    """
    for name, claim in claims.items():
        field = prefix + (name if isinstance(name, str) and name.isidentifier() else repr(name))
        if name not in promises:
            raise DataError(
                f"claims.{field[:SHOWN]}: no such field of a contract; {did_you_mean(str(name)[:SHOWN], promises)}"
            )
        promise = promises[name]
        if claim is None:
            continue
        if isinstance(promise, Mapping):
            if not isinstance(claim, Mapping):
                raise DataError(f"claims.{field}: {shown(claim)}; name some of its fields: {', '.join(promise)}")
            yield from differences(claim, promise, f"{field}.")
        elif not _same(name, claim, promise):
            yield Difference(field, shown(claim), UNSAID if promise is None else shown(promise))


def _same(name: str, claim: Any, promise: Any) -> bool:
    claim = plain(claim)
    if name == "rate" and _is_number(claim) and _is_number(promise):
        return promise * (1 - RATE_TOLERANCE) <= claim <= promise * (1 + RATE_TOLERANCE)
    return type(claim) is not bool and claim == promise


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """As JSON has it: names that are text, tuples and arrays as lists."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """One side in a message, at most SHOWN characters of it."""
    text = repr(plain(value))
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}… ({len(value)} entries)" if hasattr(value, "__len__") else text[:SHOWN]
