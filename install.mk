# As a systemd service: sudo make install, sudo make uninstall (PURGE=1: configuration too).
# ROOT=DIR puts everything below DIR and leaves systemd alone.
.PHONY: install uninstall

install uninstall:
	@ROOT="$(ROOT)" PYTHON="$(or $(SYSTEM_PYTHON),/usr/bin/python3)" PURGE="$(PURGE)" systemd/install.sh $@
