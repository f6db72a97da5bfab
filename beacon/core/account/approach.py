"""How a run approaches a server that has not accepted our last attempts."""

from enum import Enum, auto


class Approach(Enum):
    """What a run may send. A knock is a request without credentials."""

    SIGN_IN = auto()
    LEARN = auto()  # sign in; if that passes, knock, to learn whether the server answers it
    KNOCK_FIRST = auto()  # sign in if a knock is answered
    KNOCK_ONLY = auto()  # our network or clock is lost: our credentials stay here
    HOLD = auto()  # likewise, and no knock is known: nothing is sent
