"""What is shown of an answer: its shape."""

from beacon.engine.redaction import Secrets
from beacon.net import outline as module
from beacon.net.outline import LONGEST, MOST


def outline(*given: object) -> str:
    return Secrets().clear(module.outline(*given))


def test_only_harmless_values_are_shown():
    answer = {"result": {"status": True, "value": None}, "detail": {"otp": "123456"}, "id": 2}
    shown = outline(answer, {"result.status", "result.value", "id"})
    assert shown == "result.status=true result.value=null detail.otp id=2"
    assert outline({"a": "x y"}, {"a"}) == "a='x y'"


def test_lists_are_shown_by_their_path_once():
    assert outline({"all": [{"a": 1}, {"a": 2}], "none": []}) == "all.a none"


def test_an_endless_or_deep_answer_stays_short():
    assert outline({str(n): n for n in range(1000)}).endswith(f"{MOST - 1} …")
    deep: object = 1
    for _ in range(5000):
        deep = {"a": deep}
    assert outline(deep) == "a.a.a.a.a"
    assert len(outline({"k" * 5000: 1})) <= LONGEST
    assert outline([]) == outline("text") == "nothing"


def test_what_is_too_long_is_left_out_whole():
    secret = "canary-" * 10
    assert outline({"a": secret * 2, "b": 1}, {"a", "b"}) == "… b=1"
    many = outline({f"{n}": f"{n} {secret}" for n in range(9)}, {f"{n}" for n in range(9)})
    assert many.endswith(f"{secret}' …")
    assert len(many) <= LONGEST
    assert many.count("canary") == 10 * many.count("=")
