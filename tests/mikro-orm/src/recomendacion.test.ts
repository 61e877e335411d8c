// The recommendations of the site while the model is absent, present, replaced, switched off, failing and slow. The order of
// the tests matters: each goes on from the state that the one before has left.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Libro } from './entities.js';
import { BOOKS } from './library.js';
import type { Fallback, Lista } from './recomendacion.service.js';
import { MOST_POINTS, rank, tasteOf } from './reglas.js';
import { newDatabase, promote, Reader, running, until, type Database, type Running } from './testing.js';

const READER = 1n;
const ALL_BOOKS = Array.from({ length: BOOKS }, (_, i) => i + 1);

let database: Database;
let site: Running;
let reader: Reader;

before(async () => {
  database = await newDatabase('sitio_recomendaciones');
  await database.admin.query("update libro set fecha_publicacion = current_date - 30 where id % 7 = 0");
  site = await running(database);
  reader = await Reader.enter(site, READER);
});

after(async () => {
  await site?.site.stop();
  await database?.close();
});

const count = async (table: string): Promise<number> => Number((await database.admin.query(`select count(*) from ${table}`)).rows[0].count);

/** A list that is made now. */
async function newList(): Promise<Lista> {
  await reader.call('DELETE', 'recomendaciones/cache');
  return reader.list();
}

/** While another session holds a table, so that whoever reads it waits. */
async function locked(table: string, work: () => Promise<void>): Promise<void> {
  await between(`begin; lock table ${table} in access exclusive mode`, 'rollback', work);
}

async function assertRules(list: Lista, fallback: Fallback): Promise<void> {
  const { tiempo, ...metadata } = list.metadata;
  assert.ok(tiempo >= 0);
  assert.deepEqual(metadata, { algoritmo: 'rules', modelVersion: null, usedMLService: false, fallback, requestId: null, cached: false });
  assert.equal(list.recomendaciones.length, 10);
  const { rows } = await database.admin.query('select libro_id from resena where usuario_id = $1 union select libro_id from favorito where usuario_id = $1', [READER]);
  const known = new Set(rows.map((row) => row.libro_id));
  assert.ok(list.recomendaciones.every(({ libro }) => !known.has(libro)), 'what the reader knows is not recommended');
}

function assertModel(list: Lista, version: string, cached: boolean): void {
  const { tiempo, requestId, ...metadata } = list.metadata;
  assert.ok(tiempo >= 0);
  assert.match(requestId!, /^[0-9a-f-]{36}$/);
  assert.deepEqual(metadata, { algoritmo: 'hybrid', modelVersion: version, usedMLService: true, fallback: null, cached });
  assert.equal(list.recomendaciones.length, 10);
}

/** Runs `work` with statements of the superuser before and after it, whatever comes of it. */
async function between(first: string, last: string, work: () => Promise<void>): Promise<void> {
  await database.admin.query(first);
  try {
    await work();
  } finally {
    await database.admin.query(last);
  }
}

/** `ALTER SYSTEM` reaches the sessions that are open, too. A session that has loaded reco knows its settings. */
async function withSetting(name: string, value: string, work: () => Promise<void>): Promise<void> {
  const { admin } = database;
  await admin.query("load 'reco'");
  await admin.query(`alter system set ${name} = '${value}'`);
  await admin.query('select pg_reload_conf()');
  try {
    await work();
  } finally {
    await admin.query(`alter system reset ${name}`);
    await admin.query('select pg_reload_conf()');
  }
}

const nothingLogged = async (work: () => Promise<void>): Promise<void> => {
  const impressions = await count('reco.impression');
  await work();
  assert.equal(await count('reco.impression'), impressions, 'what was not shown is not logged');
};

test('without a model the rules of the site answer, and nothing is kept or logged', async () => {
  await nothingLogged(async () => {
    await assertRules(await reader.list(), 'no_model');
    await assertRules(await reader.list(), 'no_model');
  });
  assert.deepEqual(site.logged.map(({ code }) => code), ['55000', '55000']);
});

test('the rules here are those of reco: the same points for every book', async () => {
  const { orm } = database;
  for (const user of [READER, 2n, 3n, 999_999n]) {
    const em = orm.em.fork();
    const rows = await em.execute<{ item_id: string; score: number; source: string }[]>('select * from reco_score(?, ?)', [user, `{${ALL_BOOKS.join(',')}}`]);
    const taste = await tasteOf(em, user);
    const books = await em.find(Libro, {}, { populate: ['autor', 'categoria'], orderBy: { id: 'asc' } });
    const points = books.map((book) => Math.fround(rank(book, taste, new Date()).points / MOST_POINTS));
    assert.deepEqual(rows.map(({ score }) => Math.fround(score)), points);
    assert.ok(rows.every(({ source }) => source === 'rules'));
    assert.ok(new Set(points).size > (user === 999_999n ? 1 : 3), 'the rules do not tell the books apart');
  }
});

