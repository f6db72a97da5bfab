"""FreeRADIUS in all its moods, with real one-time codes."""

import base64
import contextlib
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SHARED_SECRET = "canary-shared-secret"
MESSAGE_AUTHENTICATOR = 80
HEAD = struct.Struct("!BBH16s")

RADIUSD = """
name = freeradius
prefix = /usr
libdir = LIBRARY
raddbdir = HOME
logdir = HOME
run_dir = HOME
db_dir = HOME
pidfile = HOME/pid
cleanup_delay = 5
log {
    destination = stdout
}
security {
    status_server = yes
    reject_delay = 1
}
thread pool {
    start_servers = 2
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 2
    max_requests_per_server = 0
}
client beacon {
    ipaddr = 127.0.0.1
    secret = canary-shared-secret
}
modules {
    pap { }
    totp { }
    perl {
        filename = HOME/site.pl
    }
}
server default {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = PORT
    }
    authorize {
        perl
    }
    authenticate {
        Auth-Type password {
            pap
        }
        Auth-Type combined {
            pap
            totp
        }
        Auth-Type code {
            totp
        }
    }
    post-auth {
        SIGNED
        Post-Auth-Type REJECT {
            SIGNED
        }
        Post-Auth-Type Challenge {
            SIGNED
        }
    }
}
"""

# As docs/probes/radius.md says, but in the mood "bare".
SIGNED = """
perl
if (!&control:Tmp-String-0) {
    update reply { Message-Authenticator := 0x00 }
}
"""

SITE = r"""
use strict;
use warnings;
our (%RAD_REQUEST, %RAD_REPLY, %RAD_CHECK);
use constant { REJECT => 0, FAIL => 1, OK => 2, HANDLED => 3, NOTFOUND => 6, UPDATED => 8 };

sub mood {
    open(my $file, '<', 'HOME/mood') or return '';
    my $mood = <$file> // '';
    return $mood;
}

sub totp {
    $RAD_REQUEST{'TOTP-Password'} = shift;
    open(my $file, '<', 'HOME/seed');
    $RAD_CHECK{'TOTP-Secret'} = <$file>;
}

sub combined {
    my ($password, $code) = $RAD_REQUEST{'User-Password'} =~ /^(.*)([0-9]{6})$/ or return REJECT;
    $RAD_REQUEST{'User-Password'} = $password;
    $RAD_CHECK{'Cleartext-Password'} = 'canary-password';
    totp($code);
    $RAD_CHECK{'Auth-Type'} = 'combined';
    return UPDATED;
}

sub challenge {
    my $text = shift;
    $RAD_CHECK{'Response-Packet-Type'} = 'Access-Challenge';
    $RAD_REPLY{'Reply-Message'} = $text;
    $RAD_REPLY{'State'} = 'the password was right';
    return HANDLED;
}

sub in_two_steps {
    if (!exists $RAD_REQUEST{'State'}) {
        return REJECT if $RAD_REQUEST{'User-Password'} ne 'canary-password';
        $RAD_CHECK{'Auth-Type'} = 'Accept', return UPDATED if mood() eq 'no challenge';
        return challenge("Enter the code\nof your token, $RAD_REQUEST{'User-Password'}");
    }
    return challenge('One code more: 834211') if mood() eq 'one more';
    totp($RAD_REQUEST{'User-Password'});
    $RAD_CHECK{'Auth-Type'} = 'code';
    return UPDATED;
}

sub authorize {
    return FAIL if mood() eq 'back end gone';
    $RAD_CHECK{'Response-Packet-Type'} = 'Do-Not-Respond', return HANDLED if mood() eq 'drop';
    $RAD_CHECK{'Auth-Type'} = 'Accept', return UPDATED if mood() eq 'accepts all';
    return combined() if $RAD_REQUEST{'User-Name'} eq 'probe';
    return in_two_steps() if $RAD_REQUEST{'User-Name'} eq 'challenged';
    return NOTFOUND;
}

sub post_auth {
    $RAD_CHECK{'Tmp-String-0'} = 'bare' if mood() eq 'bare';
    return UPDATED;
}
"""


