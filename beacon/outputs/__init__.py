"""Effects to the world. An output is offered each effect and never blocks.

`documents` makes the bodies of payloads. `journal` logs, `terminal` draws, `systemd` notifies,
`push_gateway` takes in what others push.

    tower/  mqtt/  history/  control/  web/

Must never happen: an output holds the judge; a retained message outlives a judge that has died.
"""
