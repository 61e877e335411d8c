import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MikroORM, type SqlEntityManager } from '@mikro-orm/postgresql';
import pg from 'pg';
import { Favorito, Usuario } from './entities.js';
import { BOOKS, insertLibrary, USERS } from './library.js';
import config from './orm.js';
import { arrayLiteral, Recommender, type Score } from './recommender.js';

const KNOWN_USER = 1n;
const UNKNOWN_USER = 999_999n;
const UNKNOWN_BOOK = 888_888n;
const SOME_BOOKS = [5n, 3n, 5n, UNKNOWN_BOOK, 1n];
const ALL_BOOKS = Array.from({ length: BOOKS }, (_, i) => BigInt(i + 1));
const PARTS = ['collaborative', 'contentBased', 'popularity'] as const;

const NULL_VALUE_NOT_ALLOWED = '22004';
const ARRAY_SUBSCRIPT_ERROR = '2202E';

let orm: MikroORM;
let client: pg.Client;

before(async () => {
  orm = await MikroORM.init(config);
  await orm.migrator.up();
  await insertLibrary(orm.em.fork());
  client = new pg.Client({ connectionString: process.env.RECO_TCP_URL });
  await client.connect();
});

after(async () => {
  await client?.end();
  await orm?.close();
});

/** The first tests need an empty registry and the others a model, so the order of the tests matters. */
const recommender = (): Recommender => new Recommender(orm.em.fork());

class Undo extends Error {}

/** Runs `work` in a transaction of MikroORM and rolls it back. */
async function rolledBack(work: (em: SqlEntityManager) => Promise<void>): Promise<void> {
  const transaction = orm.em.fork().transactional(async (em) => {
    await work(em);
    throw new Undo();
  });
  await assert.rejects(transaction, Undo);
}

async function modelCount(em: SqlEntityManager = orm.em.fork()): Promise<number> {
  const [row] = await em.execute<{ count: string }[]>('select count(*) from reco_models()');
  return Number(row!.count);
}

function assertUnit(value: number, what: string): void {
  assert.ok(value >= 0 && value <= 1, `${what} is ${value}, outside [0,1]`);
}

/** What the parts weigh in the model that is served, in the order of PARTS. */
async function servedWeights(): Promise<number[]> {
  const [row] = await orm.em.fork().execute<{ weights: number[] }[]>('select weights from reco_models() where active');
  return row!.weights;
}

/** The score must be the weighted mean of the parts that the row has: their plain mean where all of those weigh nothing. */
function assertWeighted(row: Score, served: number[]): void {
  const parts = PARTS.map((part, place) => ({ part, value: row[part], weight: served[place]! })).filter(({ value }) => value !== null);
  parts.forEach(({ part, value }) => assertUnit(value!, `${part} of book ${row.itemId}`));
  assertUnit(row.score, `the score of book ${row.itemId}`);
  const whole = parts.reduce((sum, { weight }) => sum + weight, 0);
  const mean = parts.reduce((sum, { value, weight }) => sum + value! * (whole > 0 ? weight / whole : 1 / parts.length), 0);
  assert.ok(Math.abs(row.score - mean) < 1e-6, `book ${row.itemId}: score ${row.score}, its parts give ${mean}`);
}

const itemIds = (rows: Score[]): bigint[] => rows.map((row) => row.itemId);
const sources = (rows: Score[]): string[] => [...new Set(rows.map((row) => row.source))].sort();

test("the migrations create the entities' schema, and MikroORM sees no difference because of the extension", async () => {
  assert.equal(await orm.migrator.checkMigrationNeeded(), false);
  assert.equal(await orm.schema.getUpdateSchemaSQL(), '');
});

test('reco detects the tables as MikroORM names them', async () => {
  const rows = await orm.em.fork().execute('select * from reco_sources()');
  const text = JSON.stringify(rows);
  for (const name of ['resena', 'favorito', 'libro', 'usuario']) {
    assert.ok(text.includes(name), `${name} is not in reco_sources(): ${text}`);
  }
});

test('without a model the rules answer', async () => {
  const books = [5n, 3n, 5n, 1n];
  const rows = await recommender().score(KNOWN_USER, books);
  assert.deepEqual(itemIds(rows), books);
  for (const row of rows) {
    assert.equal(row.source, 'rules');
    assert.equal(row.collaborative, null);
    assert.equal(row.popularity, null);
    assert.equal(row.contentBased, row.score);
    assert.equal(row.modelVersion, null);
    assertUnit(row.score, `the score of book ${row.itemId}`);
  }
});

test('a rolled-back training leaves nothing', async () => {
  const before = await recommender().score(KNOWN_USER, SOME_BOOKS);
  await rolledBack(async (em) => {
    const training = await new Recommender(em).train({ force: true });
    assert.equal(training.promoted, true);
    const rows = await new Recommender(em).score(KNOWN_USER, [1n]);
    assert.equal(rows[0]!.source, 'hybrid', 'the transaction that trains uses its model');
    assert.equal(rows[0]!.modelVersion, training.modelVersion);
  });
  assert.equal(await modelCount(), 0);
  assert.deepEqual(await recommender().score(KNOWN_USER, SOME_BOOKS), before);
});

