SELECT taste.must(bool_and(missing IS NULL AND advice IS NULL AND passed_over IS NULL), string_agg(s::text, '; ')) FROM reco_sources() s;
SELECT taste.must(reco_health() ->> 'status' = 'ok', reco_health() ->> 'attention');
SELECT taste.must(bool_and(reason IS NOT NULL), 'a recommended book has no reason') FROM taste.asked, LATERAL reco_recommend(id, 1);
