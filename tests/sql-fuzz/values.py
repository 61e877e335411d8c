"""Random SQL literals for each type of argument: mostly plausible, often extreme."""

import json

BIGINTS = (0, -1, 2**31 - 1, 2**31, -2**31 - 1, 2**53 + 1, 2**63 - 1, -2**63)
INTEGERS = (0, -1, 1, 10, 1000, 1001, 2**31 - 1, -2**31)
REALS = ("NaN", "Infinity", "-Infinity", "0", "-0", "1", "1.0000001", "-1e-45", "1e-45", "3.4e38", "-3.4e38", "0.5")
DOUBLES = REALS + ("1e308", "-1e308", "5e-324")
INTERVALS = ("7 days", "1 year", "1 second", "1 microsecond", "0", "-1 day", "178000000 years", "-178000000 years",
             "1 mon -30 days", "2147483647 days", "1 day -24 hours")
TIMES = ("now", "epoch", "yesterday", "tomorrow", "infinity", "-infinity", "4713-01-01 BC", "294276-12-31", "2024-02-29 12:00+14")
TEXTS = ("", "click", "dismiss", "day", "variant", "rating", "favorite", "item", "user", "RATING", " ", "ñandú", "a" * 5000, "';--", '"', "\\", "\x01\x7f", "𝄞", "%s")
RELATIONS = ("resena", "favorito", "libro", "usuario", "odd_reviews", "good_reviews", "failing_reviews", "slow_reviews",
             "recursive_reviews", "kept_reviews", "empty_reviews", "parted", "parted_low", "hidden", "elsewhere.resena",
             "\"odd \"\"name';--ñ\"", "pg_class", "information_schema.tables", "reco.model", "pg_temp.passing")
COLUMNS = ("u", "i", "stars", "exact", "at", "day", "label", "doc", "many", "id", "ti tle", "year", "category", "author",
           "published", "usuario_id", "libro_id", "estrellas", "fecha_resena", "titulo", "ctid", "oid", "nowhere", "", "u; --")
ROLES = ("user", "item", "stars", "at", "id", "category", "author", "published", "title")
# What makes a source of the odd tables, so that some mappings are taken.
FITTING = ({"user": "u", "item": "i", "stars": "stars", "at": "at"}, {"user": "u", "item": "i", "stars": "stars"},
           {"user": "u", "item": "i"}, {"user": "u", "item": "i", "stars": "exact", "at": "day"},
           {"user": "label", "item": "i", "stars": "stars"},
           {"id": "id", "category": "category", "author": "author", "published": "year", "title": "ti tle"}, {"id": "id"})


def quoted(text):
    """A line of psql: no line break in it."""
    if any(ord(c) < 32 or c == "\\" for c in text):
        return "E'" + "".join(f"\\x{ord(c):02x}" if ord(c) < 32 else "\\\\" if c == "\\" else c
                              for c in text).replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"


