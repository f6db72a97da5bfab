"""What LinOTP says of itself: servers built from the fields of its source."""

from collections.abc import Callable
from typing import Any

import pytest

from beacon.config.fields import Url
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.linotp_status import LinOtpStatus
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: linotp_status
    url: !secret canary-of-an-address
    """,
)


ALIVE = (200, {"status": "alive", "version": "3.2.6", "uptime": "1 day"})


def counted(entries: int | None = 41, **result: Any) -> tuple[int, Any]:
    detail = {"config": {"entries": entries}}
    return 200, {"result": {"status": True, "value": True} | result, "id": 0, "detail": detail}


@pytest.mark.parametrize(
    ("alive", "database", "reason", "detail"),
    [
        (ALIVE, counted(), Reason.OK, "it says that all is well"),
        ((200, {"status": "?"}), counted(), Reason.EXPECTATION_FAILED, "/healthcheck/status: json"),
        ((404, b""), counted(), Reason.HTTP_STATUS, "/healthcheck/status: status 404"),
        (ALIVE, counted(0), Reason.EXPECTATION_FAILED, "/maintenance/check_status: json detail"),
        (ALIVE, counted(None), Reason.OPERAND_MISSING, "/maintenance/check_status: json detail"),
        (ALIVE, counted(value=False), Reason.EXPECTATION_FAILED, "/maintenance/check_status: json"),
        (ALIVE, (500, b"<html>"), Reason.HTTP_STATUS, "/maintenance/check_status: status 500"),
        (ALIVE, (401, b"<html>"), Reason.HTTP_STATUS, "/maintenance/check_status: status 401"),
    ],
)
def test_what_its_pages_come_to(
    answering: Callable[..., str], alive: Any, database: Any, reason: Reason, detail: str
) -> None:
    pages = {"/linotp/healthcheck/status": alive, "/linotp/maintenance/check_status": database}
    url = answering(lambda path, _: pages[path]) + "/linotp/"
    reading: Reading = Run(SystemClock(), 60.0).take(LinOtpStatus(url=Url(url)))
    assert reading.reason is reason
    assert reading.detail.startswith(detail)
