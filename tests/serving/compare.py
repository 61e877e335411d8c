"""Everything that is measured, on one data set; started by the script `compare`, in a cluster."""

import argparse

import against_service
import cluster
import connections
import library
import nightly
import pages
import promotion
import report

DATA_SETS = {"bookcrossing": library.bookcrossing, "library": library.generated}
TITLES = {"bookcrossing": "Book-Crossing", "library": "A generated library"}
SECTIONS = {
    "pages": pages.measure,
    "service": against_service.measure,
    "connections": connections.measure,
    "nightly": nightly.measure,
    "promotion": promotion.measure,
}


def main():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("name", choices=DATA_SETS)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be repeated; without: all")
    parser.add_argument("--quick", action="store_true", help="smaller, shorter, nothing repeated: decides nothing")
    arguments = parser.parse_args()
    report.heading(TITLES[arguments.name])
    if arguments.quick:
        report.say("--quick: smaller, shorter and not repeated, so no goal is decided here")
    library.prepare(DATA_SETS[arguments.name], arguments.quick)
    requests = cluster.Requests()
    for name, measure in SECTIONS.items():
        if name in (arguments.only or SECTIONS):
            measure(requests, arguments.quick)


if __name__ == "__main__":
    main()
