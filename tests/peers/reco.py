"""The program `peers` (reco's side), and where its files are."""

import json
import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ["RECO_CACHE"])
DATA = CACHE / "peers-data"
PROGRAM = Path(os.environ["CARGO_TARGET_DIR"]) / "release" / "peers"


def run(command, *arguments, **options):
    """Runs a command of the program and gives its output; options become --their-name."""
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    done = subprocess.run([PROGRAM, command, *map(str, arguments), *flags], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def evaluate(cut, lists):
    """Metrics of the lists by name: means, and precision, recall, NDCG, AP, RR and hit of each user."""
    return dict(zip(lists, run("evaluate", cut.folder, *lists.values())))


def ndcg(cut, paths):
    return [lists["mean"]["ndcg"] for lists in run("evaluate", cut.folder, *paths)]
