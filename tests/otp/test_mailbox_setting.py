"""The setting `mailboxes`."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beacon.config.fields import Directory, Secret, SettingRefused
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.mail.imap import Imap
from beacon.otp.gammu_inbox import Smsd
from beacon.otp.mailbox_setting import AnyMailbox


def test_a_mailbox_is_one_of_its_kinds(tmp_path: Path, fake_imap: Callable[..., Any]) -> None:
    run = Run(SystemClock(), 60.0)
    phone = AnyMailbox(smsd=Smsd(inbox=Directory(tmp_path)))
    imap = Imap(
        host="127.0.0.1",
        port=fake_imap().port,
        encryption="none",
        username="a",
        password=Secret("b"),
    )
    for mailbox in (phone, AnyMailbox(imap=imap)):
        assert list(mailbox.flaws()) == []
        assert not mailbox.clock_bound
        with contextlib.closing(mailbox.open(run)) as watch:
            assert watch.wait(run, run.clock.monotonic()) is None
    for given in ({}, {"imap": imap, "smsd": phone.smsd}):
        with pytest.raises(SettingRefused, match="not exactly one kind of mailbox"):
            AnyMailbox(**given)


def test_flaws_are_reported_with_their_place() -> None:
    imap = Imap(host="192.0.2.1", encryption="none", username="a", password=Secret("b"))
    assert [path for path, _, _ in AnyMailbox(imap=imap).flaws()] == [("imap", "encryption")]
    secure = Imap(host="192.0.2.1", username="a", password=Secret("b"))
    assert AnyMailbox(imap=secure).clock_bound
