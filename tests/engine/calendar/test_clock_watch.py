"""What this machine says of its own clock."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from beacon.core.inputs import ClockStepped, ClockSynchronised
from beacon.engine.calendar.clock_watch import (
    UNSYNCHRONISED_AFTER,
    KernelWatch,
    StepWatch,
    kernel_synchronised,
    timesyncd_synchronised,
)
from tests.engine.jumpy_clock import JumpyClock

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_a_clock_that_was_set_is_posted_once():
    clock = JumpyClock(NOW)
    watch = StepWatch(clock)
    clock.advance(60.0)
    assert watch(1.0) is None
    clock.set(-40.0)
    clock.advance(1.0)
    stepped = watch(2.0)
    assert stepped == ClockStepped(2.0, pytest.approx(-40.0))
    assert watch(3.0) is None


def test_what_is_slewed_adds_up_to_a_step():
    clock = JumpyClock(NOW)
    watch = StepWatch(clock)
    steps = []
    for second in range(100):
        clock.advance(1.0)
        clock.set(0.1)
        if stepped := watch(second):
            steps.append(stepped.by)
    assert sum(steps) == pytest.approx(10.0, abs=1.0)


def test_the_first_who_knows_is_believed_and_changes_are_posted():
    words = {"kernel": None, "file": None}
    watch = KernelWatch(lambda: words["kernel"], lambda: words["file"])
    assert watch(1.0) is None
    words["file"] = True
    assert watch(2.0) == ClockSynchronised(2.0, True)
    assert watch(3.0) is None
    words["kernel"] = False
    assert watch(4.0) == ClockSynchronised(4.0, False)


def test_timesyncd_is_believed_for_as_long_as_the_kernel_would(tmp_path):
    file, clock = tmp_path / "synchronized", JumpyClock(NOW)
    assert timesyncd_synchronised(clock, file) is None
    file.touch()
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert timesyncd_synchronised(clock, file) is True
    clock.advance(UNSYNCHRONISED_AFTER + 1)
    assert timesyncd_synchronised(clock, file) is False
    clock.set(-10 * UNSYNCHRONISED_AFTER)
    assert timesyncd_synchronised(clock, file) is False, (
        "touched in the future: the clock was set since"
    )


def test_the_kernel_can_be_asked_and_nothing_is_set():
    assert kernel_synchronised() in (True, False, None)


DENIED = """
import ctypes, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
numbers = {"x86_64": (159, 305), "aarch64": (171, 266)}[platform.machine()]
code = [(0x20, 0, 0, 0)]  # load the number of the call
code += [(0x15, len(numbers) - n, 0, number) for n, number in enumerate(numbers)]
code += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]  # allow, EPERM
text = b"".join(struct.pack("HBBI", *one) for one in code)
held = ctypes.create_string_buffer(text)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(held))
assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()  # PR_SET_SECCOMP
libc.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE: as MemoryDenyWriteExecute=, where the kernel knows it
from beacon.engine.calendar.clock_watch import kernel_synchronised
print(kernel_synchronised())
"""


@pytest.mark.integration
def test_under_the_units_filter_the_kernel_says_nothing():
    """`ProtectClock=` denies adjtimex and clock_adjtime with EPERM, even for reading."""
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("the numbers of its calls are not known here")
    done = subprocess.run(
        [sys.executable, "-c", DENIED], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.stdout, done.returncode) == ("None\n", 0), done.stderr
