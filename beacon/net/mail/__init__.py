"""Mail servers, and messages as people read them.

In:      an account at a server, and the run.
Out:     the messages that arrive from the opening on (`imap`); a message handed over (`smtp`).
Decided: which folder is for junk; what a person would see of a message (`mail_message`); whether
         a refused sign-in is our fault.

    imap, imap_client, imap_folders    watch a folder, and the one for junk
    smtp                               hands over one message, as a sender of codes does
    mail_server                        settings, sign-in and errors of both
    mail_message, mime, mail_html      take a message apart, in time that grows with its bytes only

Must never happen: a message of any shape raises, or costs more than its bytes (docs/adr/0031,
docs/bounds.md); a server's words are quoted, since they may contain what it was sent; a message
that is not the probe's own is deleted.
"""
