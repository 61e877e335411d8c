SELECT taste.must(bool_and(configured), string_agg(s::text, '; ')) FROM reco_sources() s;
SELECT taste.must(count(*) = 0, 'recommended, and not sold: ' || count(*)) FROM taste.asked a, reco_recommend(a.id) r WHERE r.item_id % 10 = 0;
SELECT taste.must(interactions = (SELECT count(*) FROM taste.seen), 'interactions: ' || interactions) FROM reco_models() WHERE active;
