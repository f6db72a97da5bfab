"""The commands of `beacon`. What each prints and its exit status is promised in docs/cli.md."""
