SELECT taste.must(bool_and(missing IS NULL AND advice IS NULL), string_agg(s::text, '; ')) FROM reco_sources() s;
SELECT taste.must(max(f.latest_at) = (SELECT max(at) FROM (SELECT at FROM taste.review WHERE stars >= 4 UNION ALL SELECT at FROM taste.favorite) t), 'the latest like was at ' || max(f.latest_at)),
       taste.must(min(f.published_at)::date = '2020-01-01', 'the earliest book is of ' || min(f.published_at))
FROM reco.item_feature f;
