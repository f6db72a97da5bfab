"""Coverage follows tests and their fixtures, not what pytest does around them.

Whatever is followed takes twice as long, even in files that nobody measures, and pytest's own work
is no less than that of most tests.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Generator
from typing import Any, Final

import pytest
from coverage import Coverage

TRACER: Final = sys.gettrace() if Coverage.current() else None
"""What follows this thread. None: coverage was not asked for."""

Wrapper = Generator[None, Any, Any]


CHILDREN: Final = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage follows the processes that a test starts."""


def _followed_by(tracer: Any) -> Wrapper:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        return (yield)
    finally:
        sys.settrace(before)


def _untraced() -> Wrapper:
    """Nobody follows the test, the threads that it starts, nor the processes."""
    threads, children = threading.gettrace(), os.environ.pop(CHILDREN, None)
    threading.settrace(None)
    try:
        return (yield from _followed_by(None))
    finally:
        threading.settrace(threads)
        if children is not None:
            os.environ[CHILDREN] = children


if TRACER:

    @pytest.hookimpl(wrapper=True)
    def pytest_collection() -> Wrapper:
        return (yield from _followed_by(None))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(collector: pytest.Collector) -> Wrapper:
        """What a file does when it is imported counts."""
        if isinstance(collector, pytest.Module):
            sys.settrace(TRACER)
            with contextlib.suppress(Exception, pytest.skip.Exception):  # it is reported below
                _ = collector.obj
            sys.settrace(None)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop() -> Wrapper:
        return (yield from _followed_by(None))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup() -> Wrapper:
        return (yield from _followed_by(TRACER))

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Wrapper:
        if pyfuncitem.get_closest_marker("untraced"):
            return (yield from _untraced())
        return (yield from _followed_by(TRACER))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown() -> Wrapper:
        return (yield from _followed_by(TRACER))
