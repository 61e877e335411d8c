-- Entities in camel case with quoted names, as TypeORM and Prisma write them.
CREATE TABLE "Usuario" ("id" serial PRIMARY KEY, "nombre" text, "fechaRegistro" timestamp);
CREATE TABLE "Libro" ("id" serial PRIMARY KEY, "titulo" text, "categoriaId" int, "autorId" int, "fechaPublicacion" timestamp);
CREATE TABLE "Resena" ("id" serial PRIMARY KEY, "usuarioId" int, "libroId" int, "estrellas" int, "fechaResena" timestamp(3));
CREATE INDEX ON "Resena" ("usuarioId");
CREATE TABLE "Favorito" ("usuarioId" int, "libroId" int, "fechaAgregado" timestamp(3), PRIMARY KEY ("usuarioId", "libroId"));

INSERT INTO "Usuario" SELECT id, name, joined FROM taste.reader;
INSERT INTO "Libro" SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO "Resena" SELECT id, reader, book, stars, at FROM taste.review;
INSERT INTO "Favorito" SELECT reader, book, at FROM taste.favorite;
