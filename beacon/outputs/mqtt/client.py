"""One connection to the broker, from dialling to its end: paho, and nothing of the beacon.

A client is used once. A new one has no memory, so messages that an old one left in flight cannot
overwrite fresh state. Every method runs in one thread, callbacks too: paho's own loops would write
to the socket from two threads as soon as somebody publishes. Callbacks only store what they get; it
is handled after they have returned, and a bug in one surfaces in `turn`.
"""

import logging
import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from beacon.config.schema import Mqtt
from beacon.engine.redaction import Secrets, quoted
from beacon.engine.run import DeadlinePassed
from beacon.net.probe_failure import ProbeFailure
from beacon.outputs.mqtt.bounded_client import BoundedClient
from beacon.outputs.mqtt.broker_answer import no_broker, refusal
from beacon.outputs.mqtt.dialling_client import why_not
from beacon.outputs.mqtt.topics import Publication

_log = logging.getLogger(__name__)

KEEPALIVE: Final = 30
"""Seconds; a silent broker is given up after at most twice this."""

TAKEN_OVER: Final = "Session taken over"
"""What a broker of MQTT 5 sends when another client connects with our id."""


class Lost(Exception):
    """The broker cannot be reached, rejects us, or is gone; the message says why."""


class Subscription(NamedTuple):
    """Topics to subscribe to. `retained`: also to what was published before."""

    topics: str
    qos: int
    retained: bool = False


def client_id(site: str) -> str:
    """The client id of one beacon."""
    return f"mfa-beacon-{site}"


