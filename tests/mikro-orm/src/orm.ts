import { fileURLToPath } from 'node:url';
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig } from '@mikro-orm/postgresql';
import { entities } from './entities.js';
import { databaseUrl } from './settings.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const ormConfig = (url: string) => defineConfig({
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

export default ormConfig(databaseUrl());
