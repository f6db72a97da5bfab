"""What every test may use: real servers by name, free ports, a clock that stands still."""

import contextlib
import gc
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Step

from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import Phase, Run
from beacon.net import radius
from tests.probe_memories import MEMORIES

# What others import comes first: pytest rewrites the assertions of what it imports itself.
pytest_plugins = ["tests.tracing"] + [
    f"tests.servers.{name}"
    for name in (
        "certificates",
        "stand_in",
        "authelia",
        "duo",
        "fake_imap",
        "freeradius",
        "gammu",
        "mail",
        "nginx",
        "openid",
        "portal",
        "privacyidea",
        "raw",
        "terminal",
        "tower",
        "twilio",
        "vendor",
    )
]

# The same few examples each time: a run's result says something about the change, not about luck.
# New examples are looked for by `make slow ARGS=worlds`. No deadline, and no complaint that
# examples are made slowly: a busy machine is no failure.
settings.register_profile(
    "short",
    parent=settings.default,
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Step.explicit, Step.generate, Step.shrink),
)
settings.register_profile(
    "mutation", settings.get_profile("short"), phases=(Step.explicit, Step.generate)
)
settings.register_profile(
    "long",
    parent=settings.default,
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("short")

# In the background of a script SIGINT is ignored, under nohup SIGHUP, and so they would be in
# whatever tests start.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


# What is collected are thousands of objects that stay: no garbage is looked for among them.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what waits for real seconds: begun last, everything would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("realtime") is None)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, among what comes from here on."""
    gc.freeze()
    gc.enable()


SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """Find a real server's binary; without it skip, or fail where CI=true."""

    def find(name: str) -> Path:
        found = shutil.which(name, path=SBIN)
        return Path(found) if found else _missing(name)

    return find


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """No probe remembers anything of the test before, whose ports others have by now."""
    MEMORIES.begin()
    radius._PROVEN.clear()


@pytest.fixture(scope="session")
def need_application() -> Callable[[str], Path]:
    """Find the environment of an identity server from PyPI; else as `need`."""

    def find(name: str) -> Path:
        found = Path(sys.prefix) / "applications" / name
        return found if (found / "installed.txt").exists() else _missing(name)

    return find


def _missing(name: str) -> NoReturn:
    reason = f"{name} is not installed: run `make test` where it may install packages"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A TCP port of 127.0.0.1 that nobody holds now: for servers that cannot take port 0.

    Below the range from which the kernel gives ports to whoever connects, so that nobody
    takes it before the server does.
    """
    dice = random.SystemRandom()

    def find() -> int:
        for _ in range(100):
            port = dice.randrange(20000, 32000)
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                return port
        pytest.fail("no free port between 20000 and 32000")

    return find


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; fail with `what` after `within` seconds.

    As every budget of a test: enough for a machine that is very busy, and over early on others.
    """

    def wait(
        holds: Callable[[], object], what: str = "the condition", within: float = 60.0
    ) -> None:
        until = time.monotonic() + within
        while not holds():
            if time.monotonic() > until:
                pytest.fail(f"{what} did not come true within {within:g} s")
            time.sleep(0.005)

    return wait


@pytest.fixture
def bounded() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Fail where a block takes so much CPU time: work without bound is found, not a slow machine.

    Waiting for a busy processor does not count, and the budget is many times what is needed.
    """

    @contextlib.contextmanager
    def block(seconds: float = 20.0) -> Iterator[None]:
        began = time.thread_time()
        yield
        took = time.thread_time() - began
        assert took < seconds, f"{took:.1f} s of CPU time"

    return block


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-01-05 12:00 UTC, monotonic 1000 s, until it is moved."""
    return ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC), 1000.0)


@pytest.fixture
def expire_in(eventually: Callable[..., None]) -> Callable[[Run, Phase], None]:
    """Let a run's time be up as soon as it is in this phase."""

    def start(run: Run, phase: Phase) -> None:
        def wait() -> None:
            eventually(lambda: run.phase is phase, f"the phase {phase}")
            run.expire()

        threading.Thread(target=wait, daemon=True).start()

    return start


