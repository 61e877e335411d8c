"""A Prometheus that collects reco through the exporter, both as Debian has them, with the files of monitoring/."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from asked import expect, sql

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "monitoring"
TOOLS = Path(os.environ["RECO_CACHE"]) / "tools"
PROMETHEUS = TOOLS / "prometheus/usr/bin/prometheus"
PROMTOOL = TOOLS / "prometheus/usr/bin/promtool"
EXPORTER = TOOLS / "postgres-exporter/usr/bin/prometheus-postgres-exporter"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def waited(look, what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if look():
                return
        except OSError:
            pass
        time.sleep(0.3)
    sys.exit(f"monitoring: {what} did not happen within {seconds} s")


def promtool(*arguments, given=None):
    done = subprocess.run([PROMTOOL, *arguments], input=given, capture_output=True, text=True)
    if done.returncode != 0 or done.stderr.strip():
        sys.exit(f"monitoring: promtool {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")


def names(text):
    return set(re.findall(r"^(reco_\w+)", text, re.M))


class Collected:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.exporter_port, self.port = free_port(), free_port()
        self.processes = []

    def start(self):
        for name in ("rules.yml", "prometheus.yml"):
            shutil.copy(FILES / name, self.directory)
        config = self.directory / "prometheus.yml"
        text = config.read_text().replace("127.0.0.1:9187", f"127.0.0.1:{self.exporter_port}").replace("30s", "1s")
        config.write_text(text)
        source = f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname=postgres user=monitor"
        self.run(
            [EXPORTER, "--disable-default-metrics", "--disable-settings-metrics", f"--web.listen-address=127.0.0.1:{self.exporter_port}",
             f"--extend.query-path={FILES / 'postgres-exporter.yaml'}"],
            {"DATA_SOURCE_NAME": source},
        )
        self.run(
            [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={self.directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            {},
        )
        waited(lambda: "Ready" in get(f"http://127.0.0.1:{self.port}/-/ready"), "Prometheus is ready")
        waited(lambda: self.query("reco_build_info"), "the first collection")

    def run(self, command, environment):
        log = open(self.directory / f"{Path(command[0]).name}.log", "w")
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env={**os.environ, **environment})
        self.processes.append(process)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            return json.loads(get(url))["data"]["result"]
        except urllib.error.HTTPError as error:
            sys.exit(f"monitoring: {expression}: {error.read().decode()}")

    def exported(self):
        return get(f"http://127.0.0.1:{self.exporter_port}/metrics")


def site():
    """Everything that a panel shows has happened: answers by the model and by the rules, failures, nights, alerts."""
    sql("SELECT reco_train()")
    sql("SELECT * FROM reco_nightly()", "SELECT * FROM reco_nightly()")
    sql(
        "INSERT INTO libro SELECT 100000 + i, 'Nuevo ' || i, 1, 1, '2024-01-01' FROM generate_series(1, 5) i",
        "INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)"
        " SELECT 1 + i % 900, 100000 + i % 5, 5, clock_timestamp() FROM generate_series(1, 9000) i",
        "SELECT * FROM reco_check()",
    )


def traffic():
    sql("SELECT reco_scores(u, '{1,2,3}'), (SELECT count(*) FROM reco_recommend(u)) FROM generate_series(1, 40) u")
    sql("SET reco.enabled = off", "SELECT reco_scores(u, '{1,2,3}') FROM generate_series(1, 10) u")
    sql("SELECT reco_scores(1, '{NULL}')", fails=True)
    sql("SELECT * FROM reco_similar(1)")
    sql("SELECT reco_feedback(request_id, item_id, 'click') FROM reco_serve(1, 10, 'home') WHERE rank = 1")


def panels():
    dashboard = json.loads((FILES / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "20s").replace("[1h]", "[20s]").replace("$function", ".*")
            yield panel["title"], expression, target["legendFormat"]


def rules():
    """What each rule compares, without the limit."""
    for name, expression in re.findall(r"- alert: (\w+)\n +expr: (?:\|\n)?(.*?)\n +(?:for|labels):", (FILES / "rules.yml").read_text(), re.S):
        operand = re.sub(r"absent\((\w+)\)", r"\1", expression)
        operand = re.sub(r" > [\d.* ]+$", "", operand.strip()).replace("[15m]", "[20s]")
        yield name, " ".join(expression.split()), operand


def check(collected):
    for title, expression, legend in panels():
        found = collected.query(expression)
        expect(bool(found), True, f"the panel {title} has data: {expression}")
        values = [float(series["value"][1]) for series in found]
        expect(any(value == value for value in values), True, f"the panel {title} has a number: {expression}")
        for label in re.findall(r"{{(\w+)}}", legend):
            expect(all(label in series["metric"] or label == "model" for series in found), True, f"{title}: the label {label}")
    known = list(rules())
    expect(len(known), (FILES / "rules.yml").read_text().count("- alert:"), "rules that are checked")
    for name, _, operand in known:
        expect(bool(collected.query(operand)), True, f"the rule {name} has data: {operand}")
    # What is true of this site raises its alert.
    wanted = {"RecoFallbackRate", "RecoErrors", "RecoStaleModel", "RecoDrift", "RecoAlert"}
    raised = {name for name, whole, _ in known if collected.query(whole.replace("[15m]", "[20s]"))}
    expect(raised, wanted, "alerts")
    # A number that came all the way.
    sent = float(sql("SELECT sum(value) FROM reco_metrics() WHERE name = 'reco_requests_total' AND labels ->> 'function' = 'reco_recommend'"))
    waited(lambda: float(collected.query('sum(reco_requests_total{function="reco_recommend"})')[0]["value"][1]) == sent, "the count arrives")


def main():
    promtool("check", "rules", FILES / "rules.yml")
    promtool("check", "metrics", given=sql("SELECT reco_metrics_text()") + "\n")
    site()
    promtool("check", "metrics", given=sql("SELECT reco_metrics_text()") + "\n")
    with tempfile.TemporaryDirectory() as directory:
        collected = Collected(directory)
        try:
            collected.start()
            promtool("check", "config", Path(directory) / "prometheus.yml")
            shutil.copy(Path(__file__).with_name("rules.test.yml"), directory)
            promtool("test", "rules", Path(directory) / "rules.test.yml")
            for _ in range(6):
                traffic()
                time.sleep(1)
            time.sleep(2)
            check(collected)
            exported, own = names(collected.exported()), set(sql("SELECT DISTINCT name FROM reco_metrics()").split("\n"))
            expect(exported - own, set(), "metrics that the exporter has and reco has not")
            expect(own - exported, set(), "metrics that reco has and the exporter has not")
            typed = set(re.findall(r"^# TYPE (reco_\w+ \w+)", collected.exported(), re.M))
            wanted = set(re.findall(r"^# TYPE (reco_\w+ \w+)", sql("SELECT reco_metrics_text()"), re.M))
            expect(typed, wanted, "types")
            helped = set(re.findall(r"^# HELP (reco_.+)", collected.exported(), re.M))
            wanted = set(re.findall(r"^# HELP (reco_.+)", sql("SELECT reco_metrics_text()"), re.M))
            expect(helped, wanted, "helps")
        finally:
            collected.stop()
            for log in Path(directory).glob("*.log"):
                if sys.exc_info()[0]:
                    print(log.name, log.read_text()[-2000:], file=sys.stderr)
    print(f"monitoring: {len(list(panels()))} queries of the dashboard and {len(list(rules()))} rules have data")


main()
