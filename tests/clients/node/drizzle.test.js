// Drizzle
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { contract, URL } from './contract.js';

async function open() {
  const db = drizzle(URL);
  const runner = (executor) => async (strings, ...values) => {
    const parameters = values.map((value) => (Array.isArray(value) ? sql.param(value) : value));
    return (await executor.execute(sql(strings, ...parameters))).rows;
  };
  return {
    sql: runner(db),
    transaction: (work, readOnly) =>
      db.transaction((tx) => work(runner(tx)), { accessMode: readOnly ? 'read only' : 'read write' }),
    close: () => db.$client.end(),
  };
}

// Drizzle wraps the error of the driver.
contract('Drizzle', open, (error) => error.cause?.code);

test('Drizzle: as the reference shows it', async () => {
  const db = drizzle(URL);
  const userId = 7n;
  const itemIds = ['5', '3'];
  const { rows } = await db.execute(sql`SELECT * FROM reco_score(${userId}, ${sql.param(itemIds)})`);
  assert.deepEqual(rows.map((row) => row.item_id), ['5', '3']);
  await db.$client.end();
});
