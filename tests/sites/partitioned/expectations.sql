SELECT taste.must(bool_and(missing IS NULL AND advice IS NULL), string_agg(s::text, '; ')) FROM reco_sources() s;
