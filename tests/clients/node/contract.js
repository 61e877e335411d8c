import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';

export const URL = process.env.RECO_TCP_URL;

const READER = 7;
const NEW_READER = 900_007;
// Above 2^53, where a JavaScript number loses digits.
const LONG_ID = '9007199254740993';
// From the sixth execution on, PostgreSQL may use a generic plan.
const EXECUTIONS = 8;

/** Every public function that a page calls, as a template of SQL whose values are parameters. */
const CALLS = {
  score: (sql, user, items) => sql`SELECT * FROM reco_score(${user}, ${items})`,
  scores: (sql, user, items) => sql`SELECT reco_scores(${user}, ${items}) AS scores`,
  recommend: (sql, user, items, n, share) =>
    sql`SELECT * FROM reco_recommend(${user}, ${n}, exclude => ${items}, diversity => ${share}, explore => ${share})`,
  among: (sql, user, items, n) => sql`SELECT * FROM reco_recommend(${user}, ${n}, among => ${items})`,
  recommendFor: (sql, user, items, n, share) => sql`SELECT * FROM reco_recommend_for(${items}, ${n}, diversity => ${share})`,
  explain: (sql, user) => sql`SELECT * FROM reco_explain(${user}, ${user})`,
  predictRating: (sql, user, items) => sql`SELECT * FROM reco_predict_rating(${user}, ${items})`,
  similar: (sql, user, items, n) => sql`SELECT * FROM reco_similar(${user}, ${n})`,
  // Without its score, which changes with the time of the transaction.
  trending: (sql, user, items, n) => sql`SELECT rank, item_id, interactions FROM reco_trending(${n}, '10 years')`,
};

/** The same with the casts that a cautious user writes. */
const TYPED = {
  score: (sql, user, items) => sql`SELECT * FROM reco_score(${user}::bigint, ${items}::bigint[])`,
  smaller: (sql, user, items) => sql`SELECT * FROM reco_score(${user}::integer, ${items}::integer[])`,
  recommend: (sql, user, items, n, share) =>
    sql`SELECT * FROM reco_recommend(${user}::bigint, ${n}::integer, diversity => ${share}::numeric, explore => ${share}::real)`,
  similar: (sql, user, items, n) => sql`SELECT * FROM reco_similar(${user}::bigint, ${n}::bigint)`,
};

/** A bigint is a string in most clients and a BigInt in some: both are its digits. */
const plain = (value) => (typeof value === 'bigint' ? String(value) : Array.isArray(value) ? value.map(plain) : value);
const rowsOf = (rows) => [...rows].map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));

/** SQL with its values written into it: what the answers are compared with. */
const literal = (strings, values) =>
  String.raw({ raw: strings }, ...values.map((value) => (Array.isArray(value) ? `'{${value.join(',')}}'` : `${value}`)));

/**
 * What every client must get right. `open` connects and gives a client with
 *   sql          a template tag that sends its values as parameters, and gives rows
 *   prepared     the same, as a statement that is prepared once, where the client leaves that to its user
 *   ids          how an array of ids is passed, if not as it is
 *   transaction  (work, readOnly): runs work(sql) and rolls back if it throws
 *   listen       (channel, callback), where the client can
 *   close
 * and `state` gives the SQLSTATE of its errors.
 */
