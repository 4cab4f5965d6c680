"""Make an API key of the service: shown once, known to the service by its hash alone.

Usage: python -m serve.key --name NAME --scopes predict[,feedback][,admin]

Reads   nothing.
Prints  key=... for the caller, and line=... for API_KEYS_FILE (or API_KEYS) of the service.
Exits   0 made, 2 used wrongly.
"""

import argparse
import sys
from collections.abc import Sequence

from serve.guard.keys import SCOPES, line_of, make
from serve.guard.settings import SettingError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--name", required=True, help="whose key: letters, digits, - _ and . (logs show it)")
    options.add_argument("--scopes", required=True, help=f"what it is for, of {', '.join(SCOPES)}, parted by commas")
    given = options.parse_args(argv)
    key = make()
    try:
        line = line_of(key, given.name, given.scopes)
    except SettingError as error:
        print(f"serve.key: {error}", file=sys.stderr)  # noqa: T201  a script of the image, where no log is
        return 2
    print(f"key={key}\nline={line}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
