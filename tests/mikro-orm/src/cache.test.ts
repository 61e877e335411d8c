import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReaderCache } from './cache.js';

const READER = 1n;
const always = () => true;

function counting(): { compute: () => Promise<number>; calls: () => number } {
  let calls = 0;
  return { compute: async () => ++calls, calls: () => calls };
}

function openCache(lifetime = 60_000, most = 3): ReaderCache<number> {
  const cache = new ReaderCache<number>(lifetime, most);
  cache.setOpen(true);
  return cache;
}

test('a value is computed once, for calls at the same time and for later ones', async () => {
  const cache = openCache();
  const { compute, calls } = counting();
  const [first, second] = await Promise.all([cache.get(READER, '10', compute, always), cache.get(READER, '10', compute, always)]);
  assert.deepEqual([first, second], [{ value: 1, cached: false }, { value: 1, cached: true }]);
  assert.deepEqual(await cache.get(READER, '10', compute, always), { value: 1, cached: true });
  assert.equal(calls(), 1);
});

test('another key, another reader, the end of its life and a drop compute again', async (t) => {
  let now = 0;
  t.mock.method(Date, 'now', () => now);
  const cache = openCache();
  const { compute } = counting();
  const next = async (reader: bigint, key: string) => (await cache.get(reader, key, compute, always)).value;
  assert.equal(await next(READER, '10'), 1);
  assert.equal(await next(READER, '5'), 2);
  assert.equal(await next(2n, '5'), 3);
  assert.equal(await next(READER, '5'), 2);
  now += 60_000;
  assert.equal(await next(READER, '5'), 4);
  cache.drop(READER);
  assert.equal(await next(READER, '5'), 5);
});

test('what was dropped while it was computed is not kept', async () => {
  for (const drop of ['drop', 'clear'] as const) {
    const cache = openCache();
    let finish = (_: number): void => {};
    const slow = cache.get(READER, '10', () => new Promise((resolve) => (finish = resolve)), always);
    cache[drop](READER);
    const after = cache.get(READER, '10', async () => 2, always);
    finish(1);
    assert.equal((await slow).value, 1);
    assert.equal((await after).value, 2);
    assert.deepEqual(await cache.get(READER, '10', async () => 3, always), { value: 2, cached: true }, drop);
  }
});

test('neither errors nor what is not to be kept stay', async () => {
  const cache = openCache();
  await assert.rejects(cache.get(READER, '10', () => Promise.reject(new Error('no')), always), /no/);
  await cache.get(READER, '10', async () => 1, () => false);
  assert.equal(cache.size, 0);
});

test('the oldest give way, and a closed cache keeps nothing', async () => {
  const cache = openCache();
  for (const reader of [1n, 2n, 3n, 4n]) {
    await cache.get(reader, '10', async () => Number(reader), always);
  }
  assert.equal(cache.size, 3);
  assert.equal((await cache.get(2n, '10', async () => 0, always)).cached, true);
  assert.equal((await cache.get(1n, '10', async () => 0, always)).cached, false);
  cache.setOpen(false);
  await cache.get(1n, '10', async () => 0, always);
  assert.equal(cache.size, 0);
});
