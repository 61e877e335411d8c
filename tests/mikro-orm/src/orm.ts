import { fileURLToPath } from 'node:url';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig } from '@mikro-orm/postgresql';
import { entities } from './entities.js';

const url = process.env.RECO_TCP_URL;
if (!url) {
  throw new Error('RECO_TCP_URL is not set: point it at a temporary cluster, such as postgres://postgres:secret@127.0.0.1:5432/postgres');
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  clientUrl: url,
  entities,
  extensions: [Migrator],
  // Without this the schema diff proposes to drop the tables that the extension owns.
  schemaGenerator: { ignoreSchema: ['reco'] },
  migrations: {
    path: here('./migrations'),
    pathTs: here('../src/migrations'),
    // The diff then compares the entities with the live database, which is what the test wants to know.
    snapshot: false,
  },
});
