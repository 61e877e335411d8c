"""Calls for a reader with 60 000 liked items: none is deaf to an interrupt, and none is without bound."""

import time

from sessions import Session, check, first_error, run

PROMPT = 0.4  # seconds within which a timeout has to act, on a busy machine
BOUND = 2.0  # seconds that a call may take
CALLS = (
    "SELECT count(*) FROM reco_recommend(0, 1000)", "SELECT count(*) FROM reco_recommend(0, 1000, exclude_seen => false)",
    "SELECT count(*) FROM reco_recommend(0, 1000, diversity => 0.5)", "SELECT count(*) FROM reco_explain(0, 64000)",
    "SELECT count(*) FROM reco_score(0, ARRAY(SELECT id FROM libro))", "SELECT count(*) FROM reco_similar(7, 1000)",
)


def seconds_of(session, sql):
    begun = time.monotonic()
    lines = session.finish(session.start(sql + ";"))
    return time.monotonic() - begun, first_error(lines)


def main():
    session = Session()
    lines = session.finish(session.start(
        "SELECT reco_train('{\"force\": true, \"epochs\": 1, \"trees\": 10, \"factors\": 50, \"weights\": \"plan\", "
        "\"evaluation_users\": 50, \"budget\": \"5s\"}');"))
    check(first_error(lines) is None, f"the training failed: {lines}")
    for sql in CALLS:
        # The first call of a session opens the model.
        seconds_of(session, sql)
        whole, error = seconds_of(session, sql)
        check(error is None and whole < BOUND, f"{sql}: {whole:.2f} s, {error}")
        latest = 0
        for share in (0.2, 0.4, 0.6, 0.8):
            timeout = max(1, int(whole * share * 1000))
            session.query(f"SET statement_timeout = {timeout};")
            seconds, error = seconds_of(session, sql)
            session.query("RESET statement_timeout;")
            check(error is None or error[1] == "57014", f"{sql}: {error}")
            latest = max(latest, seconds - timeout / 1000)
        check(latest < PROMPT, f"{sql}: an interrupt acted after {latest:.2f} s")
        print(f"  {whole * 1000:5.0f} ms, heard an interrupt within {latest * 1000:4.0f} ms: {sql}", flush=True)
    session.close()


if __name__ == "__main__":
    run(main)
