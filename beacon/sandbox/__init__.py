"""A small local identity provider to try things on, and the demo; used by the command line only.

In:      ports, and the faults that `beacon sandbox break` or the demo's script switch on.
Out:     a sign-in that really checks one-time codes, a health page, a vendor's status page, the
         DNS of the codes' domain, an MQTT broker; and, for the demo, a drawn tower.
Decided: nothing about health. The demo runs an unmodified daemon, and draws what it publishes.

    world      which faults are on
    servers    starts web, nameserver, broker; web answers with provider and statuspage
    demo       acts: break something, wait until the tower shows it
    mirror     MQTT topics → the screen of the terminal

Must never happen: it listens anywhere but on loopback; its public password opens anything else.
"""
