"""Checks that the documents agree with the database and the repository.

Fences, in README.md and docs/reference.md:
  sql   runs, in document order, in one psql session that stops at the first error
  text  after a sql block: its column headers must be those that psql printed (the figures may differ)
  pgsql is not run, unless it ends with "-- SQLSTATE xxxxx": then it must fail with that SQLSTATE
  sh    is not run, but every command in it must exist
  ts, python, java  in the reference: each line is one of tests/clients
  ts    in the README: its lines stand like this, one after the other, in the backend of tests/mikro-orm
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "@@ block at line "
PSQL = ["psql", "-X", "-v", "ON_ERROR_STOP=1"]

problems = []


def check(condition, problem):
    if not condition:
        problems.append(problem)


class Block:
    def __init__(self, language, line, text):
        self.language, self.line, self.text = language, line, text


class Document:
    def __init__(self, name, database=None):
        self.name, self.database = name, database
        self.text = (ROOT / name).read_text(encoding="utf-8")
        self.blocks = [
            Block(m[1], self.text.count("\n", 0, m.start()) + 1, m[2])
            for m in re.finditer(r"^```(\w*)\n(.*?)^```$", self.text, re.M | re.S)
        ]

    def place(self, block):
        return f"{self.name}:{block.line}"

    def section(self, heading):
        """What follows a heading (a regular expression), up to the next one of any level."""
        found = re.search(rf"^#+ {heading}$(.*?)(?=^#+ |\Z)", self.text, re.M | re.S)
        check(found, f"{self.name} has no heading like: {heading}")
        return found[1] if found else ""


def query(sql, database="reference"):
    """The rows of a query as dictionaries."""
    sql = f"SELECT coalesce(json_agg(q), '[]') FROM ({sql}) q"
    done = subprocess.run([*PSQL, "-q", "-A", "-t", "-d", database, "-c", sql], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"docs: {done.stderr}\nin: {sql}")
    return json.loads(done.stdout)


def error_free(sql):
    """What psql prints for a statement."""
    done = subprocess.run([*PSQL, "-q", "-A", "-t", "-d", "reference", "-c", sql], capture_output=True, text=True, check=True)
    return done.stdout


def error_of(sql):
    """The error output of psql for a statement that should fail; empty if it works."""
    command = [*PSQL, "-q", "-d", "reference", "-v", "VERBOSITY=verbose"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def tables(text):
    """The rows of all Markdown tables in a text, as lists of cells, without headers and lines."""
    lines = text.split("\n")
    for line, following in zip(lines, lines[1:] + [""]):
        if line.startswith("|") and not re.match(r"\|[-| ]+\|$", line) and not re.match(r"\|[-| ]+\|$", following):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(text):
    return re.findall(r"`([^`\n]+)`", text)


def unquoted(cell):
    return cell.strip("`")


# The SQL and the commands of the documents


def run_sql(document):
    """Runs the sql blocks; gives the output of psql by block."""
    blocks = [b for b in document.blocks if b.language == "sql"]
    script = "\\pset pager off\n" + "".join(f"\\echo '{MARK}{b.line}'\n{b.text}\n" for b in blocks)
    done = subprocess.run([*PSQL, "-d", document.database], input=script, capture_output=True, text=True)
    printed = dict(re.findall(rf"^{MARK}(\d+)\n(.*?)(?=^{MARK}|\Z)", done.stdout, re.M | re.S))
    if done.returncode:
        last = list(printed)[-1]
        sys.exit(f"docs: the sql block at {document.name}:{last} fails:\n{errors_only(done.stderr)}")
    print(f"{document.name}: {len(blocks)} sql blocks ran")
    return {int(line): text for line, text in printed.items()}


def errors_only(text):
    return "\n".join(line for line in text.splitlines() if "NOTICE:" not in line)


def headers(text):
    """The column names of every table that psql drew, one tuple per table."""
    lines = text.split("\n")
    for line, rule in zip(lines, lines[1:]):
        if re.fullmatch(r"-[-+]+", rule) and line.strip():
            yield tuple(cell.strip() for cell in line.split("|"))
    for record in re.findall(r"^-\[ RECORD 1 \][-+]*\n((?:.*\|.*\n?)+)", text, re.M):
        yield tuple(line.split("|")[0].strip() for line in record.strip("\n").split("\n"))


def check_outputs(document, printed):
    for block, following in zip(document.blocks, document.blocks[1:]):
        if block.language == "sql" and following.language == "text":
            shown, real = list(headers(following.text)), list(headers(printed[block.line]))
            check(shown, f"{document.place(following)} follows a sql block and shows no table")
            for header in shown:
                check(header in real, f"{document.place(following)} shows the columns {header}, psql printed {real}")


def check_failures(document):
    for block in document.blocks:
        state = re.search(r"^-- SQLSTATE (\w{5})\s*\Z", block.text, re.M)
        if block.language == "pgsql" and state:
            error = error_of(block.text)
            check(f" {state[1]}: " in error, f"{document.place(block)} should fail with {state[1]}: {error or 'it works'}")


def check_commands(document):
    recipes = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    binaries = {path.parts[-3] for path in ROOT.glob("tests/*/src/main.rs")}
    manifest = (ROOT / "Cargo.toml").read_text()
    for block in document.blocks:
        if block.language != "sh":
            continue
        for line in block.text.splitlines():
            for command in re.split(r"\||&&", line.split("#")[0]):
                words = command.split()
                where = f"{document.place(block)}: {command.strip()}"
                if not words:
                    continue
                if words[0] == "make":
                    check(set(words[1:]) <= recipes, f"{where}: no such recipe in the Makefile")
                elif "/" in words[0]:
                    check((ROOT / words[0]).is_file(), f"{where}: no such file")
                elif words[0] == "cargo" and "-p" in words and words[1] == "run":
                    check(words[words.index("-p") + 1] in binaries, f"{where}: no such package")
                else:
                    check(shutil.which(words[0]), f"{where}: no such program")
                if "cargo-pgrx" in words:
                    version = words[words.index("--version") + 1]
                    check(f'pgrx = "={version}"' in manifest, f"{where}: Cargo.toml pins another pgrx")


def check_links(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.text):
        check((ROOT / document.name).parent.joinpath(target).exists(), f"{document.name}: there is no {target}")
    for path in quoted(document.text):
        if re.match(r"(models|src|sql|pg_test|tests|scripts|docs)/", path):
            check(any(ROOT.glob(path)), f"{document.name}: there is no {path}")


# The documents compared with the database and the code


def plain_type(text):
    return text.replace("timestamp with time zone", "timestamptz").replace("::jsonb", "")


def members():
    """Functions, tables and views of the extension."""
    return query("""
        SELECT p.proname AS name, 'function' AS kind, pg_get_function_arguments(p.oid) AS arguments,
               pg_get_function_result(p.oid) AS result
        FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'reco') AND d.deptype = 'e'
          -- scripts/test-inside leaves a build that has its tests.
          AND p.pronamespace IS DISTINCT FROM to_regnamespace('tests')
        UNION ALL
        SELECT CASE n.nspname WHEN 'reco' THEN 'reco.' ELSE '' END || c.relname,
               CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, NULL, NULL
        FROM pg_depend d JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'reco') AND d.deptype = 'e'
          AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition""")


def same(what, written, there):
    check(not there - written, f"docs/reference.md lacks {what}: {sorted(there - written)}")
    check(not written - there, f"docs/reference.md has {what} that do not exist: {sorted(written - there)}")


def check_functions(reference, functions):
    headings = set(re.findall(r"^### `(\w+\(.*\))`$", reference.text, re.M))
    results = {f"{f['name']}({plain_type(f['arguments'])})": plain_type(f["result"]) for f in functions}
    same("functions", headings, set(results))
    for name in headings & set(results):
        section = reference.section(f"`{re.escape(name)}`")
        written, there = (re.search(r"^Returns `(.*)`$", section, re.M) or ["", "nothing"])[1], results[name]
        check(written == there, f"docs/reference.md: {name}: written {written}, there {there}")
        words = set(quoted(section))
        columns = re.findall(r"[(,] ?(\w+) \w", there)
        check(words >= set(columns), f"docs/reference.md: {name} does not explain {set(columns) - words}")


def check_relations(reference, relations):
    headings = re.findall(r"^### (?:Table|View) `(.*)`$", reference.text, re.M)
    same("tables and views", set(headings), {r["name"] for r in relations})
    for name in set(headings) & {r["name"] for r in relations}:
        there = query(f"""
            SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
            WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""")
        there = [(column["name"], plain_type(column["type"])) for column in there]
        written = [(unquoted(row[0]), row[1]) for row in tables(reference.section(f"(?:Table|View) `{name}`"))]
        check(written == there, f"docs/reference.md: {name}: written {written}, there {there}")


def check_settings(reference):
    # A session knows the settings once the library is loaded.
    rows = subprocess.run(
        [*PSQL, "-q", "-A", "-t", "-d", "reference", "-c", "SELECT reco_scores(1, '{}')", "-c",
         "SELECT jsonb_agg(s) FROM pg_settings s WHERE name LIKE 'reco.%'"], capture_output=True, text=True, check=True)
    there = {s["name"]: s for s in json.loads(rows.stdout.splitlines()[-1])}
    written = {unquoted(row[0]): row[1:] for row in tables(reference.section("Settings"))}
    same("settings", set(written), set(there))
    for name in set(written) & set(there):
        s = there[name]
        span = {"bool": "on, off", "string": "a name", "enum": ", ".join(s["enumvals"] or [])}.get(s["vartype"], f"{s['min_val']} to {s['max_val']}")
        facts = [s["boot_val"], span]
        who = {"user": "anyone", "superuser": "superuser"}.get(s["context"], s["context"])
        default, span, unit, by, _ = written[name]
        check([default, span] == facts, f"docs/reference.md: {name}: written {[default, span]}, there {facts}")
        check(by == who, f"docs/reference.md: {name}: set by {by}, and it is {who}")
        check(s["unit"] in (None, unit), f"docs/reference.md: {name}: unit {unit}, and it is {s['unit']}")
    return set(there)


def check_options(reference):
    known = re.search(r"The options are: (.*)\.", error_of("""SELECT reco_train('{"nonsense": 1}')"""))
    if not known:
        return problems.append("the error about an unknown option of reco_train does not list the options")
    written = {unquoted(row[0]): row[1:] for row in tables(reference.section("Options of a training"))}
    same("options", set(written), set(known[1].split(", ")))
    source = (ROOT / "models/src/learn/params.rs").read_text()
    defaults = dict(re.findall(r'number\(\s*"(\w+)",\s*(?:Some\(([\d.e]+)\)|None)', source))
    check(defaults, "models/src/learn/params.rs has no defaults that this test can read")
    for name in set(written) & set(defaults):
        default, span, _ = written[name]
        expected = defaults[name]
        right = float(default) == float(expected) if expected and default != "chosen" else default == "chosen" and not expected
        check(right, f"docs/reference.md: {name}: default {default}, and it is {expected or 'chosen'}")
        error = error_of(f"""SELECT reco_train('{{"{name}": "?"}}')""")
        real = re.search(r"a (whole )?number from ([\d.e]+) to ([\d.e]+)", error)
        there = f"{real[2]} to {real[3]}" + (", whole" if real[1] else "") if real else error
        check(span == there, f"docs/reference.md: {name}: range {span}, and it is {there}")


def check_mapping(reference):
    source = (ROOT / "src/site/spellings.rs").read_text()
    spellings = source.partition("const USER_ID")[2]
    there = set(re.findall(r'"([^"]+)"', spellings))
    check(there, "src/site/spellings.rs has no spellings that this test can read")
    rows = tables(reference.section("Sources and their default mapping"))
    written = {name for row in rows for cell in row for name in quoted(cell)}
    same("spellings", written, there)


def check_clients(reference):
    """Each line that shows a client is run by tests/clients."""
    tested = {line.strip() for path in ROOT.glob("tests/clients/*/*") for line in path.read_text(encoding="utf-8").split("\n")}
    shown = [line.strip() for b in reference.blocks if b.language in ("ts", "python", "java") for line in b.text.split("\n")]
    code = [line for line in shown if line and not line.startswith(("//", "#"))]
    check(code, "docs/reference.md shows no client")
    for line in code:
        check(line in tested, f"docs/reference.md: no client of tests/clients runs: {line}")


def check_backend(readme):
    """What a reader would copy is what is tested."""
    blocks = [block for block in readme.blocks if block.language == "ts"]
    check(blocks, "README.md shows no backend")
    lines = lambda text: "\n".join(line.strip() for line in text.strip().split("\n"))
    sources = [lines(path.read_text(encoding="utf-8")) for path in ROOT.glob("tests/mikro-orm/src/*.ts")]
    for block in blocks:
        check(any(lines(block.text) in source for source in sources), f"{readme.place(block)} is not in tests/mikro-orm/src")


def check_notification(reference, printed):
    # Of a training: that another one was rolled back may be told meanwhile.
    payload = re.search(r'with payload "(\{.*"event":"train".*\})" received', "".join(printed.values()))
    if not payload:
        return problems.append("no sql block of docs/reference.md shows a notification")
    written = {unquoted(row[0]) for row in tables(reference.section("Notifications"))}
    same("notification keys", written, set(json.loads(payload[1])))


def check_metrics(reference):
    typed = error_free("SELECT reco_metrics_text()")
    there = dict(re.findall(r"^# TYPE (\w+) (\w+)$", typed, re.M))
    written = {unquoted(row[0]): row[1] for row in tables(reference.section("Metrics"))}
    same("metrics", set(written), set(there))
    for name in set(written) & set(there):
        check(written[name] == there[name], f"docs/reference.md: {name}: written {written[name]}, there {there[name]}")
    return set(there)


def check_names(documents, functions, relations, settings, metrics):
    """Every reco_* and reco.* in a document exists, and what is listed under Not yet does not."""
    there = {f["name"] for f in functions} | {r["name"] for r in relations} | settings | metrics
    for document in documents:
        not_yet = re.search(r"^### Not yet$(.*?)(?=^#|\Z)", document.text, re.M | re.S)
        missing = set(quoted(not_yet[1])) if not_yet else set()
        check(not missing & there, f"{document.name}: under Not yet, and it exists: {sorted(missing & there)}")
        text = document.text.replace(not_yet[1], "") if not_yet else document.text
        named = set(re.findall(r"\breco_[a-z_]+|\breco\.[a-z_]+", text))
        check(not named - there, f"{document.name} names what does not exist: {sorted(named - there)}")


def check_architecture(document):
    """Every folder and module is described; a module may be a file or a folder."""
    said = set(quoted(document.text))
    for path in [*ROOT.glob("models/src/*"), *ROOT.glob("models/src/*/*"), *ROOT.glob("src/*"), *ROOT.glob("src/*/*.rs")]:
        if path.stem in ("lib", "mod", "tests"):
            continue
        names = {path.stem, path.name, f"{path.name}/", str(path.relative_to(ROOT)), f"{path.relative_to(ROOT)}/"}
        check(names & said, f"{document.name} does not mention {path.relative_to(ROOT)}")


def main():
    readme, reference = Document("README.md", "readme"), Document("docs/reference.md", "reference")
    others = [Document(name) for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    printed = {document: run_sql(document) for document in (readme, reference)}
    for document in printed:
        check_outputs(document, printed[document])
        check_failures(document)
    for document in (readme, reference, *others):
        check_commands(document)
        check_links(document)
    there = members()
    functions = [m for m in there if m["kind"] == "function"]
    relations = [m for m in there if m["kind"] != "function"]
    check_functions(reference, functions)
    check_relations(reference, relations)
    settings = check_settings(reference)
    check_options(reference)
    check_mapping(reference)
    check_clients(reference)
    check_backend(readme)
    check_notification(reference, printed[reference])
    check_names([readme, reference], functions, relations, settings, check_metrics(reference))
    check_architecture(others[0])
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    if problems:
        sys.exit(f"docs: {len(problems)} problems")
    print(f"docs: {len(functions)} functions, {len(relations)} tables and views, {len(settings)} settings: all as written")


main()
