"""Stands in for actions/setup-python: the version that the file asks for has to be the one that runs the tests."""

import os
import platform
import sys
from pathlib import Path

wanted, have = Path(os.environ["WITH_PYTHON_VERSION_FILE"]).read_text().strip(), platform.python_version()
if not f"{have}.".startswith(f"{wanted}."):
    sys.exit(f"{wanted} is asked for, {have} is here")
