import { integer, pgTable } from 'drizzle-orm/pg-core';

export const libro = pgTable('libro', { id: integer('id').primaryKey() });
