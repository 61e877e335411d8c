-- In the other shop the rules answer, with that shop's books.
SET search_path = second, public;
SET client_min_messages = error;
SELECT taste.must(bool_and(source = 'rules'), 'sources in the second shop: ' || string_agg(DISTINCT source, ', ')),
       taste.must(count(*) > 0 AND count(*) = count(b.id), 'books that the second shop does not have')
FROM taste.asked a, reco_recommend(a.id) r LEFT JOIN second.books b ON b.id = r.item_id;
SELECT taste.must(count(*) = 0, count(*) || ' books of the second shop were seen there')
FROM taste.asked a, reco_recommend(a.id) r JOIN second.reviews s ON s.book_id = r.item_id WHERE s.user_id = a.id;
SELECT taste.must(reco_health() ->> 'attention' ~ 'it does not answer for second.books', reco_health() ->> 'attention');

-- Until that shop has a model with a name, which is in the dump.
SET client_min_messages = warning;
SELECT count(*) > 0 AS trained FROM reco_models() WHERE name = 'second' \gset
\if :trained
\else
SELECT reco_train('{"model": "second", "trees": 10, "factors": 8, "force": true}');
\endif
SET reco.model = 'second';
SELECT taste.must(count(*) = 500 AND bool_and(r.source IN ('hybrid', 'fold_in')) AND count(b.id) = 500,
                  count(*) || ' by ' || string_agg(DISTINCT r.source, ', '))
FROM taste.asked a, reco_recommend(a.id) r LEFT JOIN second.books b ON b.id = r.item_id;
SELECT taste.must(reco_health() #>> '{model,name}' = 'second', reco_health()::text);
RESET reco.model;
SET search_path = first, public;
SELECT taste.must(bool_and(source = 'hybrid'), 'the first shop has its own model') FROM taste.asked a, reco_recommend(a.id) r;
