"""One HTTP request and its answer, as a browser does it, within a budget.

In:      a `Request`, and a `Route`: TLS, proxy, IP version.
Out:     an `Answer`, redirects followed; or a `ProbeFailure`.
Decided: which headers, cookies and bodies another origin may have; whether an answer is complete;
         whether it meets its `expectations`, and so which reading it becomes.

    client              sends, follows redirects, keeps secrets at their origin
    connection          dials, reads the answer, counts its bytes
    auth, cookies       prove who we are, as RFC 6749, 6265 and 7617 say
    expectations        compare an answer with `expect` and `prefer`
    conditional_client  asks public sources only for changes, and not before they allow it

Must never happen: a secret follows a redirect to an origin that is not allowed (docs/adr/0027);
an answer without an end, or a compressed one, fills the memory (docs/bounds.md); an answer that
ended early counts as complete.
"""
