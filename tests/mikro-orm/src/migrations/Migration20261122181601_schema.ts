import { Migration } from '@mikro-orm/migrations';

export class Migration20261122181601_schema extends Migration {

  override async up(): Promise<void> {
    this.addSql(`create table "autor" ("id" bigserial primary key, "nombre" text not null);`);

    this.addSql(`create table "categoria" ("id" bigserial primary key, "nombre" text not null);`);

    this.addSql(`create table "libro" ("id" bigserial primary key, "titulo" text not null, "categoria_id" bigint null, "autor_id" bigint null, "fecha_publicacion" date null);`);

    this.addSql(`create table "usuario" ("id" bigserial primary key, "nombre" text not null, "fecha_registro" timestamptz null);`);

    this.addSql(`create table "resena" ("id" bigserial primary key, "usuario_id" bigint not null, "libro_id" bigint not null, "estrellas" smallint not null, "fecha_resena" timestamptz null, constraint resena_check check (estrellas >= 1 and estrellas <= 5));`);
    this.addSql(`create index "resena_usuario_id_index" on "resena" ("usuario_id");`);
    this.addSql(`create index "resena_libro_id_index" on "resena" ("libro_id");`);

    this.addSql(`create table "favorito" ("usuario_id" bigint not null, "libro_id" bigint not null, "fecha_agregado" timestamptz null, constraint "favorito_pkey" primary key ("usuario_id", "libro_id"));`);
    this.addSql(`create index "favorito_libro_id_index" on "favorito" ("libro_id");`);

    this.addSql(`alter table "libro" add constraint "libro_categoria_id_foreign" foreign key ("categoria_id") references "categoria" ("id") on update cascade on delete set null;`);
    this.addSql(`alter table "libro" add constraint "libro_autor_id_foreign" foreign key ("autor_id") references "autor" ("id") on update cascade on delete set null;`);

    this.addSql(`alter table "resena" add constraint "resena_usuario_id_foreign" foreign key ("usuario_id") references "usuario" ("id") on update cascade;`);
    this.addSql(`alter table "resena" add constraint "resena_libro_id_foreign" foreign key ("libro_id") references "libro" ("id") on update cascade;`);

    this.addSql(`alter table "favorito" add constraint "favorito_usuario_id_foreign" foreign key ("usuario_id") references "usuario" ("id") on update cascade;`);
    this.addSql(`alter table "favorito" add constraint "favorito_libro_id_foreign" foreign key ("libro_id") references "libro" ("id") on update cascade;`);
  }

  override async down(): Promise<void> {
    this.addSql(`alter table "libro" drop constraint "libro_autor_id_foreign";`);

    this.addSql(`alter table "libro" drop constraint "libro_categoria_id_foreign";`);

    this.addSql(`alter table "resena" drop constraint "resena_libro_id_foreign";`);

    this.addSql(`alter table "favorito" drop constraint "favorito_libro_id_foreign";`);

    this.addSql(`alter table "resena" drop constraint "resena_usuario_id_foreign";`);

    this.addSql(`alter table "favorito" drop constraint "favorito_usuario_id_foreign";`);

    this.addSql(`drop table if exists "autor" cascade;`);

    this.addSql(`drop table if exists "categoria" cascade;`);

    this.addSql(`drop table if exists "libro" cascade;`);

    this.addSql(`drop table if exists "usuario" cascade;`);

    this.addSql(`drop table if exists "resena" cascade;`);

    this.addSql(`drop table if exists "favorito" cascade;`);
  }

}
