"""Sessions of psql that a test controls over pipes. They stay connected after an error."""

import os
import queue
import re
import subprocess
import sys
import threading
import time

TRAINING_TIMEOUT = 600.0
NOTICE = re.compile(r"NOTICE: .*reco: (\w+)")
ERROR = re.compile(r"(?:ERROR|FATAL):  (\w{5}): ")


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


class Session:
    """A connected psql. Each line of its output has the moment at which it was read."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines = queue.Queue()
        self.marks = 0
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()
        self.pid = int(self.query("SELECT pg_backend_pid();")[0])

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), line.rstrip("\n")))
        self.lines.put((time.monotonic(), None))

    def next_line(self, timeout):
        """The next (moment, line); the line is None once psql has ended."""
        try:
            return self.lines.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None

    def start(self, sql):
        """Sends a statement and gives the mark that psql prints after it."""
        check(not self.ended, "the server closed this session, see its log")
        self.marks += 1
        mark = f"mark-{self.marks}"
        # \warn goes to stderr, which psql does not buffer.
        self.process.stdin.write(f"{sql}\n\\warn {mark}\n")
        self.process.stdin.flush()
        return mark

    def finish(self, mark, timeout=TRAINING_TIMEOUT):
        """Lines up to the mark (or up to the end of psql), each with its moment."""
        deadline = time.monotonic() + timeout
        lines = []
        while True:
            item = self.next_line(deadline - time.monotonic())
            check(item is not None, f"no answer within {timeout} s; so far: {[line for _, line in lines]}")
            self.ended = item[1] is None
            if self.ended or item[1] == mark:
                return lines
            lines.append(item)

    def query(self, sql):
        lines = [line for _, line in self.finish(self.start(sql), 60)]
        check(not self.ended, f"the server closed a session that nobody terminated, see its log: {lines}")
        errors = [line for line in lines if ERROR.search(line)]
        check(not errors, f"{sql} failed: {lines}")
        return lines

    def wait_for_phase(self, phase):
        """Returns at the first notice of the phase."""
        deadline = time.monotonic() + TRAINING_TIMEOUT
        while True:
            item = self.next_line(deadline - time.monotonic())
            check(item is not None, f"no notice of the phase '{phase}' within {TRAINING_TIMEOUT} s")
            line = item[1]
            check(line is not None, f"the server closed this session before the phase '{phase}', see its log")
            check(not line.startswith("mark-"), f"the training ended without a notice of the phase '{phase}'")
            check(not ERROR.search(line), f"the training failed before the phase '{phase}': {line}")
            found = NOTICE.search(line)
            if found and found.group(1) == phase:
                return

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=10)


def first_error(lines):
    """(moment, SQLSTATE, text) of the first error, with its detail and hint lines; None without one."""
    for number, (moment, line) in enumerate(lines):
        found = ERROR.search(line)
        if found:
            return moment, found.group(1), " ".join(text for _, text in lines[number:])
    return None


def run(main):
    """Runs a suite; its first failure is the message that it exits with."""
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
