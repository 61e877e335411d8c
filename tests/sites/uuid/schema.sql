-- Keys that are uuid: of accounts, books, categories and authors, as MikroORM writes them with { type: 'uuid' }.
CREATE TABLE usuario (id uuid PRIMARY KEY, nombre text, fecha_registro timestamptz(0));
CREATE TABLE categoria (id uuid PRIMARY KEY, nombre text);
CREATE TABLE autor (id uuid PRIMARY KEY, nombre text);
CREATE TABLE libro (id uuid PRIMARY KEY, titulo text, categoria_id uuid REFERENCES categoria, autor_id uuid REFERENCES autor, fecha_publicacion date);
CREATE TABLE resena (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), usuario_id uuid REFERENCES usuario, libro_id uuid REFERENCES libro, estrellas smallint, fecha_resena timestamptz(0));
CREATE INDEX ON resena (usuario_id);
CREATE TABLE favorito (usuario_id uuid REFERENCES usuario, libro_id uuid REFERENCES libro, fecha_agregado timestamptz(0), PRIMARY KEY (usuario_id, libro_id));

CREATE FUNCTION taste.uuid(what text, id bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS 'SELECT md5(what || id)::uuid';

INSERT INTO usuario SELECT taste.uuid('reader', id), name, joined FROM taste.reader;
INSERT INTO categoria SELECT taste.uuid('taste', id), 'Taste ' || id FROM generate_series(0, 3) id;
INSERT INTO autor SELECT taste.uuid('author', id), 'Author ' || id FROM generate_series(1, 20) id;
INSERT INTO libro SELECT taste.uuid('book', id), title, taste.uuid('taste', taste), taste.uuid('author', author), published FROM taste.book;
INSERT INTO resena SELECT gen_random_uuid(), taste.uuid('reader', reader), taste.uuid('book', book), stars, at FROM taste.review;
INSERT INTO favorito SELECT taste.uuid('reader', reader), taste.uuid('book', book), at FROM taste.favorite;

CREATE OR REPLACE FUNCTION taste.recommended(reader bigint) RETURNS TABLE (book bigint, source text) LANGUAGE sql AS
$$SELECT b.id, r.source
  FROM (SELECT public.reco_key(item_id) AS key, source FROM public.reco_recommend(public.reco_id(taste.uuid('reader', reader)))) r
  JOIN taste.book b ON taste.uuid('book', b.id)::text = r.key$$;

CREATE OR REPLACE FUNCTION taste.scores(reader bigint) RETURNS real[] LANGUAGE sql AS
$$SELECT public.reco_scores(public.reco_id(taste.uuid('reader', reader)),
                            ARRAY(SELECT public.reco_id(taste.uuid('book', id)) FROM taste.book ORDER BY id))$$;
