"""Tables on standard output, progress on standard error."""

import sys


def heading(text):
    print(f"\n\n== {text} ==", flush=True)


def say(text):
    print(text, flush=True)


def progress(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def table(head, rows):
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)


def goal(text, reached):
    """A goal and whether this run reached it."""
    say(f"  {'reached' if reached else 'MISSED '}  {text}")


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
