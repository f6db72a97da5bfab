"""YAML to frozen settings. Is handed the probe registry and does not know it."""
