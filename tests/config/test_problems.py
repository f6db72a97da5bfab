"""How a problem reads, and which word was meant."""

import pytest

from beacon.config import problems
from beacon.config.problems import (
    ConfigError,
    Position,
    Problem,
    Problems,
    meant,
    one_of,
    path_text,
)


def test_a_problem_is_one_line():
    place = Position("a.yaml", 12, 7)
    problem = Problem(place, "services[0].url", "wrong", "right", "rigth")
    assert str(problem) == "a.yaml:12:7: services[0].url: wrong; right; did you mean rigth?"
    assert str(Problem(place, "", "wrong")) == "a.yaml:12:7: wrong"


def test_an_error_prints_every_problem_on_a_line():
    two = [Problem(Position("a", line, 1), "x", "wrong") for line in (1, 2)]
    error = ConfigError(two)
    assert error.problems == tuple(two)
    assert str(error) == "a:1:1: x: wrong\na:2:1: x: wrong"


def test_the_same_problem_counts_once_and_the_main_file_comes_first():
    problems = Problems()
    b, z9, z2 = Position("b", 1, 1), Position("z", 9, 1), Position("z", 2, 5)
    for place in (b, z9, z2, b):
        problems.add(place, ("x", 0, "y"), "wrong")
    assert [problem.place for problem in problems.in_order("z")] == [z2, z9, b]
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", 0, "b", 1), "a[0].b[1]"), ((0, "a"), "[0].a")],
)
def test_paths(path, text):
    assert path_text(path) == text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("intervall", "interval"),
        ("INTERVAL", "interval"),
        ("time", "timeout"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_what_was_meant(word, hint):
    assert meant(word, ["interval", "timeout", "id"]) == hint


def test_a_beginning_shared_by_two_is_settled_by_likeness():
    assert meant("retry", ["retry_interval", "retry_a"]) == "retry_a"


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (list("abc"), "a, b or c")]
)
def test_one_of(words, text):
    assert one_of(words) == text


@pytest.mark.parametrize(
    ("word", "choices"),
    [
        ("a" * 100_000, ["a" * 100_001]),
        ("a" * 39 + "x", ["a" * 39 + "y"] * 5_000),
        ("intervall", ["interval" * 20_000]),
    ],
)
def test_likeness_is_not_sought_among_endless_words(word, choices):
    """Each of these took seconds or minutes."""
    compared = sum(map(len, problems._compared(choices)))
    assert compared <= problems.MOST_COMPARED
    assert problems.alike(word, choices, 1, 0.6) in ([], choices[:1])
