"""What a user may write for a served policy."""

import pytest

from polymath.errors import ConfigError
from polymath.policy.remote.address import Address, address, is_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws://lab:8000", Address("openpi", "ws://lab:8000")),
        ("WSS://lab/", Address("openpi", "wss://lab")),
        ("ws://[::1]:8000/model-a", Address("openpi", "ws://[::1]:8000/model-a")),
        ("vla-eval+ws://lab:8000/vla-eval", Address("vla-eval", "ws://lab:8000/vla-eval")),
        ("ws://lab:1?robot=libero&wait=60", Address("openpi", "ws://lab:1", "libero", 60.0)),
        ("ws://lab:1?robot=./my%20keys.json", Address("openpi", "ws://lab:1", "./my keys.json")),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert is_address(text)
    assert address(text) == expected


def test_the_server_is_told_of_a_robot_that_it_can_know() -> None:
    assert address("ws://lab:1/m?robot=libero&wait=3").connect_url == "ws://lab:1/m?robot=libero"
    assert address("ws://lab:1/m?robot=keys.json").connect_url == "ws://lab:1/m"
    assert address("ws://lab:1/m").host == "lab-1"


@pytest.mark.parametrize("text", ["run", "./ws", "C:\\run", "random", "runs/ws:/x", ""])
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://lab:8000", r"no protocol of a policy server; write ws://HOST:8000"),
        ("vla-eval://lab", "no protocol of a policy server"),
        ("ws://lab:1/model/vla-eval", r"write vla-eval\+ws://lab:1/model/vla-eval"),
        ("ws://", "names no host"),
        ("ws:///model", "names no host"),
        ("ws://lab:0", "names no host and port"),
        ("ws://lab:99999", "ort out of range"),
        ("ws://lab:port", "ort could not be cast"),
        ("ws://[::1", "Invalid IPv6 URL"),
        ("ws://key@lab:1", "a password does not belong into the URL"),
        ("ws://lab:1#x", "have no meaning here"),
        ("ws://lab :1", "have no meaning here"),
        ("ws://lab:1?robt=x", "no option 'robt'; did you mean robot"),
        ("ws://lab:1?robot=", "give robot one value"),
        ("ws://lab:1?robot=a&robot=b", "give robot one value"),
        ("ws://lab:1?robot", "not of the form"),
        ("ws://lab:1?wait=soon", "no number of seconds"),
        ("ws://lab:1?wait=-1", "no number of seconds"),
        ("ws://lab:1?wait=nan", "no number of seconds"),
    ],
)
def test_addresses_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        address(text)
    assert "\n" not in str(caught.value)
