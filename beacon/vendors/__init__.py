"""What vendors say about themselves, and how their programming interfaces are called.

In:      answers of status pages, feeds and programming interfaces: foreign text.
Out:     the reading of a claim: fine, an admission, or a dead source; for interfaces the
         parsed answer.
Decided: which announcements are about us, whether an incident is over, how severe it is.

    status         several admissions → one reading, the worst first
    feed           Atom and RSS → entries
    announcements  one entry → severity of its incident, by its newest update
    graph, duo     signed calls to Microsoft Graph and Duo
    openid         discovery, keys and tokens of an OpenID provider

Must never happen: a claim alone makes a service red or green (docs/probes/claims.md); a source
that cannot be read or understood counts as fine (docs/adr/0020).
"""
