-- A reader who has most of a catalogue as favourites, and others to train with.
CREATE EXTENSION reco;
CREATE TABLE libro (id int PRIMARY KEY, titulo text, autor_id int, categoria_id int);
CREATE TABLE favorito (usuario_id int, libro_id int, PRIMARY KEY (usuario_id, libro_id));
INSERT INTO libro SELECT i, 'Libro ' || i, i % 3000, i % 20 FROM generate_series(1, 65000) i;
INSERT INTO favorito SELECT u, 1 + (u * 7919 + b * (1 + u % 13)) % 65000 FROM generate_series(1, 3000) u, generate_series(1, 30) b;
INSERT INTO favorito SELECT 0, i FROM generate_series(1, 60000) i;
ANALYZE;
