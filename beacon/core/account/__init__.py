"""Accounts: how often our credentials may leave before one attempt is accepted.

In:      what became of every attempt, whichever endpoint made it.
Out:     before when no endpoint may sign in with the account, and whether an operator is needed.
Decided: before when the next attempt may be made, and whether a request without credentials
         comes first (docs/probes/sign-ins.md).

    budget    what was spent of one account
    guard     what is known of one endpoint's sign-ins
    approach  what a run may send

Must never happen: an account is locked by us; a person has to act where we can find out by
ourselves that the server is back.
"""
