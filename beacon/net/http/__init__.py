"""One HTTP request and its answer, as a browser does it, within a budget.

`client` sends and follows redirects; secrets stay with the origin they were configured for.
`connection` counts the bytes. `expectations` judge an answer. `conditional_client` asks public
sources only for what has changed.
"""
