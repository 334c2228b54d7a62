"""What a robot says about itself against what a checkpoint promises, field by field."""

from typing import Any, Iterator, Mapping, Tuple

import numpy as np

from polymath_client.errors import ContractError

RATE_TOLERANCE = 0.01  # relative: clocks of 29.97 and 30 Hz are the same


def check(claims: Any, contract: Any) -> None:
    """Raise ContractError, both sides printed, unless every claim is as the contract has it; None claims nothing.

    claims: any part of a contract's structure, such as {"rate": 20.0, "action": {"motion": "pose delta"}}.
    """
    for side, fields in (("claims", claims), ("contract", contract)):
        if not isinstance(fields, Mapping):
            raise ContractError(f"{side}: a {type(fields).__name__}, not a map of fields, as in {{'rate': 20.0}}")
    differences = list(_differences(claims, contract, ""))
    if differences:
        fields = "; ".join("{}: robot {!r}, checkpoint {!r}".format(*difference) for difference in differences)
        raise ContractError(f"robot and checkpoint disagree: {fields}; change the robot's side or the adapter")


def _differences(claims: Mapping[str, Any], contract: Mapping[str, Any], prefix: str) -> Iterator[Tuple[str, Any, Any]]:
    for name, claim in claims.items():
        field = prefix + str(name)
        if name not in contract:
            raise ContractError(
                "claims.{}: a contract has no such field; it has {}".format(field, ", ".join(map(str, contract)))
            )
        promise = contract[name]
        if claim is None:
            continue
        if isinstance(promise, Mapping) and isinstance(claim, Mapping):
            yield from _differences(claim, promise, field + ".")
        elif not _same(name, _plain(claim), promise):
            yield field, _plain(claim), promise


def _same(name: str, claim: Any, promise: Any) -> bool:
    if type(claim) is bool:
        return False
    if name == "rate" and isinstance(claim, (int, float)) and isinstance(promise, (int, float)):
        return promise * (1 - RATE_TOLERANCE) <= claim <= promise * (1 + RATE_TOLERANCE)
    return claim == promise


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
