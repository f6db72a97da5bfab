"""The judgement. Pure: no clock, thread, log, file, network or third party.

In:    events (`core.inputs`): a reading, an operator's command, time that has passed.
Out:   effects (`core.effects`): what to show, sound, publish, probe again; and views of the state.
Rule:  `core.monitor.Monitor.handle(event)` is a fold. The same events give the same effects in the
       same order, so a replay of an incident is the live judgement.

    account/    how often our credentials may leave before one attempt is accepted
    endpoint/   readings → the health of one endpoint
    trust/      whether our own network and clock can be believed
    service/    healths → verdict, incident, cause; then all services together
    operations  what people ask for, done to services and tower
    operator/   what people ask for: acknowledge, shelve, maintenance, bypass …
    tower/      verdicts → lamps and sounds

Must never happen: unknown lowers a verdict; green without fresh proof; time read from anywhere
but an event.
"""
