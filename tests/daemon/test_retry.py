"""What cannot be written now is written as soon as it can be, and nobody waits for it."""

import logging

import pytest

from beacon.daemon.retry import RetryThread


@pytest.fixture
def retry():
    made = RetryThread(again=0.01)
    yield made
    made.stop()


class Place:
    """A place that can be written, or not."""

    def __init__(self) -> None:
        self.read_only, self.tried, self.written = True, 0, 0

    def write(self) -> None:
        self.tried += 1
        if self.read_only:
            raise OSError(30, "Read-only file system")
        self.written += 1


def test_what_can_be_done_is_done_at_once(retry):
    place = Place()
    place.read_only = False
    retry.do(place.write)
    retry.start()
    assert (place.written, retry.any) == (1, False)


def test_what_cannot_be_done_is_logged_once_and_done_as_soon_as_possible(retry, eventually, caplog):
    caplog.set_level(logging.INFO)
    place, other = Place(), Place()
    retry.do(place.write, "nothing is remembered")
    retry.do(other.write)
    assert retry.any
    retry.start()
    eventually(lambda: place.tried > 3, "it is tried again")
    assert caplog.text.count("nothing is remembered (Read-only file system)") == 1
    place.read_only = False
    eventually(lambda: place.written, "it is written")
    assert retry.any, "the other is still pending"
    other.read_only = False
    eventually(lambda: not retry.any, "nothing is pending")
    assert (place.written, other.written) == (1, 1)
    assert "it can be done again; before: nothing is remembered" in caplog.text


def test_what_waiting_does_not_mend_is_given_up_later_and_raised_now(retry, eventually, caplog):
    def breaks() -> None:
        raise ValueError("password=hunter2")

    with pytest.raises(ValueError, match="hunter2"):
        retry.do(breaks)
    place = Place()

    def worse() -> None:
        if place.read_only:
            place.write()
        breaks()

    retry.do(worse, "the socket")
    retry.start()
    place.read_only = False
    eventually(lambda: not retry.any, "it is given up")
    assert "given up: the socket" in caplog.text
    assert "hunter2" not in caplog.text.replace('raise ValueError("password=hunter2")', "")


def test_after_the_end_nothing_is_tried(retry):
    place = Place()
    retry.do(place.write)
    retry.start()
    retry.stop()
    tried = place.tried
    place.read_only = False
    assert (place.tried, place.written) == (tried, 0)
    retry.stop()
