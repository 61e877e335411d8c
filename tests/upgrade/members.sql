-- All that the catalogue knows of the extension's objects, one line each, in an order that depends on nothing else.
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'reco'
), relation AS (
    SELECT c.* FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
), described AS (
    SELECT 'object ' || pg_describe_object(classid, objid, 0) AS line FROM member
    UNION ALL
    SELECT 'function ' || pg_get_functiondef(p.oid)
        || coalesce((SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(p.proacl) a), 'default rights')
        || coalesce(obj_description(p.oid, 'pg_proc'), '')
    FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT format('schema %s %s', n.nspname, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(n.nspacl) a))
    FROM pg_namespace n JOIN member m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
    UNION ALL
    SELECT format('relation %s %s %s %s %s', r.relname, r.relkind, r.relpersistence, r.reloptions,
        (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(r.relacl) a)) || coalesce(obj_description(r.oid, 'pg_class'), '')
    FROM relation r
    UNION ALL
    SELECT format('column %s %s %s %s %s %s %s', r.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, a.attstorage, pg_get_expr(d.adbin, d.adrelid)) || coalesce(col_description(r.oid, a.attnum), '')
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT format('constraint %s %s', c.conname, pg_get_constraintdef(c.oid)) FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
    UNION ALL
    SELECT pg_get_indexdef(i.indexrelid) FROM relation r JOIN pg_index i ON i.indrelid = r.oid
    UNION ALL
    SELECT format('sequence %s %s', r.relname, s) FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
        CROSS JOIN LATERAL (SELECT format('%s %s %s %s %s', s.seqstart, s.seqincrement, s.seqmax, s.seqcache, s.seqcycle)) AS f (s)
    UNION ALL
    -- What pg_dump takes for granted of the rights, and what it dumps of the rows.
    SELECT format('initial rights %s %s', pg_describe_object(p.classoid, p.objoid, p.objsubid),
        (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(p.initprivs) a))
    FROM pg_init_privs p JOIN member m ON m.classid = p.classoid AND m.objid = p.objoid
    UNION ALL
    SELECT format('dumped %s %s', t.relation::regclass, t.condition) FROM pg_extension e
        CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS t (relation, condition) WHERE e.extname = 'reco'
)
SELECT line FROM described ORDER BY line COLLATE "C";
