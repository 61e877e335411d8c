import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import type { ReaderCache } from './cache.js';
import { HttpError } from './http-error.js';
import { described, type Log } from './log.js';
import type { Source } from './recommender.js';
import { byRules, MOST_POINTS, NO_TASTE, tasteOf } from './reglas.js';
import type { Settings } from './settings.js';

/** Why the rules answered instead of a model. */
export type Fallback = 'disabled' | 'no_model' | 'timeout' | 'error';

export interface Recomendacion {
  libro: string;
  titulo: string;
  autor: string | null;
  categoria: string | null;
  /** 0 to 1. */
  puntuacion: number;
  razon: string | null;
  /** Whether the reader has opened it from this list. */
  abierto: boolean;
}

export interface Metadata {
  algoritmo: Source;
  modelVersion: string | null;
  usedMLService: boolean;
  fallback: Fallback | null;
  /** What a click names. Null where the rules answered: nothing was logged. */
  requestId: string | null;
  cached: boolean;
  /** Milliseconds. */
  tiempo: number;
}

export interface Lista {
  recomendaciones: Recomendacion[];
  metadata: Metadata;
}

/** A list as it is kept for an hour. */
export type Kept = { recomendaciones: Recomendacion[] } & Pick<
  Metadata,
  'algoritmo' | 'modelVersion' | 'fallback' | 'requestId'
>;

/** A row of reco_serve with what the page shows of the book. The driver gives a bigint as a string. */
interface Fila {
  request_id: string;
  item_id: string;
  titulo: string;
  autor: string | null;
  categoria: string | null;
  score: number;
  source: Source;
  model_version: string | null;
  reason: string | null;
}

const NO_MODEL = '55000';
const CANCELLED = '57014';
const NOT_SHOWN = '42704';

class Disabled extends Error {}

export class RecomendacionService {
  constructor(
    private readonly orm: MikroORM,
    private readonly cache: ReaderCache<Kept>,
    private readonly settings: Settings,
    private readonly log: Log,
  ) {}

  /** The list of a reader: one of the last hour, if nothing has happened since, or a new one. */
  async recomendar(usuario: bigint, limite: number): Promise<Lista> {
    const began = performance.now();
    const { value, cached } = await this.cache.get(
      usuario,
      String(limite),
      () => this.calcular(usuario, limite),
      // What the rules gave is not kept, so the model is back as soon as it answers again.
      ({ fallback }) => fallback === null,
    );
    const { recomendaciones, ...made } = value;
    return {
      recomendaciones: cached && made.requestId ? await this.marcadas(recomendaciones, made.requestId) : recomendaciones,
      metadata: { ...made, usedMLService: made.fallback === null, cached, tiempo: performance.now() - began },
    };
  }

  /** One query: the best books, each with a reason. That they were shown is logged in the same transaction. */
  private calcularPuntuaciones(em: SqlEntityManager, usuario: bigint, limite: number): Promise<Fila[]> {
    return em.execute(
      `select s.request_id, s.item_id, l.titulo, a.nombre as autor, c.nombre as categoria,
              s.score, s.source, s.model_version, s.reason
       from reco_serve(?, ?, surface => 'inicio') s join libro l on l.id = s.item_id
       left join autor a on a.id = l.autor_id left join categoria c on c.id = l.categoria_id
       order by s.rank`,
      [usuario, limite],
    );
  }

  /** A transaction of its own: when reco is missing, fails or is slow, this is rolled back, and the site's rules answer. */
  private async calcular(usuario: bigint, limite: number): Promise<Kept> {
    try {
      return await this.orm.em.fork().transactional(async (em) => {
        const [reco] = await em.execute<{ enabled: boolean }[]>(
          `select set_config('statement_timeout', ?, true), set_config('reco.fallback', 'off', true),
                  coalesce(nullif(current_setting('reco.enabled', true), ''), 'on')::boolean as enabled`,
          [`${this.settings.recoTimeout}ms`],
        );
        if (!this.settings.recoEnabled || !reco?.enabled) throw new Disabled();
        return deModelo(await this.calcularPuntuaciones(em, usuario, limite));
      });
    } catch (error) {
      return this.deReglas(usuario, limite, this.motivo(error));
    }
  }