test('the first training promotes a model', async () => {
  const training = await recommender().train();
  assert.equal(training.promoted, true, `not promoted: ${training.reason}`);
  assert.equal(training.users, USERS);
  assert.equal(training.items, BOOKS);
  assert.ok(training.interactions > 0);
  assert.equal(await modelCount(), 1);
});

test('one row per element, in its order, with duplicates and unknown books', async () => {
  const rows = await recommender().score(KNOWN_USER, SOME_BOOKS);
  assert.deepEqual(itemIds(rows), SOME_BOOKS);
  assert.deepEqual(rows[0], rows[2], 'the same book twice gives the same row');
  assert.deepEqual(
    { ...rows[3], modelVersion: null },
    {
      itemId: UNKNOWN_BOOK,
      score: 0,
      collaborative: null,
      contentBased: null,
      popularity: 0,
      source: 'popularity',
      modelVersion: null,
    },
  );
});

test("a known user's scores are hybrid, in [0,1] and the weighted mean of their parts", async () => {
  const rows = await recommender().score(KNOWN_USER, ALL_BOOKS);
  assert.deepEqual(itemIds(rows), ALL_BOOKS);
  assert.deepEqual(sources(rows), ['hybrid']);
  const weights = await servedWeights();
  rows.forEach((row) => assertWeighted(row, weights));
  assert.equal(new Set(rows.map((row) => row.modelVersion)).size, 1);
  assert.ok(new Set(rows.map((row) => row.score)).size > 10, 'the scores do not tell the books apart');
});

test('an unknown user is scored by content', async () => {
  const rows = await recommender().score(UNKNOWN_USER, ALL_BOOKS);
  assert.deepEqual(itemIds(rows), ALL_BOOKS);
  assert.deepEqual(sources(rows), ['content']);
  const weights = await servedWeights();
  for (const row of rows) {
    assert.equal(row.collaborative, null);
    assertWeighted(row, weights);
  }
});

test('reco_scores gives the scores of reco_score', async () => {
  for (const user of [KNOWN_USER, UNKNOWN_USER]) {
    const rows = await recommender().score(user, SOME_BOOKS);
    assert.deepEqual(await recommender().scores(user, SOME_BOOKS), rows.map((row) => row.score));
  }
});

test('an empty array gives no rows', async () => {
  assert.deepEqual(await recommender().score(KNOWN_USER, []), []);
  assert.deepEqual(await recommender().scores(KNOWN_USER, []), []);
});

test('uncommitted favourites count at once, and a rollback takes them back', async () => {
  const id = 500_000n;
  await rolledBack(async (em) => {
    em.create(Usuario, { id, nombre: 'Nuevo', fechaRegistro: new Date() });
    await em.flush();
    const reader = new Recommender(em);
    assert.deepEqual(sources(await reader.score(id, ALL_BOOKS)), ['content']);

    for (const libro of [6n, 12n, 18n]) {
      em.create(Favorito, { usuario: id, libro, fechaAgregado: new Date() });
    }
    await em.flush();
    const rows = await reader.score(id, ALL_BOOKS);
    assert.deepEqual(sources(rows), ['fold_in']);
    const weights = await servedWeights();
    rows.forEach((row) => assertWeighted(row, weights));

    assert.deepEqual(sources(await recommender().score(id, ALL_BOOKS)), ['content'], 'another connection must not see them');
  });
  assert.deepEqual(sources(await recommender().score(id, ALL_BOOKS)), ['content']);
});

test('committed favourites count without a training', async () => {
  const id = 500_001n;
  const em = orm.em.fork();
  await em.transactional(async (tx) => {
    tx.create(Usuario, { id, nombre: 'Nueva', fechaRegistro: new Date() });
    for (const libro of [6n, 12n, 18n]) {
      tx.create(Favorito, { usuario: id, libro, fechaAgregado: new Date() });
    }
  });
  assert.deepEqual(sources(await new Recommender(em).score(id, ALL_BOOKS)), ['fold_in']);
});

test('a read-only transaction can score', async () => {
  const expected = await recommender().score(KNOWN_USER, SOME_BOOKS);
  await rolledBack(async (em) => {
    await em.execute('set transaction read only');
    assert.deepEqual(await new Recommender(em).score(KNOWN_USER, SOME_BOOKS), expected);
  });
  const inside = await orm.em.fork().transactional((em) => new Recommender(em).score(KNOWN_USER, SOME_BOOKS), { readOnly: true });
  assert.deepEqual(inside, expected);
});

test('every connection of the pool gives the same scores', async () => {
  const expected = await recommender().scores(KNOWN_USER, ALL_BOOKS);
  const answers = await Promise.all(Array.from({ length: 20 }, () => recommender().scores(KNOWN_USER, ALL_BOOKS)));
  for (const answer of answers) {
    assert.deepEqual(answer, expected);
  }
});

