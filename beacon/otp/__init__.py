"""One-time codes: making them, using each only once, and waiting for those that are sent.

In:      a secret and the clock; or a mailbox and a pattern.
Out:     one code, masked in everything the run writes; or a `ProbeFailure` that says why not.
Decided: whether a code may still be used; which message belongs to this run; whether a message
         is lost, or our modem cannot receive.

    used_codes                TOTP and HOTP; the ledger of used codes
    code_setting              the setting `code:` of a sign-in: its TOTP or HOTP token
    code_mailbox              finds a code in a message, as a reader would
    gammu_inbox, gammu_modem  text messages of gammu-smsd, and its modem's state
    mailbox_setting           the mailboxes that a configuration can name
    daily_quota               limits what costs money

Must never happen: one code is sent twice, also over restarts and reloads; a code of an earlier
run counts as this run's (docs/adr/0021, docs/adr/0022); a code or a message reaches a log.
"""
