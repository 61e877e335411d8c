-- The minimum ranking quality on Book-Crossing, so that a change that makes the ranking worse fails.
DO $$
DECLARE
    collaborative real;
    ensemble real;
    best_part real;
BEGIN
    SELECT max(ndcg) FILTER (WHERE part = 'collaborative'),
           max(ndcg) FILTER (WHERE part = 'ensemble'),
           max(ndcg) FILTER (WHERE part IN ('collaborative', 'content_based', 'popularity'))
    INTO collaborative, ensemble, best_part
    FROM reco.metric
    WHERE model_version = (SELECT max(model_version) FROM reco.metric) AND k = 10;

    -- 0.085 when this was written; tuned BM25 neighbours reach 0.076, tuned ALS 0.049, popularity 0.020.
    IF collaborative IS NULL OR collaborative < 0.080 THEN
        RAISE EXCEPTION 'collaborative NDCG@10 is %, below 0.080', collaborative;
    END IF;
    -- 0.089 when this was written. Learned weights must not rank worse than a single part.
    IF ensemble IS NULL OR ensemble < best_part THEN
        RAISE EXCEPTION 'ensemble NDCG@10 is %, below its best part''s %', ensemble, best_part;
    END IF;
END
$$;
