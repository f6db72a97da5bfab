"""How many examples a costly property tries."""

from hypothesis import settings


def few(number: int) -> int:
    """So many in `make test`; in `make slow` as many as every other property."""
    usual = settings.default.max_examples
    return number if usual < 100 else usual
