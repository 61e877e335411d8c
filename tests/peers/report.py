"""Tables on standard output."""


def heading(text):
    print(f"\n\n== {text} ==", flush=True)


def say(text):
    print(text, flush=True)


def table(head, rows):
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        first, *others = [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join([first, *others]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)


def goal(text, reached):
    """A goal and whether this run reached it."""
    say(f"  {'reached' if reached else 'MISSED '}  {text}")


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