class StandingClock(SystemClock):
    """The machine's clock, which stands until `go`: what comes first has all the time it needs.

    After `most` seconds it stands again: just before a deadline that shall not be overstayed.
    """

    def __init__(self, go: Callable[[], object], most: float = math.inf) -> None:
        self._go, self._most = go, most
        self._began = time.monotonic()
        self._stood: float | None = None

    def monotonic(self) -> float:
        """The moment of the beginning, and the seconds since `go` first held."""
        if self._stood is None:
            if not self._go():
                return self._began
            self._stood = time.monotonic() - self._began
        return min(time.monotonic() - self._stood, self._began + self._most)


def datagrams_at(address: tuple[str, int]) -> socket.socket:
    """A UDP socket of this address; raises `OSError` if somebody has it."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


@pytest.fixture
def one_port() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A listener and a UDP socket of one port: what is free for one may be taken for the other."""

    def found() -> tuple[socket.socket, socket.socket]:
        for _ in range(100):
            stream = socket.create_server(("127.0.0.1", 0))
            try:
                return stream, datagrams_at(stream.getsockname())
            except OSError:
                stream.close()
        pytest.fail("no port is free for both TCP and UDP")

    stream, datagrams = found()
    with stream, datagrams:
        yield stream, datagrams


class UdpServer:
    """A UDP server on 127.0.0.1 that says what `answer` gives for each datagram."""

    def __init__(
        self, answer: Callable[[bytes], Iterable[bytes]], bound: socket.socket | None = None
    ) -> None:
        self.asked: list[bytes] = []
        self.answered = 0
        self._answer = answer
        self._socket = bound or datagrams_at(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(65535)
            if data == b"stop" and peer == self._socket.getsockname():
                return
            self.asked.append(data)
            for answer in self._answer(data):
                self._socket.sendto(answer, peer)
            self.answered += 1

    def close(self) -> None:
        """Stop serving."""
        self._socket.sendto(b"stop", self._socket.getsockname())
        self._thread.join(60)
        self._socket.close()


@pytest.fixture
def udp_server() -> Iterator[Callable[..., UdpServer]]:
    """Start UDP servers; each is given the function from a datagram to its answers."""
    servers: list[UdpServer] = []

    def start(
        answer: Callable[[bytes], Iterable[bytes]], bound: socket.socket | None = None
    ) -> UdpServer:
        servers.append(UdpServer(answer, bound))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


SOA = "$ORIGIN {zone}.\n$TTL 300\n@ SOA ns1 host {serial} 3600 600 86400 60\n"


class ZoneServer:
    """NSD on 127.0.0.1; the texts of its zones are changed at will.

    `signed` zones are signed anew at each change, until so many days from now.
    """

    def __init__(
        self, nsd: Path, home: Path, port: int, eventually: Callable[..., None], *zones: str
    ) -> None:
        self._home, self._eventually, self._serial = home, eventually, 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.dnskey = dns.dnssec.make_dnskey(self._key.public_key(), "ECDSAP256SHA256", flags=257)
        self.port, self.zones = port, zones
        config = (
            "server:\n"
            f"  ip-address: 127.0.0.1@{port}\n"
            f'  username: ""\n  chroot: ""\n  zonesdir: "{home}"\n  database: ""\n'
            f'  pidfile: "{home}/nsd.pid"\n  xfrdfile: "{home}/xfrd"\n'
            f'  zonelistfile: "{home}/zones"\n  server-count: 1\n  rrl-ratelimit: 0\n'
            "remote-control:\n  control-enable: no\n"
        )
        for zone in zones:
            config += f"zone:\n  name: {zone}\n  zonefile: {zone}.zone\n"
        (home / "nsd.conf").write_text(config)
        self._texts = dict.fromkeys(zones, "@ NS ns1\nns1 A 127.0.0.1\n")
        self._write({})
        self.process = subprocess.Popen(
            [nsd, "-d", "-c", home / "nsd.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._loaded, "NSD's start")

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self, texts: Mapping[str, str], *, signed: Mapping[str, float] = {}) -> None:
        """Put these records into these zones (beside SOA, NS and ns1); returns when it has them."""
        self._texts |= {z: f"@ NS ns1\nns1 A 127.0.0.1\n{text}" for z, text in texts.items()}
        self._write(signed)
        self.process.send_signal(signal.SIGHUP)
        self._eventually(self._loaded, "NSD's reload")

    def _write(self, signed: Mapping[str, float]) -> None:
        self._serial += 1
        for zone, text in self._texts.items():
            whole = SOA.format(zone=zone, serial=self._serial) + text
            if zone in signed:
                whole = self._signed(zone, whole, signed[zone])
            (self._home / f"{zone}.zone").write_text(whole)

    def _signed(self, origin: str, text: str, days: float) -> str:
        zone = dns.zone.from_text(text, origin, relativize=False)
        now = datetime.now(UTC)
        with zone.writer() as txn:
            dns.dnssec.sign_zone(
                zone,
                txn,
                keys=[(self._key, self.dnskey)],
                dnskey_ttl=300,
                inception=now - timedelta(days=30),
                expiration=now + timedelta(days=days),
            )
        return str(zone.to_text(relativize=False, want_origin=True))

    def _loaded(self) -> bool:
        for zone in self.zones:
            try:
                query = dns.message.make_query(zone, "SOA")
                answer = dns.query.udp(query, "127.0.0.1", 1, self.port)
            except (OSError, dns.exception.Timeout):
                return False
            if not answer.answer or answer.answer[0][0].serial != self._serial:
                return False
        return True


@pytest.fixture(scope="session")
def zone_server(
    need: Callable[[str], Path],
    eventually: Callable[..., None],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., ZoneServer]]:
    """Start authoritative servers for zones."""
    servers: list[ZoneServer] = []

    def start(*zones: str) -> ZoneServer:
        home = tmp_path_factory.mktemp("nsd")
        servers.append(ZoneServer(need("nsd"), home, free_port(), eventually, *zones))
        return servers[-1]

    yield start
    for server in servers:
        server.process.terminate()
        server.process.wait(60)


@pytest.fixture(scope="session")
def validating(
    need: Callable[[str], Path],
    eventually: Callable[..., None],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., str]]:
    """Start Unbound in front of a server: its address. It checks the signatures of `anchors`."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(server: ZoneServer, *anchors: str) -> str:
        home, port = tmp_path_factory.mktemp("unbound"), free_port()
        (home / "unbound.conf").write_text(
            "server:\n"
            f"  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  do-ip6: no\n"
            f'  username: ""\n  chroot: ""\n  directory: "{home}"\n  pidfile: ""\n'
            '  use-syslog: no\n  module-config: "validator iterator"\n'
            "  do-not-query-localhost: no\n  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n"
            "  val-bogus-ttl: 0\n  infra-host-ttl: 0\n  ede: yes\n"
            '  local-zone: "2.0.192.in-addr.arpa" nodefault\n'
            + "".join(f'  trust-anchor: "{a}. DNSKEY {server.dnskey.to_text()}"\n' for a in anchors)
            + "remote-control:\n  control-enable: no\n"
            + "".join(
                f'stub-zone:\n  name: "{zone}"\n  stub-addr: {server.at.replace(":", "@")}\n'
                for zone in (".", *server.zones)
            )
        )
        processes.append(
            subprocess.Popen(
                [need("unbound"), "-d", "-c", home / "unbound.conf"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        eventually(lambda: _answers(port), "Unbound's start")
        return f"127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        process.wait(60)


@pytest.fixture
def at_port_53() -> Iterator[Callable[[str], str]]:
    """Give a DNS server of this machine an address of its own whose port 53 leads to it (UDP)."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:

        def listen(server: str) -> str:
            dice = random.SystemRandom()
            address = ".".join(("127", *(str(dice.randint(1, 250)) for _ in range(3))))
            front = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                front.bind((address, 53))
            except PermissionError:
                pytest.skip("only root can listen at port 53")
            front.settimeout(0.05)
            host, port = server.split(":")
            thread = threading.Thread(target=_forward, args=(front, (host, int(port)), over))
            thread.start()
            stack.callback(thread.join)
            stack.callback(over.set)
            return address

        yield listen


def _forward(front: socket.socket, back: tuple[str, int], over: threading.Event) -> None:
    while not over.is_set():
        with (
            contextlib.suppress(TimeoutError),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking,
        ):
            data, asker = front.recvfrom(4096)
            asking.settimeout(2.0)
            asking.sendto(data, back)
            front.sendto(asking.recv(65535), asker)


def _answers(port: int) -> bool:
    try:
        dns.query.udp(dns.message.make_query("example", "A"), "127.0.0.1", 1, port)
    except (OSError, dns.exception.Timeout):
        return False
    return True
