"""What each setting of rotation came to, compared with the first one reader by reader.

usage: rotation.py SEED RESULTS SETTING...
"""

import math
import statistics
import sys
from pathlib import Path


def readers(path):
    """Of each reader who was shown something: shown, opened, expected, different books opened and shown."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {int(line[0]): tuple(float(value) for value in line[1:]) for line in lines}


def gain(new, old, column):
    """The ratio of two means over the same readers less one, in percent, with its 95 % interval by the delta method."""
    common = sorted(new.keys() & old.keys())
    shares = [(new[r][column] / new[r][0], old[r][column] / old[r][0]) for r in common]
    ours, theirs = (statistics.mean(s[i] for s in shares) for i in (0, 1))
    ratio = ours / theirs
    error = statistics.stdev((a - ratio * b) / theirs for a, b in shares) / math.sqrt(len(shares))
    return f"{100 * (ratio - 1):+.1f} ({100 * (ratio - 1 - 1.96 * error):+.1f} to {100 * (ratio - 1 + 1.96 * error):+.1f})"


def main():
    seed, results, settings = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    months = [readers(results / f"{seed}.{setting.replace('/', '.')}" / "readers") for setting in settings]
    print(f"seed {seed}: {len(months[0])} readers; each change is in percent of the first line, with its 95 % interval over the readers")
    print("strength/half-life in days | CTR % | by the tastes % | its change | different books opened of 100 shown | its change | different books shown of 100")
    for setting, month in zip(settings, months):
        total = [sum(reader[i] for reader in month.values()) for i in range(5)]
        cells = [setting, f"{100 * total[1] / total[0]:.2f}", f"{100 * total[2] / total[0]:.2f}", gain(month, months[0], 2),
                 f"{100 * total[3] / total[0]:.2f}", gain(month, months[0], 3), f"{100 * total[4] / total[0]:.1f}"]
        print(" | ".join(cells))


main()