  /** What a reader did with a book of a list; false if that was known. */
  async responder(usuario: bigint, requestId: string, libro: bigint, event: 'click' | 'dismiss'): Promise<boolean> {
    try {
      const [row] = await this.orm.em.fork().execute<{ new: boolean }[]>('select reco_feedback(?, ?, ?) as new', [requestId, libro, event]);
      return row!.new;
    } catch (error) {
      if (described(error).code === NOT_SHOWN) throw new HttpError(404, described(error).message);
      this.log(event, error);
      throw new HttpError(503, 'no disponible por ahora');
    } finally {
      // A list of ten without what was dismissed.
      if (event === 'dismiss') this.cache.drop(usuario);
    }
  }

  /** A kept list as its reader has left it: what was opened is marked, what was dismissed is gone. */
  private async marcadas(recomendaciones: Recomendacion[], requestId: string): Promise<Recomendacion[]> {
    try {
      const rows = await this.orm.em.fork().execute<{ item_id: string; event: string }[]>(
        'select item_id, event from reco.feedback where request_id = ?',
        [requestId],
      );
      const done = (event: string) => new Set(rows.filter((row) => row.event === event).map((row) => row.item_id));
      const [opened, dismissed] = [done('click'), done('dismiss')];
      return recomendaciones.filter(({ libro }) => !dismissed.has(libro)).map((row) => ({ ...row, abierto: opened.has(row.libro) }));
    } catch (error) {
      this.log('a list without its marks', error);
      return recomendaciones;
    }
  }

  private motivo(error: unknown): Fallback {
    if (error instanceof Disabled) {
      return 'disabled';
    }
    this.log('rules instead of reco', error);
    const { code } = described(error);
    return code === NO_MODEL ? 'no_model' : code === CANCELLED ? 'timeout' : 'error';
  }

  /** Where even the reader's own rows cannot be read in time, the newest books. */
  private async deReglas(usuario: bigint, limite: number, fallback: Fallback): Promise<Kept> {
    const inTime = <T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> =>
      this.orm.em.fork().transactional(async (em) => {
        await em.execute(`select set_config('statement_timeout', ?, true)`, [`${this.settings.recoTimeout}ms`]);
        return work(em);
      });
    const taste = await inTime((em) => tasteOf(em, usuario)).catch((error: unknown) => {
      this.log('the rules do not know the reader', error);
      return NO_TASTE;
    });
    const ranked = await inTime((em) => byRules(em, taste, limite));
    const recomendaciones = ranked.map(({ book, points, reason }) => ({
      libro: String(book.id),
      titulo: book.titulo,
      autor: book.autor?.nombre ?? null,
      categoria: book.categoria?.nombre ?? null,
      puntuacion: points / MOST_POINTS,
      razon: reason,
      abierto: false,
    }));
    return { recomendaciones, algoritmo: 'rules', modelVersion: null, fallback, requestId: null };
  }
}

function deModelo(filas: Fila[]): Kept {
  const [first] = filas;
  return {
    recomendaciones: filas.map((fila) => ({
      libro: fila.item_id,
      titulo: fila.titulo,
      autor: fila.autor,
      categoria: fila.categoria,
      puntuacion: fila.score,
      razon: fila.reason,
      abierto: false,
    })),
    // The best book's step of the ladder. Whoever has read everything gets an empty list, and that is an answer too.
    algoritmo: first?.source ?? 'hybrid',
    modelVersion: first?.model_version ?? null,
    fallback: null,
    requestId: first?.request_id ?? null,
  };
}
