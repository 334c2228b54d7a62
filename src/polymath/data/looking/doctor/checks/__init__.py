"""One check a file; `ALL` is the order in which the page lists them."""

from collections.abc import Callable

from polymath.data.looking.doctor.checks.black import black
from polymath.data.looking.doctor.checks.blurred import blurred
from polymath.data.looking.doctor.checks.clock import clock
from polymath.data.looking.doctor.checks.duplicate import duplicate
from polymath.data.looking.doctor.checks.frozen import frozen
from polymath.data.looking.doctor.checks.gripper import gripper
from polymath.data.looking.doctor.checks.gripper_range import gripper_range
from polymath.data.looking.doctor.checks.idle import idle
from polymath.data.looking.doctor.checks.jumps import jumps
from polymath.data.looking.doctor.checks.lag import lag
from polymath.data.looking.doctor.checks.length import length
from polymath.data.looking.doctor.checks.naming import naming
from polymath.data.looking.doctor.checks.poses import poses
from polymath.data.looking.doctor.checks.saturated import saturated
from polymath.data.looking.doctor.checks.scale import scale
from polymath.data.looking.doctor.checks.still import still
from polymath.data.looking.doctor.checks.swapped import swapped
from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

ALL: tuple[Callable[[Population], list[Finding]], ...] = (
    duplicate,
    black,
    frozen,
    blurred,
    swapped,
    clock,
    lag,
    gripper,
    gripper_range,
    jumps,
    still,
    saturated,
    scale,
    poses,
    idle,
    length,
    naming,
)
