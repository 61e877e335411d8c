// Prisma 7, through its adapter for node-postgres
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrismaPg } from '@prisma/adapter-pg';
import { contract, URL } from './contract.js';
import { PrismaClient } from './prisma/client.js';

const connect = () => new PrismaClient({ adapter: new PrismaPg({ connectionString: URL }) });

async function open() {
  const prisma = connect();
  const runner = (executor) => (strings, ...values) => executor.$queryRaw(strings, ...values);
  return {
    sql: runner(prisma),
    transaction: (work, readOnly) =>
      prisma.$transaction(async (tx) => {
        if (readOnly) await tx.$executeRaw`SET TRANSACTION READ ONLY`;
        await work(runner(tx));
      }),
    close: () => prisma.$disconnect(),
  };
}

contract('Prisma', open, (error) => error.meta?.driverAdapterError.cause.originalCode);

test('Prisma: as the reference shows it', async () => {
  const prisma = connect();
  const userId = 7n;
  const itemIds = [5n, 3n];
  const rows = await prisma.$queryRaw`SELECT * FROM reco_score(${userId}, ${itemIds})`;
  assert.deepEqual(rows.map((row) => row.item_id), [5n, 3n]);
  await prisma.$disconnect();
});
