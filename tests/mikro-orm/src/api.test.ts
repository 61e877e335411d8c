// The interface of the site: who may ask, what is refused and how, and what clicks, favourites and reviews leave as rows.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newDatabase, Reader, running, train, type Database, type Running } from './testing.js';

const READER = 3n;
const UNKNOWN_REQUEST = '0190b2d4-0000-7000-8000-000000000000';

let database: Database;
let site: Running;
let reader: Reader;

before(async () => {
  database = await newDatabase('sitio_api');
  await train(database);
  site = await running(database);
  reader = await Reader.enter(site, READER);
});

after(async () => {
  await site?.site.stop();
  await database?.close();
});

async function assertError(answer: Response, status: number, message: RegExp): Promise<void> {
  assert.equal(answer.status, status);
  const { error } = (await answer.json()) as { error: { status: number; message: string } };
  assert.equal(error.status, status);
  assert.match(error.message, message);
}

const rows = async (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => (await database.admin.query(sql, values)).rows;

test('without a session, or with a cookie that the site did not sign, everything is refused', async () => {
  const cookie = (await fetch(`${site.site.url}/entrar`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ usuario: '3' }) })).headers.get('set-cookie')!;
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Strict/);
  const own = cookie.split(';')[0]!;
  const [, end, signature] = own.split('.');
  const cookies = ['', 'sesion=3', `sesion=4.${end}.${signature}`, `sesion=3.${Number(end) + 1}.${signature}`, `${own}x`];
  const paths: [string, string][] = [
    ['GET', 'recomendaciones'],
    ['DELETE', 'recomendaciones/cache'],
    ['POST', `recomendaciones/${UNKNOWN_REQUEST}/click`],
    ['POST', `recomendaciones/${UNKNOWN_REQUEST}/dismiss`],
    ['GET', 'favoritos'],
    ['PUT', 'favoritos/1'],
    ['DELETE', 'favoritos/1'],
    ['PUT', 'resenas/1'],
    ['DELETE', 'resenas/1'],
  ];
  for (const [method, path] of paths) {
    for (const text of cookies) {
      await assertError(await fetch(`${site.site.url}/api/${path}`, { method, headers: { cookie: text } }), 401, /sesión/);
    }
  }
  assert.equal((await fetch(`${site.site.url}/api/favoritos`, { headers: { cookie: own } })).status, 200);
});

test('a session ends', async (t) => {
  const tomorrow = Date.now() + 86_400_001;
  t.mock.method(Date, 'now', () => tomorrow);
  assert.equal((await reader.call('GET', 'favoritos')).status, 401);
});

test('where the site has its own log-in, nobody enters as anybody', async () => {
  const closed = await running(database, { openLogin: false });
  try {
    const answer = await fetch(`${closed.site.url}/entrar`, { method: 'POST', body: new URLSearchParams({ usuario: '3' }) });
    await assertError(answer, 404, /nada/);
  } finally {
    await closed.site.stop();
  }
});

