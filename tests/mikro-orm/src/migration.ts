// Writes the next migration from the difference between the entities and the database.
import { MikroORM } from '@mikro-orm/postgresql';
import config from './orm.js';

const orm = await MikroORM.init({ ...config, preferTs: true });
const { fileName } = await orm.migrator.createMigration(undefined, false, false, process.argv[2]);
console.log(fileName || 'nothing to migrate');
await orm.close();
