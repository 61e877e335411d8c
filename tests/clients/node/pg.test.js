// node-postgres
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { contract, URL } from './contract.js';

/** A template as text with $1, $2, … and its values. */
const numbered = (strings) => String.raw({ raw: strings }, ...strings.slice(1).map((_, i) => `$${i + 1}`));

async function open() {
  const client = new pg.Client({ connectionString: URL });
  await client.connect();
  const sql = async (strings, ...values) => (await client.query(numbered(strings), values)).rows;
  return {
    sql,
    prepared: async (strings, ...values) => {
      const text = numbered(strings);
      return (await client.query({ name: text.slice(0, 60), text, values })).rows;
    },
    async transaction(work, readOnly) {
      await client.query(readOnly ? 'BEGIN READ ONLY' : 'BEGIN');
      try {
        await work(sql);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    },
    async listen(channel, callback) {
      client.on('notification', (message) => callback(message.payload));
      await client.query(`LISTEN ${channel}`);
    },
    close: () => client.end(),
  };
}

contract('node-postgres', open);

test('node-postgres: as the reference shows it', async () => {
  const pool = new pg.Pool({ connectionString: URL });
  const userId = 7n;
  const itemIds = ['5', '3'];
  const { rows } = await pool.query('SELECT * FROM reco_score($1, $2)', [userId, itemIds]);
  assert.deepEqual(rows.map((row) => row.item_id), ['5', '3']);
  await pool.end();
});
