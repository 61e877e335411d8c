// What the tests of the site share: a database of its own for each file, processes of the site, and readers who ask them.
import { setTimeout as delay } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { insertLibrary } from './library.js';
import { described, type Failed } from './log.js';
import { ormConfig } from './orm.js';
import type { Lista } from './recomendacion.service.js';
import type { Settings } from './settings.js';
import { databaseUrl } from './settings.js';
import { Site } from './site.js';

const ROLE = 'sitio';
const PASSWORD = 'sitio';
const WAIT = 20_000;

export interface Database {
  /** As the site's own role, which is no superuser. */
  url: string;
  /** A superuser's connection. */
  admin: pg.Client;
  orm: MikroORM;
  close(): Promise<void>;
}

/** A database whose owner is the role of the site, with its migrations, which create the extension, and a library. */
export async function newDatabase(name: string): Promise<Database> {
  const url = new URL(databaseUrl());
  const server = new pg.Client({ connectionString: url.href });
  await server.connect();
  const known = await server.query('select from pg_roles where rolname = $1', [ROLE]);
  if (known.rowCount === 0) {
    await server.query(`create role ${ROLE} login password '${PASSWORD}'`);
  }
  await server.query(`create database ${name} owner ${ROLE}`);
  await server.end();

  url.pathname = `/${name}`;
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  url.username = ROLE;
  url.password = PASSWORD;
  const orm = await MikroORM.init(ormConfig(url.href));
  await orm.migrator.up();
  await insertLibrary(orm.em.fork());
  const close = async () => {
    await orm.close();
    await admin.end();
  };
  return { url: url.href, admin, orm, close };
}

/** Trains as the site's role does, and promotes whatever comes out. */
export async function train({ orm }: Database, options: object = {}): Promise<string> {
  const [row] = await orm.em.fork().execute<{ model_version: string }[]>('select model_version from reco_train(?)', [
    JSON.stringify({ force: true, ...options }),
  ]);
  return row!.model_version;
}

export interface Running {
  site: Site;
  /** What it logged. */
  logged: ({ event: string } & Partial<Failed>)[];
}

export async function running(database: Database, settings: Partial<Settings> = {}): Promise<Running> {
  const logged: Running['logged'] = [];
  const site = await Site.start(
    database.url,
    { recoEnabled: true, recoTimeout: 2000, sessionSecret: 'a secret of the tests', openLogin: true, ...settings },
    0,
    (event, error) => logged.push({ event, ...(error === undefined ? {} : described(error)) }),
  );
  return { site, logged };
}

/** `train`, and the site has heard of it: until then a list of the new model may be made, and dropped. */
export async function promote(database: Database, { logged }: Running, options: object = {}): Promise<string> {
  const heard = () => logged.filter(({ event }) => event === 'another model answers').length;
  const before = heard();
  const version = await train(database, options);
  await until('the site has heard of the new model', () => heard() > before);
  return version;
}

/** A reader with a session. */
export class Reader {
  private constructor(
    private readonly url: string,
    private readonly cookie: string,
  ) {}

  static async enter({ site }: Running, id: bigint): Promise<Reader> {
    const answer = await fetch(`${site.url}/entrar`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ usuario: String(id) }) });
    return new Reader(site.url, answer.headers.get('set-cookie')!.split(';')[0]!);
  }

  /** The same reader's session at another process of the site. */
  at({ site }: Running): Reader {
    return new Reader(site.url, this.cookie);
  }

  call(method: string, path: string, body?: unknown): Promise<Response> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(`${this.url}/api/${path}`, { method, headers: { cookie: this.cookie, 'content-type': 'application/json' }, ...json });
  }

  async list(limit = 10): Promise<Lista> {
    const answer = await this.call('GET', `recomendaciones?limite=${limit}`);
    if (answer.status !== 200) {
      throw new Error(`${answer.status}: ${await answer.text()}`);
    }
    return (await answer.json()) as Lista;
  }
}

/** Asks until the answer is true. Nothing else tells when a notification has arrived. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`after ${WAIT / 1000} seconds, not yet: ${what}`);
    }
    await delay(20);
  }
}
