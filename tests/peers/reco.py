"""The program `peers` (reco's side), and where things lie."""

import json
import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ["RECO_CACHE"])
DATA = CACHE / "peers-data"
DOWNLOADS = CACHE / "data"
PROGRAM = Path(os.environ["CARGO_TARGET_DIR"]) / "release" / "peers"


def run(command, *arguments, **options):
    """What a command of the program prints; options as --their-name."""
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    done = subprocess.run([PROGRAM, command, *map(str, arguments), *flags], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def judge(cut, lists):
    """The one scorer of every list here: by name, means and, by user, precision, recall, NDCG, AP, RR and hit."""
    return dict(zip(lists, run("judge", cut.folder, *lists.values())))


def ndcg(cut, paths):
    return [judged["mean"]["ndcg"] for judged in run("judge", cut.folder, *paths)]
