"""What vendors say of themselves, and how their programming interfaces are asked.

`status` turns a vendor's words into a reading: fine, admits trouble, or dead source. `feed` and
`announcements` read status feeds. `graph`, `duo`, `openid` sign and ask.

A claim advises. It never makes a service red or green by itself.
"""
