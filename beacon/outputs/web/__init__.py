"""The HTTP listener: health for other monitors, and pushed readings."""
