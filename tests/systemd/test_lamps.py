"""The lamp script against a kernel that is as strict as the real one."""

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from beacon.config.schema import Buzzer, Tower
from beacon.core.indication import Colour
from beacon.outputs.tower import failsafe_file

TOWER = Tower(
    lamps={Colour.RED: 17, Colour.AMBER: 27, Colour.GREEN: 22},
    buzzer=Buzzer(pin=18),
    alive_relay=12,
    on_death=(Colour.RED, Colour.AMBER),
)
DARK = {17: 0, 27: 0, 22: 0, 18: 0, 12: 0}
DEATH = {17: 1, 27: 1, 22: 0, 18: 0, 12: 0}


@pytest.fixture
def lamps(tmp_path: Path, kernel) -> Path:
    """The file the daemon writes for `TOWER` on the fake chip."""
    chip = failsafe_file.chip_at(str(kernel.device), kernel.ioctl)
    failsafe_file.write(tmp_path, failsafe_file.text(TOWER, chip))
    return tmp_path / "lamps"


@pytest.mark.parametrize(
    ("arguments", "result", "levels"),
    [
        (["dark"], "signal", DARK),
        (["on_death"], "success", DEATH),
        (["auto"], "success", DARK),
        (["auto"], "signal", DEATH),
        (["auto"], "watchdog", DEATH),
        (["auto"], "exit-code", DEATH),
        (["auto"], None, DEATH),
    ],
)
def test_the_lines_take_the_pattern(script, kernel, lamps, capsys, arguments, result, levels):
    environ = {"SERVICE_RESULT": result} if result else {}
    assert script.main([*arguments, str(lamps)], environ, kernel.ioctl) == 0
    assert kernel.levels == levels
    assert not kernel.holding()
    pattern = "dark" if levels is DARK else "on_death"
    assert capsys.readouterr().out == f"{pattern}: 5 of 5 lines set on {kernel.device}\n"


def test_an_active_low_board_is_darkened_by_high_lines(script, kernel, tmp_path):
    tower = Tower(lamps={Colour.GREEN: 22}, active_high=False)
    chip = failsafe_file.Chip(str(kernel.device), "pinctrl-bcm2835")
    failsafe_file.write(tmp_path, failsafe_file.text(tower, chip))
    assert script.main(["dark", str(tmp_path / "lamps")], {}, kernel.ioctl) == 0
    assert kernel.levels == {22: 1}


def test_both_copies_are_looked_for_where_the_unit_keeps_them(script, kernel, lamps, monkeypatch):
    assert script.FILES == ("/run/mfa-beacon/lamps", "/var/lib/mfa-beacon/lamps")
    monkeypatch.setattr(script, "FILES", (str(lamps.with_name("missing")), str(lamps)))
    assert script.main(["auto"], {"SERVICE_RESULT": "success"}, kernel.ioctl) == 0
    assert kernel.levels == DARK


def test_hold_keeps_the_lines_until_stopped_and_then_lets_go(script, kernel, lamps):
    held_while_waiting = []
    status = script.main(
        ["hold", str(lamps)], {}, kernel.ioctl, lambda: held_while_waiting.append(kernel.holding())
    )
    assert (status, held_while_waiting, kernel.levels) == (0, [True], DEATH)
    assert not kernel.holding()


def test_a_busy_line_is_named_and_the_others_are_set(script, kernel, lamps, capsys):
    kernel.refused = {27: errno.EBUSY}
    assert script.main(["dark", str(lamps)], {}, kernel.ioctl) == 1
    assert kernel.levels == {17: 0, 22: 0, 18: 0, 12: 0}
    shown = capsys.readouterr()
    assert shown.err == (
        f"{kernel.device} line 27 (amber): Device or resource busy; another process holds it: "
        "`gpioinfo` names it; stop that process\n"
    )
    assert shown.out == f"dark: 4 of 5 lines set on {kernel.device}\n"


def test_another_chip_under_the_same_name_is_not_touched(script, kernel, lamps, capsys):
    kernel.label = b"gpio-brcmstb"
    assert script.main(["dark", str(lamps)], {}, kernel.ioctl) == 1
    assert kernel.levels == {}
    assert capsys.readouterr().err == (
        f"{kernel.device} is now gpio-brcmstb, not pinctrl-bcm2835: no line was touched; "
        "start mfa-beacon\n"
    )


