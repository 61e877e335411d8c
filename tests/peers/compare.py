"""reco compared with its peers; started by the script `compare`."""

import argparse
import time

import data
import reco
import report

SECTIONS = ["movielens", "bookcrossing", "ratings", "scale"]


def main():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; without any: all")
    parser.add_argument("--quick", action="store_true", help="smaller libraries, a few points of each grid, no repetitions: decides nothing")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    if arguments.quick:
        report.say("--quick: the peers are not fully tuned and nothing is repeated, so no goal is decided here")
    for section in SECTIONS:
        if section in (arguments.sections or SECTIONS):
            begun = time.perf_counter()
            globals()[section](arguments.quick)
            report.say(f"({section}: {time.perf_counter() - begun:.0f} s)")


def movielens(quick):
    import ranking
    import speed

    report.heading("MovieLens 100k: top 10")
    folder = reco.DATA / "movielens"
    data.movielens(folder)
    chosen = ranking.compare(folder, quick, ranking.movielens_goals, with_catalogue=False)
    report.heading("MovieLens 100k: time to quality")
    speed.compare(folder, chosen, quick)


def bookcrossing(quick):
    import ranking
    import speed

    report.heading("Book-Crossing: top 10")
    folder = reco.DATA / "bookcrossing"
    data.book_crossing(folder)
    chosen = ranking.compare(folder, quick, ranking.book_crossing_goals, with_catalogue=True)
    report.heading("Book-Crossing: time to quality")
    speed.compare(folder, chosen, quick)


def ratings(quick):
    import explicit

    report.heading("MovieLens 100k: predicted stars")
    folder = reco.DATA / "movielens"
    data.movielens(folder)
    explicit.compare(folder, quick)


def scale(quick):
    import scale as sizes

    report.heading("Generated libraries")
    folder = reco.DATA / "library"
    sizes.compare(folder, quick)
    # Some gigabytes, and generated in seconds.
    sizes.clean(folder)


if __name__ == "__main__":
    main()