export function contract(name, open, state = (error) => error.code) {
  const property = (title, check) => test(`${name}: ${title}`, check);
  let client;
  let reference;
  const ids = (list) => (client.ids ? client.ids(list) : list);
  const expected = async (call, ...values) =>
    rowsOf((await reference.query(call((strings, ...parts) => literal(strings, parts), ...values))).rows);
  const fails = (promise, code) =>
    assert.rejects(promise, (error) => {
      assert.equal(state(error), code, error.message);
      return true;
    });

  before(async () => {
    reference = new pg.Client({ connectionString: URL });
    await reference.connect();
    client = await open();
  });
  after(async () => {
    await client?.close();
    await reference?.end();
  });

  for (const [kind, of] of [['numbers', Number], ['strings', String], ['bigints', BigInt]]) {
    property(`ids as ${kind}, in every function`, async () => {
      const items = [5, 3, 5, 888_888, 1];
      for (const [name, call] of [...Object.entries(CALLS), ...Object.entries(TYPED)]) {
        const wanted = await expected(call, READER, items, 4, 0.5);
        assert.ok(wanted.length > 0, name);
        assert.deepEqual(rowsOf(await call(client.sql, of(READER), ids(items.map(of)), 4, 0.5)), wanted, name);
      }
    });
  }

  property('counts and shares as integers, fractions and strings', async () => {
    for (const [n, share] of [[5, 0], [5, 1], [5, 0.25], ['5', '0.25'], [5n, 1n]]) {
      const wanted = await expected(CALLS.recommend, READER, [], n, share);
      assert.deepEqual(rowsOf(await CALLS.recommend(client.sql, READER, ids([]), n, share)), wanted, `${n}, ${share}`);
    }
    await fails(CALLS.recommend(client.sql, READER, ids([]), 2.5, 0), '22023');
  });

  property('an empty array, and an id that no number holds', async () => {
    assert.deepEqual(rowsOf(await CALLS.score(client.sql, READER, ids([]))), []);
    assert.deepEqual(rowsOf(await CALLS.scores(client.sql, READER, ids([]))), [{ scores: [] }]);
    for (const of of [String, BigInt]) {
      const [row] = rowsOf(await CALLS.score(client.sql, of(LONG_ID), ids([of(LONG_ID)])));
      assert.equal(row.item_id, LONG_ID);
    }
  });

  property('an error has its SQLSTATE, and the connection goes on', async () => {
    await fails(CALLS.recommend(client.sql, READER, ids([]), 0, 0), '22023');
    await fails(CALLS.recommend(client.sql, READER, ids([]), 5, 1.5), '22023');
    await fails(client.sql`SELECT reco_scores(${READER}, '{1,NULL}')`, '22004');
    await fails(client.sql`SELECT reco_activate(${77})`, '42704');
    assert.equal(rowsOf(await CALLS.score(client.sql, READER, ids([1]))).length, 1);
  });

  property('a statement that is prepared gives the same each time', async () => {
    const sql = client.prepared ?? client.sql;
    for (let i = 0; i < EXECUTIONS; i += 1) {
      const values = [READER + i, [i + 1, 3], 4, 0.5];
      for (const call of [CALLS.score, CALLS.recommend]) {
        const [user, items, n, share] = values;
        assert.deepEqual(rowsOf(await call(sql, user, ids(items), n, share)), await expected(call, ...values));
      }
    }
  });

  property('a transaction sees its own favourites, and a rollback takes them back', async () => {
    class Undo extends Error {}
    const source = async (sql) => rowsOf(await CALLS.score(sql, NEW_READER, ids([5])))[0].source;
    const work = async (sql) => {
      assert.equal(await source(sql), 'content');
      await sql`INSERT INTO favorito (usuario_id, libro_id, fecha_agregado)
        SELECT ${NEW_READER}, libro_id, now() FROM resena WHERE estrellas = 5 GROUP BY 2 ORDER BY count(*) DESC LIMIT 3`;
      assert.equal(await source(sql), 'fold_in');
      throw new Undo();
    };
    await assert.rejects(client.transaction(work, false), Undo);
    assert.equal(await source(client.sql), 'content');
  });

  property('a read-only transaction scores and recommends, and does not train', async () => {
    await client.transaction(async (sql) => {
      for (const call of Object.values(CALLS)) {
        assert.deepEqual(rowsOf(await call(sql, READER, ids([5, 3]), 4, 0.5)), await expected(call, READER, [5, 3], 4, 0.5));
      }
    }, true);
    const training = client.transaction((sql) => sql`SELECT * FROM reco_train()`, true);
    await fails(training, '25006');
  });

  property('LISTEN hears of a training', async (context) => {
    if (!client.listen) return context.skip('it has no LISTEN');
    const heard = new Promise((resolve) => client.listen('reco', resolve));
    await reference.query(`SELECT promoted FROM reco_train('{"trees": 0}')`);
    const payload = JSON.parse(await heard);
    assert.equal(payload.event, 'train');
    assert.equal(payload.promoted, false, 'other tests compare with the model that serves');
  });
}
