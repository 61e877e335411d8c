-- In the other shop the rules answer, with that shop's books.
SET search_path = second, public;
SET client_min_messages = error;
SELECT taste.must(bool_and(source = 'rules'), 'sources in the second shop: ' || string_agg(DISTINCT source, ', ')),
       taste.must(count(*) > 0 AND count(*) = count(b.id), 'books that the second shop does not have')
FROM taste.asked a, reco_recommend(a.id) r LEFT JOIN second.books b ON b.id = r.item_id;
SELECT taste.must(count(*) = 0, count(*) || ' books of the second shop were seen there')
FROM taste.asked a, reco_recommend(a.id) r JOIN second.reviews s ON s.book_id = r.item_id WHERE s.user_id = a.id;
SELECT taste.must(reco_health() ->> 'attention' ~ 'it does not answer for second.books', reco_health() ->> 'attention');