class Values:
    def __init__(self, random, options):
        self.random = random
        self.options = options
        self.makers = {
            "bigint": self.bigint, "integer": self.integer, "smallint": self.integer, "real": self.real,
            "double precision": self.double, "boolean": lambda: self.random.choice(("true", "false")),
            "text": self.text, "uuid": self.uuid, "interval": lambda: quoted(self.random.choice(INTERVALS)),
            "timestamp with time zone": lambda: quoted(self.random.choice(TIMES)),
            "jsonb": lambda: quoted(self.json_text()), "regclass": lambda: quoted(self.random.choice(RELATIONS)),
        }

    def of_type(self, name):
        """An argument as SQL; a type without values is an error of the suite, so that no new function is left out."""
        if self.random.random() < 0.05:
            return f"NULL::{name}"
        if name.endswith("[]"):
            return f"{self.array(name[:-2])}::{name}"
        if name not in self.makers:
            raise KeyError(f"no values for arguments of type {name}: add them to tests/sql-fuzz/values.py")
        return f"{self.makers[name]()}::{name}"

    def bigint(self):
        if self.random.random() < 0.05:
            return f"reco_id({self.text()})"
        chosen = self.random.choice(BIGINTS) if self.random.random() < 0.15 else self.random.randint(0, 130)
        return f"'{chosen}'"

    def uuid(self):
        return quoted(f"{self.random.randint(0, 130):032x}")

    def integer(self):
        chosen = self.random.choice(INTEGERS) if self.random.random() < 0.3 else self.random.randint(1, 60)
        return f"'{chosen}'"

    def real(self):
        return quoted(self.random.choice(REALS) if self.random.random() < 0.4 else f"{self.random.random():.3f}")

    def double(self):
        return quoted(self.random.choice(DOUBLES))

    def text(self):
        return quoted(self.random.choice(TEXTS))

    def array(self, element):
        kind = self.random.random()
        if kind < 0.05:
            return "'{}'"
        if kind < 0.08:
            return f"ARRAY[NULL, {self.makers[element]()}]"
        if kind < 0.11:
            return "'{{1,2},{3,4}}'" if kind < 0.1 else "'[5:7]={1,2,3}'"
        if kind < 0.14:
            size = self.random.choice((1000, 20000, 100000))
            return f"(SELECT array_agg(n) FROM generate_series(1, {size}) n)"
        return "ARRAY[" + ", ".join(self.makers[element]() for _ in range(self.random.randint(1, 30))) + "]"

    def json_value(self):
        return self.random.choice((
            lambda: self.random.randint(-2, 300), lambda: self.random.random(), lambda: self.random.random() / 1000,
            lambda: self.random.choice((1e308, -1e308, 2**53, 2**64, 1e-320, 0, -1)),
            lambda: self.random.choice((True, False, None)), lambda: self.random.choice(TEXTS),
            lambda: self.random.choice(("auto", "plan", "temporal", "by_user", "1s", "2s", "24h", "9e99h", "-1s", "s")),
            lambda: [self.random.randint(0, 9)] * self.random.randint(0, 3), lambda: {},
            lambda: {part: self.random.choice((0, 0.5, 1, 2, None))
                     for part in ("collaborative", "content_based", "popularity")},
        ))()

    def json_text(self):
        """Options of a training or an evaluation, a mapping, or something else."""
        kind = self.random.random()
        if kind < 0.04:
            depth = self.random.choice((1, 100, 200, 3000))
            return "[" * depth + "]" * depth
        if kind < 0.06:
            return self.random.choice(("1e400", "null", "1", '"x"', '{"seed": 1e400}', '{"factors": -0.0}'))
        if kind < 0.4:
            if self.random.random() < 0.5:
                return json.dumps(self.random.choice(FITTING))
            roles = self.random.sample(ROLES, self.random.randint(0, 5))
            return json.dumps({role: self.random.choice(COLUMNS) for role in roles}, ensure_ascii=False)
        if kind < 0.5:
            options = {"version": self.random.randint(1, 5), "users": self.random.randint(1, 60), "segments": True, "seed": 7}
            kept = self.random.sample(sorted(options), self.random.randint(0, 3))
            return json.dumps({name: options[name] if self.random.random() < 0.8 else self.json_value() for name in kept})
        chosen = self.random.sample(self.options, self.random.choice((0, 1, 1, 2, 4)))
        options = {name: self.fitting(name) for name in chosen}
        if self.random.random() < 0.15:
            options[self.random.choice(TEXTS)] = self.json_value()
        return json.dumps(options, ensure_ascii=False)

    def fitting(self, name):
        """Half of the options in their range, which the documents tell."""
        small = {"factors": (1, 16), "epochs": (1, 6), "neighbours": (0, 30), "trees": (0, 12), "seed": (0, 10**6),
                 "min_interactions": (1, 4), "evaluation_users": (10, 60), "positive_stars": (1, 5)}
        if self.random.random() < 0.5:
            return self.json_value()
        if name in small:
            return self.random.randint(*small[name])
        return {"split": "auto", "weights": "plan", "budget": "1s", "force": True}.get(name, 0.1)
