"""`python -m beacon`."""

import sys

from beacon.cli.main import main

sys.exit(main())
