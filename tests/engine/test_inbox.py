"""The one door: order, batches, and a waiting reader that wakes at once."""

import signal
import threading

from beacon.engine.inbox import BATCH, Inbox


def test_what_was_posted_first_is_taken_first():
    box = Inbox()
    for number in range(5):
        box.post(number)
    assert box.take(0) == [0, 1, 2, 3, 4]
    assert box.take(0) == []


def test_a_flood_is_taken_in_batches():
    box = Inbox()
    for number in range(BATCH + 3):
        box.post(number)
    assert box.take(0) == list(range(BATCH))
    assert box.take(0) == [BATCH, BATCH + 1, BATCH + 2]


def test_a_time_already_past_does_not_wait():
    assert Inbox().take(-5.0) == []


def test_a_waiting_reader_wakes_at_once():
    box, waiting = Inbox(), threading.Event()
    woke = []

    def read():
        waiting.set()
        woke.append(box.take(3600))

    reader = threading.Thread(target=read)
    reader.start()
    waiting.wait(60)
    box.post("news")
    reader.join(60)
    assert woke == [["news"]]


def test_a_signal_handler_may_post_to_the_waiting_reader():
    box = Inbox()
    before = signal.signal(signal.SIGALRM, lambda *_: box.post("signal"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert box.take(3600) == ["signal"]
    finally:
        signal.signal(signal.SIGALRM, before)
