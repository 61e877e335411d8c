import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { Favorito, Libro, Resena, type Libro as Book } from './entities.js';

// What the site did before it had a model, and does where the model cannot answer.
const CATEGORY = 50;
const AUTHOR = 30;
const NOVELTY = 10;
export const MOST_POINTS = CATEGORY + AUTHOR + NOVELTY;
const TOP_CATEGORIES = 3;
const LIKED_STARS = 4;
const YEAR = 365 * 86_400_000;
/** Of a reader's categories and authors only the newest books are looked at. */
const CANDIDATES = 500;

export interface Taste {
  categories: Map<bigint, string>;
  authors: Map<bigint, string>;
  /** The books that the reader has reviewed or has as favourites. */
  known: Set<bigint>;
}

/** Of a reader of whom nothing is known. */
export const NO_TASTE: Taste = { categories: new Map(), authors: new Map(), known: new Set() };

export interface Ranked {
  book: Book;
  points: number;
  reason: string | null;
}

/** What a reader likes: favourites, and reviews of four stars or more. */
export async function tasteOf(em: SqlEntityManager, usuario: bigint): Promise<Taste> {
  const populate = ['libro.categoria', 'libro.autor'] as const;
  const favourites = await em.find(Favorito, { usuario }, { populate });
  const reviews = await em.find(Resena, { usuario }, { populate });
  const liked = new Map<bigint, Book>();
  for (const { libro } of [...favourites, ...reviews.filter(({ estrellas }) => estrellas >= LIKED_STARS)]) {
    liked.set(libro.id, libro);
  }
  const counts = new Map<bigint, { name: string; books: number }>();
  const authors = new Map<bigint, string>();
  for (const { categoria, autor } of liked.values()) {
    if (categoria) {
      const books = (counts.get(categoria.id)?.books ?? 0) + 1;
      counts.set(categoria.id, { name: categoria.nombre, books });
    }
    if (autor) {
      authors.set(autor.id, autor.nombre);
    }
  }
  const main = [...counts].sort(([a, x], [b, y]) => y.books - x.books || Number(a - b)).slice(0, TOP_CATEGORIES);
  return {
    categories: new Map(main.map(([id, { name }]) => [id, name])),
    authors,
    known: new Set([...favourites, ...reviews].map(({ libro }) => libro.id)),
  };
}

export function rank(book: Book, taste: Taste, now: Date): Ranked {
  const category = book.categoria && taste.categories.get(book.categoria.id);
  const author = book.autor && taste.authors.get(book.autor.id);
  const age = book.fechaPublicacion ? now.getTime() - Date.parse(book.fechaPublicacion) : -1;
  const isNew = age >= 0 && age < YEAR;
  const reason = author
    ? `De ${author}, que te gusta`
    : category
      ? `Porque lees ${category}`
      : isNew
        ? 'Novedad'
        : null;
  return { book, points: (category ? CATEGORY : 0) + (author ? AUTHOR : 0) + (isNew ? NOVELTY : 0), reason };
}

/** The best books by the rules; of equal points the newest first. */
export async function byRules(em: SqlEntityManager, taste: Taste, limit: number, now = new Date()): Promise<Ranked[]> {
  const unknown = { id: { $nin: [...taste.known] } };
  const order = { populate: ['autor', 'categoria'], orderBy: { fechaPublicacion: 'desc nulls last', id: 'desc' } } as const;
  const liked = { $or: [{ categoria: [...taste.categories.keys()] }, { autor: [...taste.authors.keys()] }] };
  const books = [
    ...(await em.find(Libro, { ...unknown, ...liked }, { ...order, limit: CANDIDATES })),
    ...(await em.find(Libro, unknown, { ...order, limit })),
  ];
  const published = ({ book }: Ranked): string => book.fechaPublicacion ?? '';
  // The identity map gives one object for a book that both queries found.
  return [...new Set(books)]
    .map((book) => rank(book, taste, now))
    .sort((a, b) => b.points - a.points || published(b).localeCompare(published(a)) || Number(b.book.id - a.book.id))
    .slice(0, limit);
}
