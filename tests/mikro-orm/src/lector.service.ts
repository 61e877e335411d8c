import { ForeignKeyConstraintViolationException, type MikroORM } from '@mikro-orm/postgresql';
import type { ReaderCache } from './cache.js';
import { Favorito, Libro, Resena } from './entities.js';
import { HttpError } from './http-error.js';

/**
 * What a reader says of books. Each change drops the reader's list here at once, so that the next answer has seen it; the
 * other processes of the site hear of it by the trigger of the tables.
 */
export class LectorService {
  constructor(
    private readonly orm: MikroORM,
    private readonly lists: ReaderCache<unknown>,
  ) {}

  async favoritos(usuario: bigint): Promise<Libro[]> {
    const rows = await this.orm.em.fork().find(Favorito, { usuario }, {
      populate: ['libro'],
      orderBy: { fechaAgregado: 'desc nulls last', libro: 'desc' },
    });
    return rows.map(({ libro }) => libro);
  }

  async addFavorito(usuario: bigint, libro: bigint): Promise<void> {
    await this.change(usuario, () =>
      this.orm.em.fork().upsert(Favorito, { usuario, libro, fechaAgregado: new Date() }, { onConflictAction: 'ignore' }),
    );
  }

  async removeFavorito(usuario: bigint, libro: bigint): Promise<void> {
    await this.change(usuario, () => this.orm.em.fork().nativeDelete(Favorito, { usuario, libro }));
  }

  async review(usuario: bigint, libro: bigint, estrellas: number): Promise<void> {
    await this.change(usuario, () =>
      this.orm.em.fork().upsert(Resena, { usuario, libro, estrellas, fechaResena: new Date() }, {
        onConflictFields: ['usuario', 'libro'],
        onConflictMergeFields: ['estrellas', 'fechaResena'],
      }),
    );
  }

  async removeReview(usuario: bigint, libro: bigint): Promise<void> {
    await this.change(usuario, () => this.orm.em.fork().nativeDelete(Resena, { usuario, libro }));
  }

  /** A book, and what the reader says of it. */
  async book(usuario: bigint, id: bigint): Promise<{ libro: Libro; favorito: boolean; estrellas: number | null }> {
    const em = this.orm.em.fork();
    const libro = await em.findOne(Libro, { id }, { populate: ['autor', 'categoria'] });
    if (!libro) {
      throw new HttpError(404, `no hay ningún libro ${id}`);
    }
    const favorito = await em.count(Favorito, { usuario, libro: id });
    const review = await em.findOne(Resena, { usuario, libro: id });
    return { libro, favorito: favorito > 0, estrellas: review?.estrellas ?? null };
  }

  private async change(usuario: bigint, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof ForeignKeyConstraintViolationException) {
        throw new HttpError(404, 'no hay tal libro o lector');
      }
      throw error;
    } finally {
      this.lists.drop(usuario);
    }
  }
}
