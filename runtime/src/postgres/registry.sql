-- What all processes that use one server know of each other. Everything here may be repeated.
--
-- A lease stands for a process: a number, and an advisory lock on it that the server releases when
-- the process's session ends. A session may end although its process lives, so a lease lasts until
-- another process has proven that this one is dead: its row goes then. A database of ours is claimed
-- while it has a row in `claim`, which is written before the database is made or used. A clone
-- without a row is pristine: prewarmed, or proven to equal its template. So is one whose claim is
-- parked: its holder has a session in it for its next test.
--
-- A clone is renamed when its test has ended, so that addresses which the test has given away lead
-- nowhere: `…_17` to `…_17r1`, then to `…_17r2`. Its row has the first of its names.
CREATE SEQUENCE IF NOT EXISTS lease_number AS integer CYCLE;
CREATE SEQUENCE IF NOT EXISTS clone_number AS bigint;

CREATE TABLE IF NOT EXISTS lease (
    number integer PRIMARY KEY,
    -- The process, in a form that processes of the same machine can check.
    holder text NOT NULL,
    -- Since when it has been seen without a session; null while it has one.
    missing timestamptz
);

CREATE TABLE IF NOT EXISTS template (
    name text PRIMARY KEY,
    -- Who makes it, or made it.
    lease integer NOT NULL,
    -- What a clone is compared with; null until the template is finished.
    snapshot text,
    -- What the server knows of the template beside its contents; see `database_properties`.
    properties text,
    -- What was applied to it: a hash of its user and of the list of its migrations.
    schema text NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    used timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS claim (
    -- The first name of the database.
    database text PRIMARY KEY,
    template text NOT NULL,
    lease integer NOT NULL,
    test text NOT NULL,
    retained boolean NOT NULL DEFAULT false,
    parked boolean NOT NULL DEFAULT false,
    -- Set before the database is dropped: it cannot be given back from then on.
    dropping boolean NOT NULL DEFAULT false,
    -- When the statistics of a parked database were set to zero; see `recycled`.
    stats_reset timestamptz,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- When the statistics of a recycled database without a claim were set to zero: they show what the
-- next test does, unless another session sets them to zero again.
CREATE TABLE IF NOT EXISTS recycled (
    -- The first name of the database.
    database text PRIMARY KEY,
    stats_reset timestamptz
);

-- Roles that migrations have made: they belong to the server, and the next template finds them.
CREATE TABLE IF NOT EXISTS made_role (
    name text PRIMARY KEY
);

-- The name that a clone was made with.
CREATE OR REPLACE FUNCTION first_name(database text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT regexp_replace(database, 'r[0-9]+$', '')
$$;

-- The name that a clone has now; null if it is not there.
CREATE OR REPLACE FUNCTION present_name(first text) RETURNS text LANGUAGE sql AS $$
    SELECT datname::text FROM pg_database WHERE first_name(datname::text) = present_name.first
$$;

-- Processes that are not proven dead.
CREATE OR REPLACE FUNCTION live_leases() RETURNS SETOF integer LANGUAGE sql AS $$
    SELECT number FROM lease
$$;

-- Leases that have a session.
CREATE OR REPLACE FUNCTION held_leases() RETURNS SETOF integer LANGUAGE sql AS $$
    SELECT l.objid::integer
    FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database()
      AND l.locktype = 'advisory' AND l.classid = 1 AND l.objsubid = 2 AND l.granted
$$;

-- Leases without a session, and for how many seconds they have been seen so.
CREATE OR REPLACE FUNCTION missing_leases(OUT number integer, OUT holder text, OUT seconds double precision)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    held integer[] := ARRAY(SELECT held_leases());
BEGIN
    UPDATE lease l SET missing = NULL WHERE l.missing IS NOT NULL AND l.number = ANY (held);
    UPDATE lease l SET missing = clock_timestamp() WHERE l.missing IS NULL AND l.number <> ALL (held);
    RETURN QUERY
        SELECT l.number, l.holder, extract(epoch FROM clock_timestamp() - l.missing)::double precision
        FROM lease l WHERE l.missing IS NOT NULL;
END $$;

-- Forgets leases whose processes are dead, unless they have a session again.
CREATE OR REPLACE FUNCTION end_leases(numbers integer[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM lease l WHERE l.number = ANY (numbers) AND l.number NOT IN (SELECT held_leases())
$$;

-- Frees a database whose contents equal its template.
CREATE OR REPLACE FUNCTION free(freed claim) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recycled VALUES (freed.database, freed.stats_reset)
    ON CONFLICT (database) DO UPDATE SET stats_reset = excluded.stats_reset;
    DELETE FROM claim c WHERE c.database = freed.database;
    RETURN FOUND;
END $$;

-- Frees what dead processes had parked; returns how much that was, and how many of their claims
-- are left.
CREATE OR REPLACE FUNCTION free_parked(OUT freed bigint, OUT dirty bigint) LANGUAGE plpgsql AS $$
DECLARE
    abandoned claim;
BEGIN
    freed := 0;
    dirty := 0;
    FOR abandoned IN SELECT * FROM claim c
                     WHERE NOT c.retained AND c.lease NOT IN (SELECT live_leases())
                     FOR UPDATE SKIP LOCKED LOOP
        IF abandoned.parked THEN
            PERFORM free(abandoned);
            freed := freed + 1;
        ELSE
            dirty := dirty + 1;
        END IF;
    END LOOP;
END $$;

-- Clones of the template that are pristine.
CREATE OR REPLACE FUNCTION ready(template text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT d.datname::text
    FROM pg_database d
    WHERE starts_with(d.datname::text, ready.template || '_')
      AND first_name(d.datname::text) <> ALL (ARRAY(SELECT c.database FROM claim c))
    ORDER BY d.oid
$$;

-- Claims a clone that is ready, and returns how many are left; null if there is none. One that the
-- process has parked is taken before all others.
CREATE OR REPLACE FUNCTION claim_ready(
    template text, lease integer, test text, own text, OUT claimed text, OUT ready_left bigint,
    OUT stats_reset text)
LANGUAGE plpgsql AS $$
DECLARE
    candidates text[];
    candidate text;
BEGIN
    IF own IS NOT NULL THEN
        UPDATE claim c
        SET parked = false, test = claim_ready.test, since = clock_timestamp()
        WHERE c.database = first_name(own) AND c.lease = claim_ready.lease AND c.parked
        RETURNING c.stats_reset::text INTO stats_reset;
        IF FOUND THEN
            claimed := own;
            RETURN;
        END IF;
    END IF;
    candidates := ARRAY(SELECT ready(claim_ready.template));
    ready_left := cardinality(candidates);
    FOREACH candidate IN ARRAY candidates LOOP
        ready_left := ready_left - 1;
        INSERT INTO claim (database, template, lease, test)
        VALUES (first_name(candidate), claim_ready.template, claim_ready.lease, claim_ready.test)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            SELECT (SELECT r.stats_reset::text FROM recycled r WHERE r.database = first_name(candidate))
            INTO stats_reset FROM pg_database WHERE datname = candidate;
            -- Another process may have claimed and used it since it was listed.
            IF FOUND THEN
                claimed := candidate;
                RETURN;
            END IF;
            DELETE FROM claim WHERE database = first_name(candidate);
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
        IF (SELECT count(*) FROM claim c WHERE NOT c.retained) >= most THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO claim (database, template, lease, test)
    VALUES (coalesce(name, template || '_' || nextval('clone_number')), template, lease, test)
    RETURNING database INTO claimed;
    RETURN claimed;
END $$;

-- What the server knows of a database beside its contents: owner, rights, limit, comment, labels,
-- settings. Null if something refers to it that no clone has. In PL/pgSQL, which plans a query once it
-- is needed, and once in a session: to plan them all takes longer than to run them.
CREATE OR REPLACE FUNCTION database_properties(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d pg_database;
    acl jsonb;
    labels jsonb;
    settings jsonb;
BEGIN
    SELECT * INTO d FROM pg_database WHERE datname = database_properties.name;
    IF NOT FOUND
        OR EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid)
        OR EXISTS (SELECT FROM pg_prepared_xact() p WHERE p.dbid = d.oid)
        OR EXISTS (SELECT FROM pg_get_replication_slots() s WHERE s.datoid = d.oid)
    THEN
        RETURN NULL;
    END IF;
    IF d.datacl IS NOT NULL THEN
        acl := (SELECT jsonb_agg(a.entry ORDER BY a.entry)
                FROM (SELECT concat_ws(' ', grantee, privilege_type, is_grantable) AS entry
                      FROM aclexplode(d.datacl)) a);
    END IF;
    IF EXISTS (SELECT FROM pg_shseclabel s
               WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid) THEN
        labels := (SELECT jsonb_object_agg(s.provider, s.label) FROM pg_shseclabel s
                   WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid);
    END IF;
    IF EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid) THEN
        settings := (SELECT jsonb_agg(concat_ws(' ', s.setrole, setting) ORDER BY s.setrole, setting)
                     FROM pg_db_role_setting s, unnest(s.setconfig) setting
                     WHERE s.setdatabase = d.oid);
    END IF;
    RETURN jsonb_build_object(
        'owner', pg_get_userbyid(d.datdba),
        'acl', acl,
        'limit', d.datconnlimit,
        'comment', (SELECT s.description FROM pg_shdescription s
                    WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid),
        'labels', labels,
        'settings', settings)::text;
END $$;

-- Gives back a database whose contents equal its template: to a next test of its holder, parked for
-- one, or to all. Not if something outside of it was changed, or it is about to be dropped: false,
-- then.
CREATE OR REPLACE FUNCTION give_back(name text, stats_reset timestamptz, parked boolean, next_test text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    given claim;
BEGIN
    UPDATE claim c
    SET parked = give_back.parked AND next_test IS NULL,
        test = coalesce(next_test, c.test),
        stats_reset = give_back.stats_reset,
        since = clock_timestamp()
    FROM pg_database d, template t
    WHERE d.datname = give_back.name AND c.database = first_name(give_back.name)
      AND t.name = c.template
      AND NOT c.dropping AND NOT d.datistemplate AND d.datallowconn
      AND database_properties(d.datname) = t.properties
    RETURNING c.* INTO given;
    IF FOUND AND NOT give_back.parked THEN
        PERFORM free(given);
    END IF;
    RETURN given.database IS NOT NULL;
END $$;

-- Says that the holder is about to drop a database, and returns its present name; null if it is no
-- longer the holder's to drop.
CREATE OR REPLACE FUNCTION begin_drop(name text, lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim c SET dropping = true
    WHERE c.database = first_name(begin_drop.name) AND c.lease = begin_drop.lease AND NOT c.parked
    RETURNING coalesce(present_name(c.database), c.database)
$$;

-- Forgets a database that was dropped. Returns its present name if it is still there: it may have
-- been renamed meanwhile.
CREATE OR REPLACE FUNCTION dropped(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    first text := first_name(name);
    present text := present_name(first);
BEGIN
    IF present IS NULL THEN
        DELETE FROM recycled WHERE database = first;
        DELETE FROM claim WHERE database = first;
    END IF;
    RETURN present;
END $$;

-- Takes over one claim whose process is dead; null if there is none.
CREATE OR REPLACE FUNCTION take_over(lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim SET lease = take_over.lease
    WHERE database = (
        SELECT c.database FROM claim c
        WHERE NOT c.retained AND NOT c.parked AND c.lease NOT IN (SELECT live_leases())
        FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING coalesce(present_name(database), database)
$$;

-- A template that no process will use any more, and none is making: half-made by a process that is
-- dead, or not used for a day; null if there is none.
CREATE OR REPLACE FUNCTION stale_template() RETURNS text LANGUAGE sql AS $$
    SELECT t.name FROM template t
    WHERE (t.snapshot IS NULL OR t.used < clock_timestamp() - interval '1 day')
      AND t.lease NOT IN (SELECT live_leases())
      AND NOT EXISTS (SELECT FROM claim c WHERE c.template = t.name)
    LIMIT 1
$$;
