"""From YAML to frozen settings.

    yaml → decoder (by the types of file_schema) → resolve, checks → schema

In: files of an administrator. Out: `config.schema.Config`, or a list of all mistakes with file,
line, what is allowed and the nearest right word. `fields` are the types settings are made of,
`file_fields` those of the file alone.

Must never happen: a mistake is found only when the probe runs; a secret is quoted.
"""