test('a NULL element or a second dimension is an error with its SQLSTATE, through ? and through $1', async () => {
  const bad = [
    { literal: '{1,NULL}', value: [1, null], code: NULL_VALUE_NOT_ALLOWED },
    { literal: '{{1,2},{3,4}}', value: [[1, 2], [3, 4]], code: ARRAY_SUBSCRIPT_ERROR },
  ];
  for (const name of ['reco_score', 'reco_scores']) {
    for (const { literal, value, code } of bad) {
      await assert.rejects(orm.em.fork().execute(`select ${name}(?, ?)`, [KNOWN_USER, literal]), { code });
      await assert.rejects(client.query(`select ${name}($1, $2)`, [1, value]), { code });
    }
  }
});

test('an array can be passed through MikroORM in these spellings, and not as a bare JavaScript array', async () => {
  const expected = await recommender().scores(KNOWN_USER, [5n, 3n]);
  const em = orm.em.fork();
  const works: [string, unknown[]][] = [
    ['select reco_scores(?, ?) as scores', [KNOWN_USER, arrayLiteral([5n, 3n])]],
    ['select reco_scores(?, ?) as scores', [1, '{5,3}']],
    ['select reco_scores(?, ?) as scores', ['1', em.getPlatform().marshallArray(['5', '3'])]],
    ['select reco_scores(?, ?::bigint[]) as scores', [1, '{5,3}']],
    ['select reco_scores(?, array[?]) as scores', [1, [5, 3]]],
    ['select reco_scores(?, array[?]::bigint[]) as scores', [KNOWN_USER, ['5', '3']]],
  ];
  for (const [sql, params] of works) {
    assert.deepEqual((await em.execute<{ scores: number[] }[]>(sql, params))[0]!.scores, expected, sql);
  }
  const empty = await em.execute<{ scores: number[] }[]>('select reco_scores(?, array[?]::bigint[]) as scores', [1, []]);
  assert.deepEqual(empty[0]!.scores, []);
  // A bare array does not work: MikroORM makes it reco_scores(1, 5, 3), and there is no such function.
  await assert.rejects(em.execute('select reco_scores(?, ?)', [1, [5, 3]]), { code: '42883' });
});

test('every public function takes the parameters of MikroORM', async () => {
  const items = arrayLiteral(SOME_BOOKS);
  const calls: [string, unknown[]][] = [
    ['reco_recommend(?, ?, exclude => ?, diversity => ?, explore => ?)', [KNOWN_USER, 4, items, 0.5, 0.5]],
    ['reco_recommend(?, ?, among => ?)', ['1', 4n, items]],
    ['reco_recommend_for(?, ?)', [items, 4]],
    ['reco_explain(?, ?)', [KNOWN_USER, '3']],
    ['reco_predict_rating(?, ?)', [1, items]],
    ['reco_similar(?, ?)', [3n, 4]],
    ['reco_trending(?, ?)', [4, '1 hour']],
  ];
  for (const [call, values] of calls) {
    const numbered = values.reduce((text: string, _, place) => text.replace('?', `$${place + 1}`), call);
    const { rows } = await client.query(`select * from ${numbered}`, values);
    assert.deepEqual(await orm.em.fork().execute(`select * from ${call}`, values), rows, call);
  }
});

test('node-pg sends a JavaScript array as one untyped parameter', async () => {
  const expected = await recommender().score(KNOWN_USER, SOME_BOOKS);
  const { rows } = await client.query('select * from reco_score($1, $2)', [KNOWN_USER, SOME_BOOKS]);
  assert.deepEqual(rows.map((row) => BigInt(row.item_id)), SOME_BOOKS);
  assert.deepEqual(rows.map((row) => row.score), expected.map((row) => row.score));
  assert.deepEqual(
    Object.keys(rows[0]),
    ['item_id', 'score', 'collaborative', 'content_based', 'popularity', 'source', 'model_version'],
  );
  const numbers = await client.query('select reco_scores($1, $2) as scores', [1, [5, 3]]);
  assert.deepEqual(numbers.rows[0].scores, await recommender().scores(KNOWN_USER, [5n, 3n]));
  const prepared = { name: 'score', text: 'select * from reco_score($1, $2)' };
  for (let i = 0; i < 8; i++) {
    // The sixth execution may switch to a generic plan, which must give the same answer.
    const again = await client.query({ ...prepared, values: [KNOWN_USER, SOME_BOOKS] });
    assert.deepEqual(again.rows, rows);
  }
  assert.equal((await client.query('select * from reco_score($1, $2)', [1, []])).rowCount, 0);
});

test('a second training that is rolled back changes no score', async () => {
  const models = await modelCount();
  const before = await recommender().scores(KNOWN_USER, ALL_BOOKS);
  await rolledBack(async (em) => {
    await new Recommender(em).train({ force: true });
    assert.equal(await modelCount(em), models + 1);
  });
  assert.equal(await modelCount(), models);
  assert.deepEqual(await recommender().scores(KNOWN_USER, ALL_BOOKS), before);
});
