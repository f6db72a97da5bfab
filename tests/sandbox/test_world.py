import threading

import pytest

from beacon.sandbox.world import RECOVER, Fault, World


def test_faults_add_up_until_recover(world: World) -> None:
    world.break_("claim")
    world.break_("slow")
    assert world.faults == (Fault.SLOW, Fault.CLAIM)
    assert world.broken(Fault.CLAIM)
    assert not world.broken(Fault.DNS)
    world.break_(RECOVER)
    assert world.faults == ()


def test_another_word_breaks_nothing(world: World) -> None:
    with pytest.raises(ValueError, match="meteor"):
        world.break_("meteor")
    assert world.faults == ()


def test_who_waits_is_woken_by_any_change(world: World) -> None:
    waiter = threading.Thread(target=world.hold, args=(60,))
    waiter.start()
    while waiter.is_alive():  # the thread may not have begun to wait at the first change
        world.break_(RECOVER)
        waiter.join(0.01)
    assert not waiter.is_alive()
