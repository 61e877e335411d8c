SELECT taste.must(interactions = (SELECT count(*) FROM taste.review WHERE id % 2 = 0) + (SELECT count(*) FROM taste.favorite), 'interactions: ' || interactions)
FROM reco_models() WHERE active;
