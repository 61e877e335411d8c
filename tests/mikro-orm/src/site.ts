import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MikroORM } from '@mikro-orm/postgresql';
import express, { type Express } from 'express';
import { api, type Services } from './api.js';
import { ReaderCache } from './cache.js';
import { errorsAsJson, HttpError } from './http-error.js';
import { LectorService } from './lector.service.js';
import { Listener } from './listener.js';
import { logToConsole, type Log } from './log.js';
import { ormConfig } from './orm.js';
import { pages } from './page.js';
import { RecomendacionService, type Kept } from './recomendacion.service.js';
import { Sessions } from './session.js';
import type { Settings } from './settings.js';

const HOUR = 3_600_000;
const MOST_LISTS = 10_000;

/** One process of the site: its pool, its cache and the connection that empties it. */
export class Site {
  private constructor(
    private readonly orm: MikroORM,
    private readonly listener: Listener,
    private readonly server: Server,
  ) {}

  static async start(databaseUrl: string, settings: Settings, port = 0, log: Log = logToConsole): Promise<Site> {
    const orm = await MikroORM.init(ormConfig(databaseUrl));
    const lists = new ReaderCache<Kept>(HOUR, MOST_LISTS);
    const listener = new Listener(
      databaseUrl,
      {
        listening: (now) => lists.setOpen(now),
        promotion: () => {
          log('another model answers');
          lists.clear();
        },
        reader: (id) => lists.drop(id),
      },
      log,
    );
    const services = {
      recomendaciones: new RecomendacionService(orm, lists, settings, log),
      lectores: new LectorService(orm, lists),
      lists,
      sessions: new Sessions(settings.sessionSecret),
    };
    await listener.start();
    const server = application(services, settings, log).listen(port, '127.0.0.1');
    await new Promise<void>((ready, failed) => server.once('listening', ready).once('error', failed));
    return new Site(orm, listener, server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
    await this.listener.stop();
    await this.orm.close();
  }
}

function application(services: Services, settings: Settings, log: Log): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use('/api', api(services));
  app.use(pages(services, settings.openLogin));
  app.use(() => {
    throw new HttpError(404, 'no hay nada aquí');
  });
  app.use(errorsAsJson(log));
  return app;
}
