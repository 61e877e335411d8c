// Of schema.test.js; the entities stand in drizzle.entities.js.
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './drizzle.entities.js',
  dbCredentials: { url: process.env.COMPARED },
});
