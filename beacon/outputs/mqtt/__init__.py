"""MQTT in the manner of Home Assistant.

`topics` and `homeassistant` say what is published where. `outbox` holds the latest of each topic.
`client` connects; `session` is one connection: states first, then `online`. `stalled` speaks for
a judge that hangs.
"""
