"""How bytes go to a server and come back: dialling, TLS, UDP, DNS, RADIUS.

Each exchange belongs to a `Run`: its deadline shuts the socket, its budget bounds the bytes.
Trouble on the way is a `ProbeFailure` with a reason from the list.

    http/      one request and its answer, as a browser does it
    mail/      IMAP, SMTP, and messages as their readers see them
    parsing/   foreign text: bounded parsers, charsets, dates
"""
