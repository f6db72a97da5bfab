"""`python -m beacon`."""

import sys

from beacon.cli import main

sys.exit(main())
