// What tools plan that compare the schema of a database with entities: to drop what they do not know, but nothing of reco.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { defineEntity, MikroORM, p } from '@mikro-orm/postgresql';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { URL as SERVER } from './contract.js';

const url = new URL(SERVER);
url.pathname = '/compared';
const clientUrl = url.href;

async function run(connectionString, ...statements) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

before(async () => {
  await run(SERVER, 'CREATE DATABASE compared');
  await run(clientUrl, 'CREATE EXTENSION reco', 'CREATE TABLE libro (id int PRIMARY KEY)', 'CREATE TABLE stray (id int)');
});
after(() => run(SERVER, 'DROP DATABASE compared WITH (FORCE)'));

async function mikroOrm(schemaGenerator) {
  const Libro = defineEntity({ name: 'Libro', tableName: 'libro', properties: { id: p.integer().primary() } });
  const orm = await MikroORM.init({ clientUrl, entities: [Libro], schemaGenerator });
  const plan = await orm.schema.getUpdateSchemaSQL({ wrap: false });
  await orm.close();
  return plan;
}

test('MikroORM 7 drops nothing of reco where the schema is ignored', async () => {
  const plan = await mikroOrm({ ignoreSchema: ['reco'] });
  assert.match(plan, /drop table if exists "stray"/);
  assert.doesNotMatch(plan, /reco/);
});

test('MikroORM 7 would drop the schema otherwise, and PostgreSQL refuses that', async () => {
  const plan = await mikroOrm({});
  assert.match(plan, /drop schema if exists "reco"/);
  assert.doesNotMatch(plan, /function|reco_/);
  await assert.rejects(run(clientUrl, 'DROP TABLE reco.model CASCADE'), { code: '2BP01' });
  await assert.rejects(run(clientUrl, 'DROP SCHEMA reco CASCADE'), { code: '2BP01' });
});

test('drizzle-kit looks at the schema public only', () => {
  // It asks before it drops the stray table, and there is nobody to answer.
  const args = ['drizzle-kit', 'push', '--strict', '--verbose', '--config', 'drizzle.config.js'];
  const env = { ...process.env, COMPARED: clientUrl };
  const { stdout } = spawnSync('npx', args, { cwd: import.meta.dirname, encoding: 'utf8', input: '', env });
  assert.equal(stdout.split('current statements:')[1]?.trim(), 'DROP TABLE "stray" CASCADE;');
});

test('TypeORM drops no table that it does not know', async () => {
  const Libro = new EntitySchema({ name: 'Libro', tableName: 'libro', columns: { id: { type: 'int', primary: true } } });
  const source = await new DataSource({ type: 'postgres', url: clientUrl, entities: [Libro] }).initialize();
  const { upQueries } = await source.driver.createSchemaBuilder().log();
  await source.destroy();
  assert.deepEqual(upQueries, []);
});
