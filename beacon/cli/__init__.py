"""The commands of `beacon`. docs/cli.md promises what each prints and its exit status.

    arguments -> parser -> run_commands       run, check, probe, replay, dns, sandbox: work alone
                        -> operator_commands  status, explain, acknowledge ...: ask the daemon
                              -> client -> control socket -> render, render_incidents -> stdout

What comes in: arguments, the environment, the daemon's answers. What is decided: nothing about any
service; that is the daemon's part. What goes out: text or one JSON document, and an exit status.
What must never happen: an import that `beacon --version` does not need (modules are imported by the
command that needs them), or an exit status that depends on who reads the output.
"""
