"""What several resolvers' words on one question come to."""

import pytest

from beacon.mail.found import Found, State
from beacon.mail.views import settled

ANSWER = Found(State.THERE)
VOUCHED = Found(State.THERE, vouched=True)
GONE = Found(State.GONE)
BOGUS = Found(State.FAILED, why="bogus says A", bogus=True)
AGAIN = Found(State.FAILED, why="bogus says B", bogus=True)
FAILED = Found(State.FAILED, why="SERVFAIL")
SILENT = Found(State.FAILED, why="no answer", silent=True)


@pytest.mark.parametrize(
    ("told", "found", "doubt"),
    [
        ([ANSWER], ANSWER, ""),
        ([GONE, SILENT], GONE, ""),
        ([FAILED, ANSWER], ANSWER, ""),
        ([ANSWER, VOUCHED], VOUCHED, ""),
        ([BOGUS, ANSWER], ANSWER, "bogus says A"),
        ([ANSWER, BOGUS], ANSWER, "bogus says A"),
        ([BOGUS, ANSWER, VOUCHED], VOUCHED, "bogus says A"),
        ([BOGUS, AGAIN, ANSWER], BOGUS, ""),
        ([ANSWER, BOGUS, VOUCHED, AGAIN], BOGUS, ""),
        ([BOGUS], BOGUS, ""),
        ([SILENT, BOGUS], BOGUS, ""),
        ([FAILED, BOGUS], BOGUS, ""),
        ([SILENT, FAILED], FAILED, ""),
        ([SILENT], SILENT, ""),
    ],
)
def test_one_answer_of_many(told, found, doubt):
    said = settled(told)
    assert (said.state, said.vouched, said.bogus, said.why) == (
        found.state,
        found.vouched,
        found.bogus,
        found.why,
    )
    assert said.doubt == doubt