@pytest.mark.parametrize("label", [b"two words", b"two\twords and more "])
def test_a_label_of_several_words_is_the_same_chip(script, kernel, tmp_path, label):
    kernel.label = label
    chip = failsafe_file.chip_at(str(kernel.device), kernel.ioctl)
    failsafe_file.write(tmp_path, failsafe_file.text(TOWER, chip))
    assert script.main(["dark", str(tmp_path / "lamps")], {}, kernel.ioctl) == 0


def test_a_chip_that_is_gone_is_reported(script, kernel, lamps, capsys):
    kernel.device.unlink()
    assert script.main(["dark", str(lamps)], {}, kernel.ioctl) == 1
    assert capsys.readouterr().err == (
        f"{kernel.device}: No such file or directory; no such chip: is this still the Raspberry Pi "
        "that the file was written on?\n"
    )


def test_a_file_that_is_no_chip_is_reported(script, kernel, lamps, capsys):
    assert script.main(["dark", str(lamps)], {}) == 1  # the real ioctl on a plain file
    assert capsys.readouterr().err == f"{kernel.device}: Inappropriate ioctl for device\n"


def test_without_a_file_there_is_nothing_to_do(script, tmp_path, capsys):
    assert script.main(["auto", str(tmp_path / "lamps")], {}) == 0
    assert "no beacon has lit a lamp here" in capsys.readouterr().out


def test_a_beacon_without_pins_leaves_nothing_to_do(script, kernel, tmp_path, capsys):
    failsafe_file.write(tmp_path, failsafe_file.text(TOWER, None))
    assert script.main(["on_death", str(tmp_path / "lamps")], {}, kernel.ioctl) == 0
    assert kernel.levels == {}
    assert "the beacon last ran without pins" in capsys.readouterr().out


def two_copies(lamps: Path) -> list[str]:
    other = lamps.with_name("second")
    other.write_bytes(lamps.read_bytes())
    return [str(lamps), str(other)]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("part", range(4))
def test_whatever_is_damaged_all_that_is_sound_is_driven(
    script, kernel, lamps, capsys, copies, part
):
    """A hundred random damages each: no wrong line, no wrong level, and every sound row."""
    paths, good = two_copies(lamps)[:copies], lamps.read_bytes()
    for number in range(100):
        dice = random.Random(100 * part + number)
        lamps.write_bytes(damaged(good, dice))
        kernel.levels.clear()
        status = script.main(["on_death", *paths], {}, kernel.ioctl)
        assert kernel.levels.items() <= DEATH.items()
        text = lamps.read_bytes().decode("utf-8", "replace")
        rows, whole = script.sound_rows(text)
        if copies == 2:
            assert kernel.levels == DEATH
        elif any(row[0] == "chip" for row in rows):
            assert len(kernel.levels) == sum(row[0] == "line" for row in rows)
        assert status == (0 if whole or copies == 2 else 1)
        assert whole or "damaged; restart mfa-beacon to write it anew" in capsys.readouterr().err


@pytest.mark.parametrize("row", [b"00000000", b" #00000000", b"", b" #", b"#", b"\0" * 64])
def test_a_row_of_nothing_costs_nothing(script, kernel, lamps, capsys, row):
    """The checksum of no words is eight zeros."""
    lamps.write_bytes(lamps.read_bytes() + row + b"\n")
    assert script.main(["on_death", str(lamps)], {}, kernel.ioctl) == 0
    assert kernel.levels == DEATH


@pytest.mark.parametrize(("damages", "status"), [((0,), 0), ((1,), 0), ((0, 1), 1)])
def test_a_clean_stop_fails_only_where_a_line_may_be_missing(
    script, kernel, lamps, capsys, damages, status
):
    """A failed ExecStopPost= makes the unit failed, and the tower shows a death that was none."""
    paths = two_copies(lamps)
    for number in damages:
        Path(paths[number]).write_bytes(lamps.read_bytes()[:-20])
    environ = {"SERVICE_RESULT": "success"}
    assert script.main(["auto", *paths], environ, kernel.ioctl) == status
    assert kernel.levels.items() <= DARK.items()
    assert (kernel.levels == DARK) is (status == 0)


