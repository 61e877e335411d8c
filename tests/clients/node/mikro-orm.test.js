// MikroORM 7; tests/mikro-orm has a whole backend with MikroORM 6.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineEntity, MikroORM, p } from '@mikro-orm/postgresql';
import { contract, URL } from './contract.js';

const Libro = defineEntity({ name: 'Libro', tableName: 'libro', properties: { id: p.bigint().primary() } });
const options = { clientUrl: URL, entities: [Libro], discovery: { warnWhenNoEntities: false } };

async function open() {
  const orm = await MikroORM.init(options);
  const runner = (em) => (strings, ...values) => em.execute(strings.join('?'), values);
  return {
    sql: runner(orm.em.fork()),
    // MikroORM writes an array as a list of values, so it is passed as the text of an array.
    ids: (list) => `{${list.join(',')}}`,
    transaction: (work, readOnly) => orm.em.fork().transactional((em) => work(runner(em)), { readOnly }),
    close: () => orm.close(),
  };
}

contract('MikroORM 7', open);

test('MikroORM 7: as the reference shows it', async () => {
  const orm = await MikroORM.init(options);
  const em = orm.em.fork();
  const userId = 7n;
  const itemIds = ['5', '3'];
  const rows = await em.execute('SELECT * FROM reco_score(?, ?)', [userId, `{${itemIds.join(',')}}`]);
  assert.deepEqual(rows.map((row) => row.item_id), ['5', '3']);
  await orm.close();
});