class MqttClient:
    """A connection. `patience` is how long dialling may take, in seconds.

    `largest` is how many bytes a message may have; a larger one is dropped.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        name: str,
        will: Publication,
        subscriptions: Sequence[Subscription],
        *,
        patience: float,
        largest: int,
    ) -> None:
        self.connected = False
        self.arrived: list[MQTTMessage] = []
        self._mqtt, self._name, self._largest = mqtt, name, largest
        self._subscriptions = subscriptions
        self._refusal = ""
        self._trouble = ""
        self._lost = False
        self._logged: set[str] = set()
        self._client = self._new_client(name, will)
        self._client.connect_timeout = patience

    def _new_client(self, name: str, will: Publication) -> BoundedClient:
        five = self._mqtt.protocol == "5"
        client = BoundedClient(
            self._largest,
            client_id=name,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.policy = self._mqtt.tls if self._mqtt.encrypted else None
        if self._mqtt.username is not None:
            password = self._mqtt.password
            client.username_pw_set(
                self._mqtt.username, None if password is None else password.reveal()
            )
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_log = self._on_log
        return client

    # --- what the beacon does ---

    def dial(self) -> None:
        """Connect and send CONNECT; raises `Lost`."""
        where = f"{self._mqtt.host}:{self._mqtt.port}"
        try:
            self._connect()
            sock: Any = self._client.socket()
            # An event must not wait for the acknowledgement of the state sent before it.
            if sock is not None:  # the broker may have hung up already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except ProbeFailure as trouble:
            raise Lost(why_not(self._mqtt.host, self._mqtt.port, trouble.reading)) from None
        except DeadlinePassed:
            raise Lost(f"no answer from {where}") from None
        except OSError as error:
            raise Lost(f"cannot connect to {where}: {error.strerror or error}") from None

    def _connect(self) -> None:
        properties = None
        if self._mqtt.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = self._largest
        self._client.connect(
            self._mqtt.host, self._mqtt.port, keepalive=KEEPALIVE, properties=properties
        )

    def turn(self, wake: int, timeout: float) -> None:
        """Wait for the broker, for `wake` to be readable, or for `timeout`; raises `Lost`."""
        sock: Any = self._client.socket()
        if sock is None:
            raise Lost(self._cause())
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        # poll, not select: with many probes running a socket's number may be above 1023.
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.congested else 0))
        wait = 0.0 if pending else max(0.0, min(timeout, 1.0))
        events = dict(poll.poll(wait * 1000)).get(sock.fileno(), 0)
        if pending or events & ~select.POLLOUT:
            code = self._client.loop_read()
            if not (self.connected or self._refusal):
                self._check_opening(code)
            for dropped in self._client.dropped():
                self._warn_once(dropped)
        if events & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()
        if self._lost or self._client.socket() is None:
            raise Lost(self._cause())

    @property
    def congested(self) -> bool:
        """Whether the broker has not taken all that was sent: send nothing more for now."""
        return self._client.want_write()

    def publish(self, message: Publication) -> MQTTMessageInfo:
        """Send one message; only while connected."""
        return self._client.publish(message.topic, message.payload, message.qos, message.retain)

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Subscribe to these topics, too."""
        for topics, qos, retained in subscriptions:
            if self._mqtt.protocol == "5":
                handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
                if not retained:
                    handling = SubscribeOptions.RETAIN_DO_NOT_SEND
                options = SubscribeOptions(
                    qos=qos,
                    # A live message, too, must show that it was published as retained.
                    retainAsPublished=True,
                    retainHandling=handling,
                )
                self._client.subscribe(topics, options=options)
            else:
                self._client.subscribe(topics, qos)

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Unsubscribe from these topics."""
        self._client.unsubscribe(list(topics))

    def disconnect(self) -> None:
        """Disconnect in order: the broker then does not publish the last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Cut the connection, if it is still there."""
        sock: Any = self._client.socket()
        if sock is not None:
            sock.close()

    # --- what paho calls ---

    def _on_connect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, props: object
    ) -> None:
        if reason.is_failure:
            unknown = self._mqtt.protocol == "3.1.1" and reason == "Unspecified error"
            self._note_refusal(self._unknown_answer() if unknown else str(reason), props)
            return
        self.subscribe(self._subscriptions)
        self.connected = True

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        props: object,
    ) -> None:
        self._lost = True
        if flags.is_disconnect_packet_from_server:
            ended = f"the broker ended it: {self._with_reason_string(reason, props)}"
            self._refusal = self._refusal or ended

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.arrived.append(message)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _props: object
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._warn_once(f"the broker refuses a subscription: {reason}: check its ACL")

    def _on_publish(
        self, _client: Client, _data: object, _mid: int, reason: ReasonCode, _props: object
    ) -> None:
        if reason.is_failure:
            self._warn_once(f"the broker refuses what we publish: {reason}: check its ACL")

    def _on_log(self, _client: Client, _data: object, level: int, words: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:  # the only place where paho gives the cause
            self._trouble = words

    # --- messages ---

    def _warn_once(self, words: str) -> None:
        if words not in self._logged:
            self._logged.add(words)
            _log.warning("MQTT: %s", words)

    def _check_opening(self, code: MQTTErrorCode) -> None:
        """Find out what answered, if it is no broker, or none that paho understands."""
        opening, where = self._client.opening, f"{self._mqtt.host}:{self._mqtt.port}"
        if stranger := no_broker(opening, where):
            self._refusal = stranger
            self._lost = True
        elif code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            self._note_refusal(self._unknown_answer())

    def _unknown_answer(self) -> str:
        return refusal(self._client.opening, self._mqtt.protocol)

    def _note_refusal(self, reason: str, props: object = None) -> None:
        cure = self._advice(reason)
        reason_given = self._with_reason_string(reason, props)
        self._refusal = f"the broker refuses us: {reason_given}" + (f": {cure}" if cure else "")

    def _with_reason_string(self, reason: ReasonCode | str, props: object) -> str:
        """The broker's reason code, with its reason string if it sends one."""
        words = quoted(getattr(props, "ReasonString", ""))
        if not words:
            return str(reason)
        secrets = Secrets()
        secrets.hide_in(self._mqtt)
        return secrets.clear(f"{reason} ({words})")

    def _advice(self, reason: str) -> str:
        """What to do about a refusal. A broker does not say whether password or id is wrong."""
        admitted = f"whether it admits the client id {self._name} (mosquitto: clientid_prefixes)"
        match reason:
            case "Not authorized" | "Bad user name or password" if self._mqtt.username is None:
                return f"set mqtt.username and mqtt.password if it wants them; see {admitted}"
            case "Not authorized" | "Bad user name or password":
                return f"check mqtt.username and mqtt.password, and {admitted}"
            case "Client identifier not valid":
                return f"see {admitted}; `site` is part of it"
            case "Unsupported protocol version":
                other = "3.1.1" if self._mqtt.protocol == "5" else "5"
                return f'try mqtt.protocol: "{other}"'
        return ""

    def _cause(self) -> str:
        if self._refusal:
            return self._refusal
        if "CERTIFICATE_REQUIRED" in self._trouble:
            return "TLS: the broker wants a client certificate: set mqtt.tls.certificate and key"
        if "SSL" in self._trouble:
            return f"TLS: {self._trouble}"
        if self.connected:
            return "the connection was lost, and the broker gave no reason"
        words = "the broker closed the connection without an answer"
        if not self._mqtt.encrypted:
            words += "; if it is a TLS port: mqtts:// in mqtt.broker"
        elif self._mqtt.tls.certificate is None:
            words += "; perhaps it wants a client certificate: mqtt.tls.certificate and key"
        if self._mqtt.protocol == "5":
            words += '; if it is an old one: mqtt.protocol: "3.1.1"'
        return words
