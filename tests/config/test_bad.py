"""Every mistake under bad/ is answered with exactly the words in its file, all at once.

A mistake is a file, or a directory whose `beacon.yaml` is loaded. Its first lines say what
is expected: `# expect: file:line:col: path: what is wrong; what is allowed; did you mean …`.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import beacon.config
from beacon.config.loader import load
from beacon.config.problems import ConfigError

BAD = Path(__file__).parent / "bad"
CASES = sorted(BAD.iterdir())
SOURCE = Path(beacon.config.__file__).parent

TESTED_ELSEWHERE = {  # in yaml/test_reader.py
    "cannot list packages/: ",
    "cannot read credential : ",
    "not UTF-8 text",
    " is larger than  MiB",
    "here a wrong code proves nothing",  # in probes/test_sign_ins.py
}


def main_of(case: Path) -> Path:
    return case / "beacon.yaml" if case.is_dir() else case


def expected(case: Path) -> list[str]:
    lines = main_of(case).read_text().splitlines()
    return [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_mistake_is_answered_in_these_words(case, tmp_path, monkeypatch, kinds):
    copy = shutil.copytree if case.is_dir() else shutil.copy
    copy(case, tmp_path / case.name)
    home = tmp_path / case.name if case.is_dir() else tmp_path
    secrets = home / "secrets.yaml"
    if secrets.exists():
        mode = re.match(r"# mode: (0\d+)", secrets.read_text())
        secrets.chmod(int(mode[1], 8) if mode else 0o600)
    monkeypatch.chdir(home)
    with pytest.raises(ConfigError) as caught:
        load(Path(main_of(case).name), environ={}, **kinds)
    assert [str(problem) for problem in caught.value.problems] == expected(case)
    assert str(caught.value).splitlines() == expected(case)


def messages(source: str) -> Iterator[str]:
    """Texts of messages about mistakes: the first long text of each refusing call."""
    refusing = {"SettingRefused", "add", "refuse", "_note", "TooLarge"}
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in refusing:
            texts = [a for a in call.args if isinstance(a, ast.JoinedStr | ast.Constant)]
            yield from (template(text) for text in texts[:1])


def template(text: ast.expr) -> str:
    """The fixed parts of a text, as they are."""
    if isinstance(text, ast.Constant):
        return text.value if isinstance(text.value, str) else ""
    parts = text.values if isinstance(text, ast.JoinedStr) else ()
    return "".join(p.value if isinstance(p, ast.Constant) else "\0" for p in parts)


def test_no_message_goes_untested():
    expected_lines = "\n".join(line for case in CASES for line in expected(case))
    unsaid = []
    for file in sorted(SOURCE.rglob("*.py")):
        for message in messages(file.read_text()):
            words = message.replace("\0", "")
            pattern = ".*".join(re.escape(part) for part in message.split("\0"))
            if words and words not in TESTED_ELSEWHERE and not re.search(pattern, expected_lines):
                unsaid.append(f"{file.name}: {words}")
    assert not unsaid