test('a promotion reaches a running site: ten books by the model, logged as they are shown', async () => {
  const version = await promote(database, site);
  const list = await reader.list();
  assertModel(list, version, false);
  const { rows } = await database.admin.query('select item_id, rank, user_id, surface from reco.impression where request_id = $1 order by rank', [list.metadata.requestId]);
  assert.deepEqual(
    rows,
    list.recomendaciones.map(({ libro }, place) => ({ item_id: libro, rank: place + 1, user_id: String(READER), surface: 'inicio' })),
  );
  assert.ok(list.recomendaciones.every(({ razon }) => razon), 'each has a reason');
  const scores = list.recomendaciones.map(({ puntuacion }) => puntuacion);
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a));
});

test('within the hour the list is the same, and is not logged again', async () => {
  const first = await reader.list();
  await nothingLogged(async () => {
    const again = await reader.list();
    assert.equal(again.metadata.cached, true);
    assert.deepEqual(again.recomendaciones, first.recomendaciones);
    assert.equal(again.metadata.requestId, first.metadata.requestId);
  });
});

test('DELETE of the cache makes a new list', async () => {
  const { metadata } = await reader.list();
  assert.equal((await reader.call('DELETE', 'recomendaciones/cache')).status, 204);
  const list = await reader.list();
  assertModel(list, metadata.modelVersion!, false);
  assert.notEqual(list.metadata.requestId, metadata.requestId);
});

test('a promotion in mid-flight: every request is answered by one of the two models, and then by the new one', async () => {
  const old = (await reader.list()).metadata.modelVersion!;
  const readers = await Promise.all(Array.from({ length: 4 }, (_, i) => Reader.enter(site, BigInt(i + 1))));
  const seen = new Set<string | null>();
  let trained = false;
  const asking = readers.map(async (one) => {
    while (!trained) {
      const list = await one.list();
      assert.equal(list.metadata.usedMLService, true);
      assert.equal(list.recomendaciones.length, 10);
      seen.add(list.metadata.modelVersion);
      await one.call('DELETE', 'recomendaciones/cache');
    }
  });
  const training = promote(database, site, { seed: 2 }).finally(() => (trained = true));
  const version = await training;
  await Promise.all(asking);
  assert.notEqual(version, old);
  assert.ok(seen.has(old), 'the old model answered during the training');
  seen.delete(old);
  seen.delete(version);
  assert.deepEqual([...seen], []);
  await until('the new model answers', async () => (await reader.list()).metadata.modelVersion === version);
});

test('a training that promotes nothing drops no list', async () => {
  await reader.list();
  const other = await Reader.enter(site, 77n);
  const { requestId } = (await other.list()).metadata;
  const { rows } = await database.admin.query("select promoted from reco_train('{\"seed\": 4}')");
  assert.equal(rows[0].promoted, false);
  // The notification of this one arrives after that of the training.
  await database.admin.query("select pg_notify('lectores', '77')");
  await until('it has arrived', async () => (await other.list()).metadata.requestId !== requestId);
  assert.equal((await reader.list()).metadata.cached, true);
});

test('the feature flag of the environment: reco is not even asked', async () => {
  const without = await running(database, { recoEnabled: false });
  try {
    await locked('reco.activation', async () => {
      await nothingLogged(async () => assertRules(await reader.at(without).list(), 'disabled'));
    });
    assert.deepEqual(without.logged, []);
  } finally {
    await without.site.stop();
  }
});

test('the feature flag of the database: reco.enabled', async () => {
  await withSetting('reco.enabled', 'off', async () => {
    await until('the rules answer', async () => (await newList()).metadata.fallback === 'disabled');
    await nothingLogged(async () => assertRules(await reader.list(), 'disabled'));
  });
  await until('the model answers', async () => (await newList()).metadata.usedMLService);
});

test('a call that waits is ended by its timeout: the rules answer every request, and the pool is not used up', async () => {
  const hasty = await running(database, { recoTimeout: 300 });
  try {
    const one = reader.at(hasty);
    await locked('reco.activation', async () => {
      const lists = await Promise.all(Array.from({ length: 15 }, (_, i) => one.list(10 + i)));
      assert.deepEqual(new Set(lists.map(({ metadata }) => metadata.fallback)), new Set(['timeout']));
      await assertRules(await one.list(), 'timeout');
      assert.equal((await one.call('PUT', 'favoritos/7')).status, 204, 'the rest of the site works meanwhile');
    });
    assert.equal((await one.call('DELETE', 'favoritos/7')).status, 204);
    assert.deepEqual(new Set(hasty.logged.map(({ code }) => code)), new Set(['57014']));
    await until('the model answers', async () => (await one.list()).metadata.usedMLService);
  } finally {
    await hasty.site.stop();
  }
});

