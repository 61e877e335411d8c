"""What a pool of idle connections costs."""

import os
import re
import statistics
from contextlib import ExitStack

import cluster
import report

CONNECTIONS = 100
CALLS = 20
SCORE = "SELECT reco_scores(%s, %s)"
# With as many parameters and tables as a score, and look-ups by index, as in any page.
ORDINARY = """
SELECT l.autor_id, count(*), avg(r.estrellas)
FROM libro l LEFT JOIN resena r ON r.libro_id = l.id AND r.usuario_id = %s LEFT JOIN autor a ON a.id = l.autor_id
WHERE l.id = ANY (%s) GROUP BY l.autor_id
"""


def measure(requests, _quick):
    report.heading(f"{CONNECTIONS} idle connections")
    kinds = {"no query": None, "an ordinary query": ORDINARY, "reco_scores": SCORE}
    rows = {name: idle(query, requests) for name, query in kinds.items()}
    parts = ["memory", "model", "programs"]
    report.table(
        [f"private MB each after {CALLS} calls", *parts, "sum"],
        [[name, *(f"{row[part]:.2f}" for part in parts), f"{sum(row.values()):.2f}"] for name, row in rows.items()],
    )
    sums = {name: sum(row.values()) for name, row in rows.items()}
    for name in ["no query", "an ordinary query"]:
        more = sums["reco_scores"] - sums[name]
        report.goal(f"{more:.2f} MB more than after {name}, goal under 2", more < 2)


def idle(query, requests):
    """The median private MB of a backend, by part."""
    with ExitStack() as stack:
        pool = [stack.enter_context(cluster.connect()) for _ in range(CONNECTIONS)]
        for connection in pool if query else []:
            for _ in range(CALLS):
                connection.execute(query, (requests.reader(), cluster.array(requests.candidates()))).fetchall()
        found = [private(connection.info.backend_pid) for connection in pool]
    return {part: statistics.median(one[part] for one in found) for part in found[0]}


MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")


def private(pid):
    """MB that no other process has. The server's shared memory is not counted: a page that only one backend has read so
    far is reported as private, although it is not."""
    sums = {"memory": 0, "model": 0, "programs": 0}
    part = None
    with open(f"/proc/{pid}/smaps") as lines:
        for line in lines:
            if header := MAPPING.match(line):
                part = part_of(header[1])
            elif part and line.startswith(("Private_Clean:", "Private_Dirty:")):
                sums[part] += int(line.split()[1]) / 1024
    return sums


def part_of(path):
    if path.startswith(("/dev/zero", "/dev/shm", "/SYSV")):
        return None
    if "pgsql_tmp_reco" in path:
        return "model"
    return "programs" if os.path.isabs(path) else "memory"
