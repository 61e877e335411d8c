import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { Autor, Categoria, Favorito, Libro, Resena, Usuario } from './entities.js';

export const USERS = 300;
export const BOOKS = 120;
const CATEGORIES = 6;
const AUTHORS = 24;
const READ_PER_USER = 25;
const DAY = 86_400_000;
const FIRST_DAY = Date.UTC(2024, 0, 1);

/** Numbers in [0,1) that are the same on every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ids = (count: number): bigint[] => Array.from({ length: count }, (_, i) => BigInt(i + 1));

/** The id of a book decides its category and author. Each user prefers one category, which a model can learn. */
const categoryOf = (book: number): number => (book % CATEGORIES) + 1;
const authorOf = (book: number): number => (book % AUTHORS) + 1;

export async function insertLibrary(em: SqlEntityManager): Promise<void> {
  const random = randomNumbers(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  const dayOf = (days: number): Date => new Date(FIRST_DAY + days * DAY);

  const books = ids(BOOKS).map((id) => ({
    id,
    titulo: `Libro ${id}`,
    categoria: BigInt(categoryOf(Number(id))),
    autor: BigInt(authorOf(Number(id))),
    fechaPublicacion: dayOf(-below(3000)).toISOString().slice(0, 10),
  }));
  const reviews: { usuario: bigint; libro: bigint; estrellas: number; fechaResena: Date }[] = [];
  const favourites: { usuario: bigint; libro: bigint; fechaAgregado: Date }[] = [];

  for (const usuario of ids(USERS)) {
    const liked = below(CATEGORIES) + 1;
    const read = new Set<number>();
    while (read.size < READ_PER_USER) {
      const book = below(BOOKS) + 1;
      // Of the books outside the preferred category a user reads one in four.
      if (categoryOf(book) === liked || random() < 0.25) {
        read.add(book);
      }
    }
    for (const book of read) {
      const likes = categoryOf(book) === liked;
      const day = dayOf(below(600));
      reviews.push({ usuario, libro: BigInt(book), estrellas: likes ? 4 + below(2) : 1 + below(4), fechaResena: day });
      if (likes && random() < 0.3) {
        favourites.push({ usuario, libro: BigInt(book), fechaAgregado: day });
      }
    }
  }

  await em.transactional(async (tx) => {
    await tx.insertMany(Categoria, ids(CATEGORIES).map((id) => ({ id, nombre: `Categoría ${id}` })));
    await tx.insertMany(Autor, ids(AUTHORS).map((id) => ({ id, nombre: `Autor ${id}` })));
    await tx.insertMany(Usuario, ids(USERS).map((id) => ({ id, nombre: `Usuario ${id}`, fechaRegistro: dayOf(-below(900)) })));
    await tx.insertMany(Libro, books);
    await tx.insertMany(Resena, reviews);
    await tx.insertMany(Favorito, favourites);
  });
}
