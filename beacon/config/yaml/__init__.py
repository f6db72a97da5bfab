"""YAML files to one tree in which every value and every key knows its place.

    reader (files, includes, packages) → composer (one text) → nodes
                                       → secret_files (`!secret`)

Nothing here knows what a setting is: `beacon.config.decoder` gives the tree its types.

Must never happen: a small file costs much memory or time; a secret is quoted in a problem.
"""
