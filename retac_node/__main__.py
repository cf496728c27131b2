"""Starts the command line: `retac`, or `python -m retac_node`."""

import sys

from retac_node.cli import main

if __name__ == "__main__":
    sys.exit(main())
