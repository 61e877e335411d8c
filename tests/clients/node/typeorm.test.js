// TypeORM
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataSource } from 'typeorm';
import { contract, URL } from './contract.js';

const numbered = (strings) => String.raw({ raw: strings }, ...strings.slice(1).map((_, i) => `$${i + 1}`));

async function open() {
  const source = await new DataSource({ type: 'postgres', url: URL }).initialize();
  const runner = (manager) => (strings, ...values) => manager.query(numbered(strings), values);
  return {
    sql: runner(source),
    transaction: (work, readOnly) =>
      source.transaction(async (manager) => {
        if (readOnly) await manager.query('SET TRANSACTION READ ONLY');
        await work(runner(manager));
      }),
    close: () => source.destroy(),
  };
}

contract('TypeORM', open);

test('TypeORM: as the reference shows it', async () => {
  const source = await new DataSource({ type: 'postgres', url: URL }).initialize();
  const userId = 7n;
  const itemIds = ['5', '3'];
  const rows = await source.query('SELECT * FROM reco_score($1, $2)', [userId, itemIds]);
  assert.deepEqual(rows.map((row) => row.item_id), ['5', '3']);
  await source.destroy();
});
