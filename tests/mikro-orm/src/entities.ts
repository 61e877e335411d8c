import { defineEntity, type InferEntity } from '@mikro-orm/postgresql';

export const Categoria = defineEntity({
  name: 'Categoria',
  properties: (p) => ({
    id: p.bigint().primary(),
    nombre: p.text(),
  }),
});

export const Autor = defineEntity({
  name: 'Autor',
  properties: (p) => ({
    id: p.bigint().primary(),
    nombre: p.text(),
  }),
});

export const Usuario = defineEntity({
  name: 'Usuario',
  properties: (p) => ({
    id: p.bigint().primary(),
    nombre: p.text(),
    fechaRegistro: p.datetime().nullable(),
  }),
});

export const Libro = defineEntity({
  name: 'Libro',
  properties: (p) => ({
    id: p.bigint().primary(),
    titulo: p.text(),
    categoria: () => p.manyToOne(Categoria).nullable(),
    autor: () => p.manyToOne(Autor).nullable(),
    fechaPublicacion: p.date().nullable(),
  }),
});

// Neither PostgreSQL nor MikroORM indexes foreign keys by itself; reco needs an index to find the rows of a user.
export const Resena = defineEntity({
  name: 'Resena',
  uniques: [{ properties: ['usuario', 'libro'] }],
  checks: [{ expression: 'estrellas >= 1 and estrellas <= 5' }],
  properties: (p) => ({
    id: p.bigint().primary(),
    usuario: () => p.manyToOne(Usuario).index(),
    libro: () => p.manyToOne(Libro).index(),
    estrellas: p.smallint(),
    fechaResena: p.datetime().nullable(),
  }),
});

export const Favorito = defineEntity({
  name: 'Favorito',
  properties: (p) => ({
    usuario: () => p.manyToOne(Usuario).primary(),
    libro: () => p.manyToOne(Libro).primary().index(),
    fechaAgregado: p.datetime().nullable(),
  }),
});

export type Usuario = InferEntity<typeof Usuario>;
export type Libro = InferEntity<typeof Libro>;

export const entities = [Categoria, Autor, Usuario, Libro, Resena, Favorito];