test("while the reader's own rows cannot be read, the newest books are shown", async () => {
  const hasty = await running(database, { recoTimeout: 300 });
  try {
    const one = reader.at(hasty);
    await locked('resena', async () => {
      const { recomendaciones, metadata } = await one.list();
      assert.equal(metadata.fallback, 'timeout');
      const { rows } = await database.admin.query('select id from libro order by fecha_publicacion desc, id desc limit 10');
      assert.deepEqual(recomendaciones.map(({ libro }) => libro), rows.map(({ id }) => id));
    });
    await until('the model answers', async () => (await one.list()).metadata.usedMLService);
  } finally {
    await hasty.site.stop();
  }
});

test('an error of reco is no error of the site: a missing right, a raised error, no extension', async () => {
  const failing: [string, string, () => Promise<unknown>, () => Promise<unknown>][] = [
    [
      'a right is missing',
      '42501',
      () => database.admin.query('revoke execute on function reco_serve from sitio cascade'),
      () => database.admin.query('grant execute on function reco_serve to sitio with grant option'),
    ],
    [
      'a source is broken',
      '42P01',
      async () => {
        await database.admin.query('create table deseo as select usuario_id, libro_id from favorito');
        await database.admin.query(`select reco_configure('favorite', 'deseo', '{"user": "usuario_id", "item": "libro_id"}')`);
        await database.admin.query('drop table deseo');
      },
      () => database.admin.query("select reco_configure('favorite', null, null)"),
    ],
  ];
  for (const [what, code, breakIt, mendIt] of failing) {
    const { length } = site.logged;
    await breakIt();
    try {
      await nothingLogged(async () => assertRules(await newList(), 'error'));
    } finally {
      await mendIt();
    }
    assert.deepEqual(site.logged.slice(length).map((line) => line.code), [code], what);
    assert.equal((await newList()).metadata.usedMLService, true, `after: ${what}`);
  }
});

test('a favourite, a review and their removal drop the list of their reader, in this process and in every other', async () => {
  const other = await running(database);
  try {
    const changes: (() => Promise<unknown>)[] = [
      () => reader.call('PUT', 'favoritos/7'),
      () => reader.call('PUT', 'resenas/7', { estrellas: 5 }),
      () => reader.call('DELETE', 'resenas/7'),
      () => reader.call('DELETE', 'favoritos/7'),
      () => database.admin.query('insert into favorito values ($1, 7, now())', [READER]),
      () => database.admin.query('delete from favorito where usuario_id = $1 and libro_id = 7', [READER]),
    ];
    const neighbour = await Reader.enter(site, 2n);
    await neighbour.list();
    for (const [place, change] of changes.entries()) {
      const here = (await reader.list()).metadata.requestId;
      const there = (await reader.at(other).list()).metadata.requestId;
      await change();
      if (place < 4) {
        assert.notEqual((await reader.list()).metadata.requestId, here, 'whoever changes something sees it at once');
      }
      await until('the list here is another', async () => (await reader.list()).metadata.requestId !== here);
      await until('the list there is another', async () => (await reader.at(other).list()).metadata.requestId !== there);
    }
    assert.equal((await neighbour.list()).metadata.cached, true, 'other readers keep theirs');
  } finally {
    await other.site.stop();
  }
});

test('the connection that listens comes back, and what it missed meanwhile is not shown', async () => {
  const listeners = async (): Promise<string[]> =>
    (await database.admin.query("select pid from pg_stat_activity where application_name = 'sitio: listen' and datname = current_database()")).rows.map(({ pid }) => pid);
  const [lost] = await listeners();
  const { requestId } = (await reader.list()).metadata;
  await database.admin.query('select pg_terminate_backend($1)', [lost]);
  await until('another connection listens', async () => {
    const [now] = await listeners();
    return now !== undefined && now !== lost;
  });
  await until('lists are kept again', async () => (await reader.list()).metadata.cached);
  assert.notEqual((await reader.list()).metadata.requestId, requestId, 'what was kept before is not trusted');
  const version = await promote(database, site, { seed: 5 });
  await until('the list is by the new model', async () => (await reader.list()).metadata.modelVersion === version);
});

test('connections that are lost in the middle of a request are replaced', async () => {
  const { pids } = (await database.admin.query("select array_agg(pid) as pids from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")).rows[0];
  await database.admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids]);
  await until('the model answers', async () => (await newList()).metadata.usedMLService);
});

test('without the extension the site goes on, and with it again the model is back after a training', async () => {
  const { requestId } = (await newList()).metadata;
  await database.admin.query('drop extension reco cascade');
  await assertRules(await newList(), 'error');
  assert.equal(site.logged.at(-1)!.code, '42883');
  const click = await reader.call('POST', `recomendaciones/${requestId}/click`, { libro: 1 });
  assert.equal(click.status, 503);
  assert.match(click.headers.get('content-type')!, /^application\/json/);
  await database.orm.em.fork().execute('create extension reco');
  await assertRules(await newList(), 'no_model');
  const version = await promote(database, site);
  assertModel(await newList(), version, false);
});
