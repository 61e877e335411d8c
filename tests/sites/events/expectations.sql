SELECT taste.must(count(*) = 1 AND bool_and(missing IS NULL AND advice IS NULL AND configured), string_agg(s::text, '; '))
FROM reco_sources() s WHERE source = 'event';
SELECT taste.must(interactions = (SELECT count(*) FROM taste.seen), 'interactions: ' || interactions) FROM reco_models() WHERE active;
SELECT taste.must(count(*) = 0, 'discarded, and recommended: ' || count(*)) FROM taste.asked a CROSS JOIN LATERAL reco_recommend(a.id, 200, exclude_seen => false) r
JOIN activity x ON x.user_id = a.id AND x.book_id = r.item_id AND x.action = 'discard';
SELECT taste.must(count(*) = 5, 'trending: ' || count(*)) FROM reco_trending(5, '1000 days');
SELECT taste.must(reco_health() ->> 'status' = 'ok', reco_health() ->> 'attention');
