-- The book site as MikroORM 6 generates it from entities in Spanish.
create table "autor" ("id" serial primary key, "nombre" varchar(255) not null);
create table "categoria" ("id" serial primary key, "nombre" varchar(255) not null);
create table "usuario" ("id" serial primary key, "nombre" varchar(255) not null, "email" varchar(255) not null, "fecha_registro" timestamptz not null);
alter table "usuario" add constraint "usuario_email_unique" unique ("email");
create table "libro" ("id" serial primary key, "titulo" varchar(255) not null, "categoria_id" int not null, "autor_id" int not null, "fecha_publicacion" date null);
create table "resena" ("id" serial primary key, "usuario_id" int not null, "libro_id" int not null, "estrellas" smallint not null, "comentario" text null, "fecha_resena" timestamptz not null);
create index "resena_usuario_id_index" on "resena" ("usuario_id");
create index "resena_libro_id_index" on "resena" ("libro_id");
create table "favorito" ("usuario_id" int not null, "libro_id" int not null, "fecha_agregado" timestamptz not null, constraint "favorito_pkey" primary key ("usuario_id", "libro_id"));
alter table "libro" add constraint "libro_categoria_id_foreign" foreign key ("categoria_id") references "categoria" ("id") on update cascade;
alter table "libro" add constraint "libro_autor_id_foreign" foreign key ("autor_id") references "autor" ("id") on update cascade;
alter table "resena" add constraint "resena_usuario_id_foreign" foreign key ("usuario_id") references "usuario" ("id") on update cascade;
alter table "resena" add constraint "resena_libro_id_foreign" foreign key ("libro_id") references "libro" ("id") on update cascade;
alter table "favorito" add constraint "favorito_usuario_id_foreign" foreign key ("usuario_id") references "usuario" ("id") on update cascade on delete cascade;
alter table "favorito" add constraint "favorito_libro_id_foreign" foreign key ("libro_id") references "libro" ("id") on update cascade on delete cascade;

INSERT INTO autor SELECT author, 'Autor ' || author FROM taste.book GROUP BY author;
INSERT INTO categoria SELECT taste + 1, 'Categoría ' || taste FROM taste.book GROUP BY taste;
INSERT INTO usuario SELECT id, name, id || '@example.org', joined FROM taste.reader;
INSERT INTO libro SELECT id, title, taste + 1, author, published FROM taste.book;
INSERT INTO resena SELECT id, reader, book, stars, body, at FROM taste.review;
INSERT INTO favorito SELECT reader, book, at FROM taste.favorite;
