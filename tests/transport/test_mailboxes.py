"""The setting `mailboxes`."""

from pathlib import Path

import pytest

from beacon.config.fields import Refused
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.transport.mailboxes import AnyMailbox
from beacon.transport.smsd import Smsd


def test_a_mailbox_is_one_of_its_kinds(tmp_path: Path) -> None:
    run = Run(SystemClock(), 5.0)
    watch = AnyMailbox(smsd=Smsd(inbox=tmp_path)).open(run)
    assert watch.wait(run, run.clock.monotonic()) is None
    with pytest.raises(Refused, match="a mailbox without its kind"):
        AnyMailbox()