class Relay:
    """A relay before a server. It passes on the requests it takes, and changes the answers.

    It waits `patience` seconds for each answer; meanwhile it takes no other request.
    """

    def __init__(
        self,
        server: int,
        *,
        takes: Callable[[bytes], bool] = lambda _: True,
        changed: Callable[[bytes, bytes], bytes] = lambda _, answer: answer,
        patience: float = 10.0,
    ) -> None:
        self._server, self._takes, self._changed = server, takes, changed
        self._patience = patience
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(60)
        self._socket.close()

    def _serve(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as onwards:
            onwards.connect(("127.0.0.1", self._server))
            onwards.settimeout(self._patience)
            while asked := self._socket.recvfrom(4096):
                request, peer = asked
                if not request:
                    return
                if self._takes(request):
                    onwards.send(request)
                    with contextlib.suppress(TimeoutError):
                        answer = self._changed(request, onwards.recv(4096))
                        self._socket.sendto(answer, peer)


def unsigned(request: bytes, answer: bytes) -> bytes:
    """An answer without Message-Authenticator, and its authenticator as RFC 2865 makes it."""
    code, number, length, _ = HEAD.unpack_from(answer)
    left, kept = answer[HEAD.size : length], b""
    while left:
        kept += b"" if left[0] == MESSAGE_AUTHENTICATOR else left[: left[1]]
        left = left[left[1] :]
    total = HEAD.size + len(kept)
    signed = HEAD.pack(code, number, total, request[4:20]) + kept + SHARED_SECRET.encode()
    return HEAD.pack(code, number, total, hashlib.md5(signed).digest()) + kept


@dataclass
class FreeRadius:
    """A running FreeRADIUS: users `probe` (password and code in one) and `challenged`."""

    version: tuple[int, ...]
    own_port: int
    unsigning: Relay
    process: subprocess.Popen[bytes]
    home: Path
    seed: str = ""
    password: str = "canary-password"
    shared_secret: str = SHARED_SECRET
    mood: str = ""

    def be(self, mood: str) -> None:
        """Behave like this from now on: "" is sound."""
        self.mood = mood
        (self.home / "mood").write_text(mood)

    def take_token(self) -> None:
        """Another token: a newer server takes no code of one token twice."""
        self.seed = base64.b32encode(os.urandom(20)).decode()
        (self.home / "seed").write_text(self.seed)

    @property
    def is_new(self) -> bool:
        """Whether it signs every answer, and what its totp takes and refuses (seen: 3.2.7)."""
        return self.version >= (3, 2, 5)

    @property
    def port(self) -> int:
        """Where to ask it."""
        return self.unsigning.port if self.is_new and self.mood == "bare" else self.own_port

    @property
    def steps_back(self) -> int:
        """How many steps old a code may be."""
        return 1 if self.is_new else 0

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()


@pytest.fixture(scope="session")
def radius_process(
    need: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FreeRadius]:
    """FreeRADIUS with PAP, rlm_totp, and rlm_perl for challenges and moods."""
    binary = need("freeradius")
    home, port = tmp_path_factory.mktemp("freeradius"), free_port()
    library = next(Path("/usr/lib").rglob("rlm_totp.so")).parent
    config = (
        RADIUSD.replace("SIGNED", SIGNED)
        .replace("LIBRARY", str(library))
        .replace("PORT", str(port))
    )
    (home / "radiusd.conf").write_text(config.replace("HOME", str(home)))
    (home / "site.pl").write_text(SITE.replace("HOME", str(home)))
    banner = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"FreeRADIUS Version ([\d.]+)", banner)
    assert version is not None, banner
    unsigning = Relay(port, changed=unsigned)  # as an older server answers
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "-d", home, "-f", "-xx", "-l", "stdout"], stdout=log, stderr=log
        )
    numbers = tuple(map(int, version[1].split(".")))
    server = FreeRadius(numbers, port, unsigning, process, home)
    try:
        eventually(lambda: process.poll() or "Ready to process requests" in server.log)
        assert process.poll() is None, server.log
        yield server
    finally:
        process.kill()  # also a stopped one
        process.wait(60)
        unsigning.close()


@pytest.fixture
def freeradius(radius_process: FreeRadius) -> Iterator[FreeRadius]:
    """It, in a good mood and not stopped; its log is shown with a test that fails."""
    radius_process.be("")
    radius_process.take_token()
    before = len(radius_process.log)
    yield radius_process
    radius_process.process.send_signal(signal.SIGCONT)
    sys.stdout.write(radius_process.log[before:])
