-- What all processes that use one server know of each other. Everything here may be repeated.
--
-- A lease stands for a process: a number, and an advisory lock on it that the server lets go
-- when the process's session ends, however it ends. A database of ours is claimed while it has
-- a row in `claim`, which is written before the database is made or used. A clone without a row
-- is pristine: made ahead, or proven to equal its template again. So is one whose row says `idle`:
-- its holder keeps a session in it for its next test, and until the holder is gone nobody else
-- takes it.
CREATE SEQUENCE IF NOT EXISTS lease_number AS integer CYCLE;
CREATE SEQUENCE IF NOT EXISTS clone_number AS bigint;

CREATE TABLE IF NOT EXISTS template (
    name text PRIMARY KEY,
    -- Who makes it, or made it.
    lease integer NOT NULL,
    -- What recycling needs to know of it; null until it is finished.
    profile text,
    used timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS claim (
    database text PRIMARY KEY,
    template text NOT NULL,
    lease integer NOT NULL,
    test text NOT NULL,
    kept boolean NOT NULL DEFAULT false,
    idle boolean NOT NULL DEFAULT false,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- When the statistics of a recycled database were set to zero: they are the evidence of what
-- the next test does, unless somebody sets them to zero again.
CREATE TABLE IF NOT EXISTS recycled (
    database text PRIMARY KEY,
    stats_reset timestamptz
);

CREATE OR REPLACE FUNCTION live_leases() RETURNS SETOF integer LANGUAGE sql AS $$
    SELECT l.objid::integer
    FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database()
      AND l.locktype = 'advisory' AND l.classid = 1 AND l.objsubid = 2 AND l.granted
$$;

-- Makes what processes that are gone had idle anybody's; tells how much that was, and how many
-- claims of theirs are left.
CREATE OR REPLACE FUNCTION free_idle(OUT freed bigint, OUT dirty bigint) LANGUAGE sql AS $$
    WITH abandoned AS (SELECT c.* FROM claim c WHERE NOT c.kept AND c.lease NOT IN (SELECT live_leases())),
         gone AS (DELETE FROM claim c USING abandoned a WHERE a.idle AND c.database = a.database AND c.lease = a.lease
                  RETURNING c.database)
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM abandoned WHERE NOT idle);
$$;

-- Clones of the template that are pristine.
CREATE OR REPLACE FUNCTION ready(template text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT d.datname::text
    FROM pg_database d
    WHERE starts_with(d.datname::text, ready.template || '_')
      AND NOT EXISTS (SELECT FROM claim c WHERE c.database = d.datname)
    ORDER BY d.oid
$$;

-- Claims a clone that is ready, and tells how many are left; null if there is none. One that the
-- process has idle is taken before all others.
CREATE OR REPLACE FUNCTION claim_ready(
    template text, lease integer, test text, own text, OUT claimed text, OUT ready_left bigint,
    OUT stats_reset text)
LANGUAGE plpgsql AS $$
DECLARE
    candidates text[];
    candidate text;
BEGIN
    IF own IS NOT NULL THEN
        UPDATE claim c SET idle = false, test = claim_ready.test, since = clock_timestamp()
        WHERE c.database = own AND c.lease = claim_ready.lease AND c.idle;
        IF FOUND THEN
            claimed := own;
            stats_reset := (SELECT r.stats_reset::text FROM recycled r WHERE r.database = own);
            RETURN;
        END IF;
    END IF;
    candidates := ARRAY(SELECT ready(claim_ready.template));
    ready_left := cardinality(candidates);
    FOREACH candidate IN ARRAY candidates LOOP
        ready_left := ready_left - 1;
        INSERT INTO claim (database, template, lease, test)
        VALUES (candidate, claim_ready.template, claim_ready.lease, claim_ready.test)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            -- Somebody may have claimed, used and dropped it since it was listed.
            IF EXISTS (SELECT FROM pg_database WHERE datname = candidate) THEN
                claimed := candidate;
                stats_reset := (SELECT r.stats_reset::text FROM recycled r WHERE r.database = candidate);
                RETURN;
            END IF;
            DELETE FROM claim WHERE database = candidate;
        END IF;
    END LOOP;
END $$;

-- Claims the name of a database that is about to be created, a new one unless given; null while
-- there are as many claims as there may be.
CREATE OR REPLACE FUNCTION claim_new(template text, lease integer, test text, name text, most integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    claimed text;
BEGIN
    IF most IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(3, 0);
        IF (SELECT count(*) FROM claim c WHERE NOT c.kept) >= most THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO claim (database, template, lease, test)
    VALUES (coalesce(name, template || '_' || nextval('clone_number')), template, lease, test)
    RETURNING database INTO claimed;
    RETURN claimed;
END $$;

-- Gives back a database whose contents equal its template again, to its holder's next test or to
-- anybody, unless something outside of it was changed: false, then.
CREATE OR REPLACE FUNCTION give_back(name text, stats_reset timestamptz, idle boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_database d
        WHERE d.datname = name
          AND d.datacl IS NULL AND d.datconnlimit = -1 AND NOT d.datistemplate AND d.datallowconn
          AND d.datdba = 'postgres'::regrole
          AND NOT EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid)
          AND NOT EXISTS (SELECT FROM pg_shdescription s WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid)
          AND NOT EXISTS (SELECT FROM pg_shseclabel s WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid)
          AND NOT EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid)
          AND NOT EXISTS (SELECT FROM pg_prepared_xact() p WHERE p.dbid = d.oid)
          AND NOT EXISTS (SELECT FROM pg_get_replication_slots() s WHERE s.datoid = d.oid)
    ) THEN
        RETURN false;
    END IF;
    INSERT INTO recycled VALUES (name, give_back.stats_reset)
    ON CONFLICT (database) DO UPDATE SET stats_reset = excluded.stats_reset;
    IF give_back.idle THEN
        UPDATE claim c SET idle = true WHERE c.database = name;
    ELSE
        DELETE FROM claim c WHERE c.database = name;
    END IF;
    RETURN true;
END $$;

-- Forgets a database that was dropped.
CREATE OR REPLACE FUNCTION dropped(name text) RETURNS void LANGUAGE sql AS $$
    DELETE FROM recycled WHERE database = name;
    DELETE FROM claim WHERE database = name;
$$;

-- Takes over one claim whose process is gone; null if there is none.
CREATE OR REPLACE FUNCTION take_over(lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim SET lease = take_over.lease
    WHERE database = (
        SELECT c.database FROM claim c
        WHERE NOT c.kept AND NOT c.idle AND c.lease NOT IN (SELECT live_leases())
        FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING database
$$;

-- A template that nobody will use any more, with nobody at it: half-made by a process that is
-- gone, or not used for a day; null if there is none.
CREATE OR REPLACE FUNCTION stale_template() RETURNS text LANGUAGE sql AS $$
    SELECT t.name FROM template t
    WHERE (t.profile IS NULL OR t.used < clock_timestamp() - interval '1 day')
      AND t.lease NOT IN (SELECT live_leases())
      AND NOT EXISTS (SELECT FROM claim c WHERE c.template = t.name)
    LIMIT 1
$$;
