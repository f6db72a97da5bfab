"""Mail servers, and messages as people read them.

`imap` watches a mailbox from a moment on. `smtp` hands a message in. `mail_message` finds what a
reader would see in a message of any shape.
"""