def damaged(content: bytes, dice: random.Random) -> bytes:
    found = bytearray(content)
    at = dice.randrange(len(found))
    match dice.randrange(5):
        case 0:
            found[at] = dice.randrange(256)
        case 1:
            found[at : at + 9] = dice.randbytes(9)
        case 2:
            del found[at:]
        case 3:
            found[at:at] = b"\n"
        case 4:
            del found[at : at + dice.randrange(1, 60)]
    return bytes(found)


def test_a_copy_that_cannot_be_read_does_not_hide_the_other(script, kernel, lamps, tmp_path):
    for strange in ("directory", "link", "missing"):
        first = tmp_path / strange
        if strange == "directory":
            first.mkdir()
        elif strange == "link":
            first.symlink_to("/etc/passwd")
        kernel.levels.clear()
        script.main(["dark", str(first), str(lamps)], {}, kernel.ioctl)
        assert kernel.levels == DARK


def test_a_file_of_somebody_else_names_no_other_device_and_is_not_quoted(
    script, kernel, tmp_path, capsys
):
    """It belongs to the beacon's user; this script may be root."""
    chip = failsafe_file.Chip(str(tmp_path / "elsewhere" / "gpiochip0"), "pinctrl-bcm2835")
    failsafe_file.write(tmp_path, failsafe_file.text(TOWER, chip))
    assert script.main(["dark", str(tmp_path / "lamps")], {}, kernel.ioctl) == 1
    assert "names something that is no GPIO chip" in capsys.readouterr().err
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert script.main(["dark", str(tmp_path / "link")], {}, kernel.ioctl) == 1
    assert "root:" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("arguments", [[], ["bright"]])
def test_wrong_usage_is_64(script, capsys, arguments):
    assert script.main(arguments, {}) == 64
    assert capsys.readouterr().err == "mfa-beacon-lamps dark|on_death|auto|hold [FILE]\n"


def test_it_runs_alone_under_an_isolated_interpreter(house, tmp_path):
    run = subprocess.run(
        [sys.executable, "-I", house / "systemd/mfa-beacon-lamps", "auto", tmp_path / "lamps"],
        env={},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"no beacon has lit a lamp here: {tmp_path}/lamps not there\n"


def test_hold_ends_on_sigterm_even_one_that_comes_early(house, script):
    program = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "from importlib.machinery import SourceFileLoader\n"
        f"lamps = SourceFileLoader('l', {script.__file__!r}).load_module()\n"
        "lamps.wait_for_end()\n"
        "print('let go')\n"
    )
    run = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "let go\n", "")


CHECK = r"""
#include <linux/gpio.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    struct gpio_v2_line_request r = {0};
    fprintf(stderr, "%#lx %zu %#lx %zu %zu %zu\n", (unsigned long)GPIO_V2_GET_LINE_IOCTL, sizeof r,
            (unsigned long)GPIO_GET_CHIPINFO_IOCTL, sizeof(struct gpiochip_info),
            offsetof(struct gpiochip_info, label), offsetof(struct gpio_v2_line_request, fd));
    r.offsets[0] = 22;
    for (const char *c = "mfa-beacon-lamps", *b = c; *c; c++) r.consumer[c - b] = *c;
    r.config.flags = GPIO_V2_LINE_FLAG_OUTPUT;
    r.config.num_attrs = 1;
    r.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
    r.config.attrs[0].attr.values = 1;
    r.config.attrs[0].mask = 1;
    r.num_lines = 1;
    return write(1, &r, sizeof r) != sizeof r;
}
"""


def test_the_request_is_byte_for_byte_what_linux_gpio_h_says(script, need, tmp_path, line_request):
    gcc = need("gcc")
    if os.environ.get("CI") != "true" and not Path("/usr/include/linux/gpio.h").exists():
        pytest.skip("libc6-dev is not installed: run `make test` where it may install packages")
    (tmp_path / "check.c").write_text(CHECK)
    subprocess.run([gcc, "-o", tmp_path / "check", tmp_path / "check.c"], check=True, timeout=60)
    shown = subprocess.run([tmp_path / "check"], check=True, capture_output=True, timeout=60)
    assert shown.stderr == b"0xc250b407 592 0x8044b401 68 32 588\n"
    assert shown.stdout == bytes(script.line_request(22, 1))
    assert (script.GET_LINE, script.LINE_REQUEST.size) == (0xC250B407, 592)
    assert (script.GET_CHIPINFO, script.CHIPINFO.size) == (0x8044B401, 68)
    assert line_request.from_buffer_copy(shown.stdout).config.attrs[0].values == 1
