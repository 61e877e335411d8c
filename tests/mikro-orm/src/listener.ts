import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from './log.js';

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;

export interface Heard {
  /** True: from now on everything is heard. False: the connection is lost. */
  listening(now: boolean): void;
  /** Another model answers. */
  promotion(): void;
  /** The favourites or reviews of a reader changed. */
  reader(id: bigint): void;
}

/** A connection of its own that hears of promotions and of readers. One of the pool would be lent to somebody else. */
export class Listener {
  private client: pg.Client | undefined;
  private stopped = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly url: string,
    private readonly heard: Heard,
    private readonly log: Log,
  ) {}

  /** Comes back when it listens for the first time; later it reconnects by itself. */
  start(): Promise<void> {
    return new Promise((listens) => {
      this.running = this.run(listens);
    });
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.client?.end().catch(() => {});
    await this.running;
  }

  private async run(listens: () => void): Promise<void> {
    const { signal } = this.stopped;
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      try {
        await this.untilLost(() => {
          pause = FIRST_PAUSE;
          this.heard.listening(true);
          listens();
        });
      } catch (error) {
        this.log('listener', error);
      }
      this.heard.listening(false);
      await delay(pause, undefined, { signal }).catch(() => {});
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  private async untilLost(listens: () => void): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'sitio: listen', keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
    this.client = client;
    const lost = new Promise<void>((end) => client.once('end', () => end()));
    client.on('error', (error) => this.log('listener', error));
    client.on('notification', ({ channel, payload }) => this.hear(channel, payload ?? ''));
    await client.connect();
    await client.query('listen reco');
    await client.query('listen lectores');
    listens();
    await this.warmUp(client);
    await lost;
  }

  private hear(channel: string, payload: string): void {
    if (channel === 'lectores') {
      this.heard.reader(BigInt(payload));
      return;
    }
    const outcome = JSON.parse(payload) as { event: string; promoted?: boolean };
    if (outcome.promoted || outcome.event === 'activate' || outcome.event === 'rollback') {
      this.heard.promotion();
    }
  }

  /**
   * After a restart of the server the first connection that needs the model writes its file, which takes longer than a
   * page may wait. So this connection asks first, and without a limit of time.
   */
  private async warmUp(client: pg.Client): Promise<void> {
    try {
      await client.query('select from reco_recommend(0, 1)');
    } catch (error) {
      this.log('warm-up', error);
    }
  }
}
