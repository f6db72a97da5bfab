"""One-time codes: making them, using each once, and waiting for those that are sent.

`used_codes` makes TOTP and HOTP codes and never gives one twice, also over restarts.
`code_mailbox` waits for a code in a mailbox or a text message: a code belongs to the run that
asked for it. `gammu_inbox` and `gammu_modem` receive text messages. `daily_quota` bounds what
costs money.
"""
