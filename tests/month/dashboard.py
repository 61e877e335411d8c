"""A Prometheus that has the month's metrics answers the queries of monitoring/grafana.json.

usage: dashboard.py METRICS FIRST_DAY START SWITCH DAYS
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import socket

TOOLS = Path(os.environ["RECO_CACHE"]) / "tools/prometheus/usr/bin"
DASHBOARD = Path(__file__).resolve().parents[2] / "monitoring/grafana.json"
# The month is collected at 8:30 and 21:30, so a rate is that of what lies between.
WINDOW = "14h"


def blocks(metrics, directory):
    """The lines as Prometheus' stored blocks."""
    text = directory / "metrics.om"
    text.write_text(Path(metrics).read_text() + "# EOF\n")
    command = [TOOLS / "promtool", "tsdb", "create-blocks-from", "openmetrics", text, directory / "data"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"month: promtool: {done.stdout[-1000:]}{done.stderr[-1000:]}")


class Prometheus:
    def __init__(self, directory):
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        (directory / "prometheus.yml").write_text("")
        self.log = directory / "log"
        self.process = subprocess.Popen(
            [TOOLS / "prometheus", f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}",
             "--storage.tsdb.retention.time=10y", f"--web.listen-address={self.url.removeprefix('http://')}"],
            stdout=self.log.open("w"), stderr=subprocess.STDOUT,
        )

    def wait(self):
        for _ in range(300):
            try:
                return urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).read()
            except OSError:
                time.sleep(0.1)
        sys.exit(f"month: Prometheus is not ready: {self.log.read_text()[-2000:]}")

    def query(self, expression, moment):
        asked = urllib.parse.urlencode({"query": expression, "time": moment.timestamp()})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=30) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            sys.exit(f"month: {expression}: {error.read().decode()}")


def panels():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", WINDOW).replace("[1h]", f"[{WINDOW}]").replace("$function", ".*")
            yield panel["title"], expression


def over(prometheus, expression, evenings):
    """The mean of each series over these evenings, by its labels."""
    found = {}
    for evening in evenings:
        for series in prometheus.query(expression, evening):
            labels = " ".join(f"{value}" for name, value in sorted(series["metric"].items()) if name != "__name__")
            value = float(series["value"][1])
            if value == value:
                found.setdefault(labels, []).append(value)
    return {labels: sum(values) / len(values) for labels, values in found.items()}


def main():
    metrics, first, start, switch, days = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    opened = datetime.fromisoformat(first).replace(tzinfo=timezone.utc) + timedelta(hours=21, minutes=30, seconds=30)
    evenings = [opened + timedelta(days=day) for day in range(days + 1)]
    periods = {"before": evenings[1:start], "rules": evenings[start:switch], "weights": evenings[switch:]}
    with tempfile.TemporaryDirectory() as directory:
        blocks(metrics, Path(directory))
        prometheus = Prometheus(Path(directory))
        try:
            prometheus.wait()
            shown = {}
            for title, expression in panels():
                by_period = {name: over(prometheus, expression, period) for name, period in periods.items()}
                shown.setdefault(title, []).append(by_period)
        finally:
            prometheus.process.terminate()
            prometheus.process.wait()
    print(json.dumps(shown))


main()
