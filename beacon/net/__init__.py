"""How bytes go to a server and come back: dialling, TLS, UDP, DNS, RADIUS.

In:      what to send, and the `Run` it belongs to: its deadline, its budget of bytes, its notes.
Out:     the server's answer, parsed; or a `ProbeFailure` with a reason from the closed list.
Decided: which address is tried first, when to send again, whether an answer is the server's own.
         What an answer means for an endpoint is decided by its probe.

    name → dial (all addresses, RFC 8305) → tls → protocol → answer
                └── ADDRESSES remembers which address of a name is dead

    http/      one request and its answer, as a browser does it
    mail/      IMAP, SMTP, and messages as their readers see them
    parsing/   foreign text: bounded parsers, charsets, dates

Must never happen: a wait or a read without a limit (docs/bounds.md); a secret sent to an origin
that it was not configured for (docs/adr/0027); a server's text quoted unmasked (docs/adr/0028).
"""
