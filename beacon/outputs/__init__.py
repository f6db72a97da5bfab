"""Effects to the world: lamps, buzzer, MQTT, systemd, terminal. Idempotent, never blocking."""
