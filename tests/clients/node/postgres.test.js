// postgres.js
import assert from 'node:assert/strict';
import { test } from 'node:test';
import postgres from 'postgres';
import { contract, URL } from './contract.js';

const BIGINT_ARRAY = 1016;

async function open() {
  const sql = postgres(URL, { max: 2 });
  return {
    sql,
    // postgres.js takes the type of an array from its first element, and that of a BigInt for the array's own.
    ids: (list) => (typeof list[0] === 'bigint' ? sql.array(list, BIGINT_ARRAY) : list),
    transaction: (work, readOnly) => sql.begin(readOnly ? 'read only' : 'read write', work),
    listen: (channel, callback) => sql.listen(channel, callback),
    close: () => sql.end(),
  };
}

contract('postgres.js', open);

test('postgres.js: as the reference shows it', async () => {
  const sql = postgres(URL);
  const userId = '7';
  const itemIds = ['5', '3'];
  const rows = await sql`SELECT * FROM reco_score(${userId}, ${itemIds})`;
  assert.deepEqual(rows.map((row) => row.item_id), ['5', '3']);
  await sql.end();
});
