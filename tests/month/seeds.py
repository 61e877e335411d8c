"""What a month came to, and what all of them come to.

usage: seeds.py [--one] MONTH.json...
"""

import json
import math
import statistics
import sys
from pathlib import Path

# Student's quantile of 97.5 % by degrees of freedom.
STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09]
EXPERIMENTS = {"rules": "the model instead of the rules", "weights": "learned weights instead of 50/30/20"}


def gain(new, old):
    return new / old - 1


def shown_gain(experiment):
    """By the tastes, over the pages that the experiment counts. What would be if everybody had one variant differs: readers whose
    pages were better have already read the better books."""
    return gain(experiment["shown_ctr"], experiment["shown_control_ctr"])


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def judged(experiment):
    """Whether the verdict is what the tastes say."""
    truth = gain(experiment["true_ctr"], experiment["true_control_ctr"])
    if experiment["verdict"] not in ("better", "worse"):
        return "undecided"
    return "right" if (experiment["verdict"] == "better") == (truth > 0) else "wrong"


def mean(values):
    """With the 95 % interval over the seeds, where there are several."""
    if len(values) < 2:
        return percent(values[0])
    student = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    reach = student * statistics.stdev(values) / math.sqrt(len(values))
    middle = statistics.mean(values)
    return f"{percent(middle)} ({percent(middle - reach)} to {percent(middle + reach)})"


def ctr_of_dashboard(month):
    by_period = month["dashboard"]["Click-through rate"][0]
    return {name: shown[""] for name, shown in by_period.items()}


def one(month):
    print(f"seed {month['seed']}")
    for name, said in EXPERIMENTS.items():
        e = month["experiments"][name]
        print(f"  {said}: {e['verdict']} on day {e['day']}, {judged(e)}; planned {e['planned']} readers of each")
        print(f"    CTR {percent(e['control_ctr'])} -> {percent(e['ctr'])} %, lift {percent(e['lift'])} %"
              f" ({percent(e['low'])} to {percent(e['high'])}) at the end; by the tastes {percent(shown_gain(e))} %")
        print(f"    everybody by one variant, by the tastes: CTR {percent(e['true_control_ctr'])} -> {percent(e['true_ctr'])} %,"
              f" lift {percent(gain(e['true_ctr'], e['true_control_ctr']))} %;"
              f" precision@10 {e['true_control_precision']:.3f} -> {e['true_precision']:.3f},"
              f" {percent(gain(e['true_precision'], e['true_control_precision']))} %")
    nights = ", ".join(f"{n['runs']} {outcome} in {n['seconds']:.1f} s each" for outcome, n in month["nights"].items())
    print(f"  nights by pg_cron: {month['cron']}; {nights}")
    panels = month["dashboard"]
    empty = [title for title, targets in panels.items() if not any(period for target in targets for period in target.values())]
    shown = ctr_of_dashboard(month)
    print(f"  dashboard: {len(panels)} panels, without data: {', '.join(empty) or 'none'}; click-through rate"
          f" {percent(shown['before'])} % by the rules, {percent(shown['rules'])} % in the first experiment,"
          f" {percent(shown['weights'])} % in the second one")
    size, left = month["sizes"]["month"], month["sizes"]["expired"]
    print(f"  logged: {size['impressions']} impressions and {size['feedback']} events in {size['log_bytes'] / 1e6:.1f} MB;"
          f" {size['models']} models and all else {size['other_bytes'] / 1e6:.1f} MB."
          f" 110 days later {month['expired']} rows expire, {left['log_bytes'] / 1e6:.1f} MB are left.")


def table(months):
    print("seed | experiment | verdict | day | judged | CTR % | lift % | interval | by the tastes % | for everybody % | precision@10 %")
    for month in months:
        for name in EXPERIMENTS:
            e = month["experiments"][name]
            print(" | ".join([
                str(month["seed"]), name, e["verdict"], str(e["day"]), judged(e),
                f"{percent(e['control_ctr'])} -> {percent(e['ctr'])}", percent(e["lift"]), f"{percent(e['low'])} to {percent(e['high'])}",
                percent(shown_gain(e)), percent(gain(e["true_ctr"], e["true_control_ctr"])), percent(gain(e["true_precision"], e["true_control_precision"])),
            ]))


def together(months):
    print(f"{len(months)} seeds, with 95 % intervals over them")
    for name, said in EXPERIMENTS.items():
        es = [month["experiments"][name] for month in months]
        verdicts = [judged(e) for e in es]
        print(f"  {said}: " + ", ".join(f"{verdicts.count(v)} {v}" for v in ("right", "wrong", "undecided"))
              + f"; CTR {mean([e['control_ctr'] for e in es])} -> {mean([e['ctr'] for e in es])} %, lift {mean([e['lift'] for e in es])} %")
        inside = sum(e["low"] <= shown_gain(e) <= e["high"] for e in es)
        print(f"    by the tastes {mean([shown_gain(e) for e in es])} %, inside of the interval in {inside}")
        print(f"    everybody by one variant, by the tastes: lift {mean([gain(e['true_ctr'], e['true_control_ctr']) for e in es])} %,"
              f" precision@10 {mean([gain(e['true_precision'], e['true_control_precision']) for e in es])} %")
    shown = [ctr_of_dashboard(month) for month in months]
    print("  dashboard, click-through rate: " + " -> ".join(f"{mean([s[name] for s in shown])} %" for name in ("before", "rules", "weights")))
    sizes = [month["sizes"] for month in months]
    print(f"  impressions {statistics.mean(s['month']['impressions'] for s in sizes):.0f}, log"
          f" {statistics.mean(s['month']['log_bytes'] for s in sizes) / 1e6:.1f} MB, after it expired"
          f" {statistics.mean(s['expired']['log_bytes'] for s in sizes) / 1e6:.1f} MB")


def main():
    if sys.argv[1] == "--one":
        return one(json.loads(Path(sys.argv[2]).read_text()))
    months = [json.loads(Path(name).read_text()) for name in sys.argv[1:] if Path(name).exists()]
    months.sort(key=lambda month: month["seed"])
    if months:
        table(months)
        together(months)


main()