test('what is not as it must be is refused with 400, and what does not exist with 404, as JSON', async () => {
  const { requestId } = (await reader.list()).metadata;
  const click = `recomendaciones/${requestId}/click`;
  const refused: [number, RegExp, string, string, unknown?][] = [
    [400, /limite/, 'GET', 'recomendaciones?limite=0'],
    [400, /limite/, 'GET', 'recomendaciones?limite=51'],
    [400, /limite/, 'GET', 'recomendaciones?limite=1.5'],
    [400, /limite/, 'GET', 'recomendaciones?limite=1&limite=2'],
    [400, /libro/, 'PUT', 'favoritos/uno'],
    [400, /libro/, 'PUT', 'favoritos/1234567890123456789'],
    [400, /libro/, 'PUT', "favoritos/1';--"],
    [404, /libro/, 'PUT', 'favoritos/99999'],
    [404, /libro/, 'PUT', 'resenas/99999', { estrellas: 3 }],
    [400, /estrellas/, 'PUT', 'resenas/1', { estrellas: 6 }],
    [400, /estrellas/, 'PUT', 'resenas/1', { estrellas: 2.5 }],
    [400, /estrellas/, 'PUT', 'resenas/1', { estrellas: null }],
    [400, /estrellas/, 'PUT', 'resenas/1', {}],
    [400, /requestId/, 'POST', 'recomendaciones/1/click', { libro: 1 }],
    [400, /libro/, 'POST', click, { libro: 2 ** 60 }],
    [400, /libro/, 'POST', click, []],
    [400, /libro/, 'POST', click],
    [404, /request/, 'POST', `recomendaciones/${UNKNOWN_REQUEST}/click`, { libro: 1 }],
    [404, /item/, 'POST', click, { libro: 99999 }],
    [413, /large/, 'PUT', 'resenas/1', { estrellas: 'x'.repeat(20_000) }],
    [404, /nada/, 'GET', 'nada'],
  ];
  for (const [status, message, method, path, body] of refused) {
    await assertError(await reader.call(method, path, body), status, message);
  }
  const broken = await fetch(`${site.site.url}/api/resenas/1`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{' });
  await assertError(broken, 400, /JSON/);
  assert.deepEqual(site.logged, [], 'errors of clients are not logged');
});

test('an error that nobody expected is told as such, and nothing of its text', async () => {
  await database.admin.query('alter table resena rename to opinion');
  try {
    await assertError(await reader.call('PUT', 'resenas/1', { estrellas: 3 }), 500, /^error interno$/);
  } finally {
    await database.admin.query('alter table opinion rename to resena');
  }
  assert.deepEqual(site.logged.splice(0).map(({ event, code }) => [event, code]), [['PUT /api/resenas/1', '42P01']]);
});

test('a click is a row, once, and marks the book in the list, also in that of another process', async () => {
  const { recomendaciones, metadata } = await reader.list();
  const libro = recomendaciones[4]!.libro;
  const path = `recomendaciones/${metadata.requestId}/click`;
  assert.deepEqual(await (await reader.call('POST', path, { libro })).json(), { nuevo: true });
  assert.deepEqual(await (await reader.call('POST', path, { libro: Number(libro) })).json(), { nuevo: false });
  assert.deepEqual(await rows('select item_id, user_id, event from reco.feedback where request_id = $1', metadata.requestId), [
    { item_id: libro, user_id: String(READER), event: 'click' },
  ]);
  const again = await reader.list();
  assert.equal(again.metadata.cached, true);
  assert.deepEqual(again.recomendaciones.filter(({ abierto }) => abierto).map((row) => row.libro), [libro]);
});

test('what is dismissed is a row, and is not recommended again', async () => {
  const { recomendaciones, metadata } = await reader.list();
  const libro = recomendaciones[0]!.libro;
  const answer = await reader.call('POST', `recomendaciones/${metadata.requestId}/dismiss`, { libro });
  assert.deepEqual(await answer.json(), { nuevo: true });
  assert.deepEqual(await rows("select item_id from reco.feedback where user_id = $1 and event = 'dismiss'", READER), [{ item_id: libro }]);
  for (let i = 0; i < 2; i++) {
    const list = await reader.list();
    assert.equal(list.recomendaciones.length, 10);
    assert.ok(list.recomendaciones.every((row) => row.libro !== libro));
    await reader.call('DELETE', 'recomendaciones/cache');
  }
});

test('favourites and reviews are rows, once each, and count at once', async () => {
  const { recomendaciones, metadata } = await reader.list();
  assert.equal(metadata.algoritmo, 'hybrid');
  const [first, second] = recomendaciones.map(({ libro }) => libro);
  for (let i = 0; i < 2; i++) {
    assert.equal((await reader.call('PUT', `favoritos/${first}`)).status, 204);
    assert.equal((await reader.call('PUT', `resenas/${second}`, { estrellas: 2 + i })).status, 204);
  }
  assert.deepEqual(await rows('select libro_id from favorito where usuario_id = $1 and libro_id = $2', READER, first), [{ libro_id: first }]);
  assert.deepEqual(await rows('select estrellas from resena where usuario_id = $1 and libro_id = $2', READER, second), [{ estrellas: 3 }]);
  const { favoritos } = (await (await reader.call('GET', 'favoritos')).json()) as { favoritos: { libro: string; titulo: string }[] };
  assert.deepEqual(favoritos[0], { libro: first, titulo: `Libro ${first}` });

  const list = await reader.list();
  assert.equal(list.metadata.algoritmo, 'fold_in', 'the reader is computed from the new rows');
  assert.ok(list.recomendaciones.every(({ libro }) => libro !== first && libro !== second));

  assert.equal((await reader.call('DELETE', `favoritos/${first}`)).status, 204);
  assert.equal((await reader.call('DELETE', `resenas/${second}`)).status, 204);
  assert.deepEqual(await rows('select from favorito where usuario_id = $1 and libro_id = $2', READER, first), []);
  assert.deepEqual(await rows('select from resena where usuario_id = $1 and libro_id = $2', READER, second), []);
  assert.equal((await reader.list()).metadata.algoritmo, 'hybrid');
});

test('a new reader is answered, too', async () => {
  const unknown = await Reader.enter(site, 999_999n);
  const { recomendaciones, metadata } = await unknown.list(5);
  assert.equal(metadata.algoritmo, 'content');
  assert.equal(recomendaciones.length, 5);
  await assertError(await unknown.call('PUT', 'favoritos/1'), 404, /lector/);
});
