-- What all processes that use one server know of each other. Everything here may be repeated.
--
-- A lease stands for a process: a number, and an advisory lock on it that the server releases when
-- the process's session ends. A session may end although its process lives, so a lease lasts until
-- another process has proven that this one is dead: its row goes then. A database of ours is claimed
-- while it has a row in `claim`, which is written before the database is made or used. A clone
-- without a row is pristine: prewarmed, or proven to equal its template. So is one whose claim is
-- parked: its holder has a session in it for its next test.
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
    database text PRIMARY KEY,
    template text NOT NULL,
    lease integer NOT NULL,
    test text NOT NULL,
    retained boolean NOT NULL DEFAULT false,
    parked boolean NOT NULL DEFAULT false,
    -- Set before the database is dropped: it cannot be given back from then on.
    dropping boolean NOT NULL DEFAULT false,
    -- The name that the database had until its test ended.
    was text,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- When the statistics of a recycled database were set to zero: they show what the next test does,
-- unless another session sets them to zero again.
CREATE TABLE IF NOT EXISTS recycled (
    database text PRIMARY KEY,
    stats_reset timestamptz
);

-- Roles that migrations have made: they belong to the server, and the next template finds them.
CREATE TABLE IF NOT EXISTS made_role (
    name text PRIMARY KEY
);

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

-- Frees what dead processes had parked; returns how much that was, and how many of their claims
-- are left.
CREATE OR REPLACE FUNCTION free_parked(OUT freed bigint, OUT dirty bigint) LANGUAGE sql AS $$
    WITH abandoned AS (SELECT c.* FROM claim c
                       WHERE NOT c.retained AND c.lease NOT IN (SELECT live_leases())),
         gone AS (DELETE FROM claim c USING abandoned a
                  WHERE a.parked AND c.database = a.database AND c.lease = a.lease
                  RETURNING c.database)
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM abandoned WHERE NOT parked);
$$;

-- Clones of the template that are pristine.
CREATE OR REPLACE FUNCTION ready(template text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT d.datname::text
    FROM pg_database d
    WHERE starts_with(d.datname::text, ready.template || '_')
      AND NOT EXISTS (SELECT FROM claim c WHERE c.database = d.datname)
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
        SET parked = false, was = NULL, test = claim_ready.test, since = clock_timestamp()
        WHERE c.database = own AND c.lease = claim_ready.lease AND c.parked;
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
            -- Another process may have claimed, used and dropped it since it was listed.
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
-- settings. Null if something refers to it that no clone has. In PL/pgSQL, whose plans are cached: to
-- plan it takes seven times as long as to run it.
CREATE OR REPLACE FUNCTION database_properties(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT jsonb_build_object(
        'owner', pg_get_userbyid(d.datdba),
        'acl', (SELECT jsonb_agg(a.entry ORDER BY a.entry)
                FROM (SELECT concat_ws(' ', grantee, privilege_type, is_grantable) AS entry
                      FROM aclexplode(d.datacl)) a),
        'limit', d.datconnlimit,
        'comment', (SELECT s.description FROM pg_shdescription s
                    WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid),
        'labels', (SELECT jsonb_object_agg(s.provider, s.label) FROM pg_shseclabel s
                   WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid),
        'settings', (SELECT jsonb_agg(concat_ws(' ', s.setrole, setting) ORDER BY s.setrole, setting)
                     FROM pg_db_role_setting s, unnest(s.setconfig) setting
                     WHERE s.setdatabase = d.oid))::text
    FROM pg_database d
    WHERE d.datname = database_properties.name
      AND NOT EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid)
      AND NOT EXISTS (SELECT FROM pg_prepared_xact() p WHERE p.dbid = d.oid)
      AND NOT EXISTS (SELECT FROM pg_get_replication_slots() s WHERE s.datoid = d.oid));
END $$;

-- Renames a database whose test has ended: the addresses that the test has given away lead nowhere
-- from then on. Returns the new name once no session can begin there any more; null if that takes
-- long, or if the database is about to be dropped.
--
-- ALTER DATABASE does not rename a database that has a session. A session that begins takes a lock on
-- the database, looks its name up again, and is listed before it lets go of the lock. So after the
-- commit it is refused, has the lock, or is listed.
CREATE OR REPLACE PROCEDURE rename_claimed(name text, INOUT renamed text) LANGUAGE plpgsql AS $$
DECLARE
    renamed_oid oid;
BEGIN
    UPDATE claim c
    SET database = c.template || '_' || nextval('clone_number'), was = c.database
    WHERE c.database = rename_claimed.name AND NOT c.dropping
    RETURNING c.database INTO renamed;
    UPDATE pg_database d SET datname = renamed
    WHERE d.datname = rename_claimed.name AND renamed IS NOT NULL
    RETURNING d.oid INTO renamed_oid;
    DELETE FROM recycled r WHERE r.database = rename_claimed.name;
    COMMIT;
    FOR attempt IN 1..50 LOOP
        IF NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'object'
                           AND l.classid = 'pg_database'::regclass AND l.objid = renamed_oid) THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.002);
    END LOOP;
    renamed := NULL;
END $$;

-- Gives back a database whose contents equal its template, parked for its holder's next test or to
-- all, unless something outside of it was changed, or it is about to be dropped: false, then.
CREATE OR REPLACE FUNCTION give_back(name text, stats_reset timestamptz, parked boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_database d
            JOIN claim c ON c.database = d.datname JOIN template t ON t.name = c.template
        WHERE d.datname = give_back.name AND NOT d.datistemplate AND d.datallowconn
          AND database_properties(d.datname) = t.properties
    ) THEN
        RETURN false;
    END IF;
    IF give_back.parked THEN
        UPDATE claim c SET parked = true WHERE c.database = name AND NOT c.dropping;
    ELSE
        DELETE FROM claim c WHERE c.database = name AND NOT c.dropping;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO recycled VALUES (name, give_back.stats_reset);
    RETURN true;
END $$;

-- Says that the holder is about to drop a database, and returns its name, which may be newer than
-- the one that the holder knows; null if it is no longer the holder's to drop.
CREATE OR REPLACE FUNCTION begin_drop(name text, lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim c SET dropping = true
    WHERE begin_drop.name IN (c.database, c.was) AND c.lease = begin_drop.lease AND NOT c.parked
    RETURNING c.database
$$;

-- Forgets a database that was dropped.
CREATE OR REPLACE FUNCTION dropped(name text) RETURNS void LANGUAGE sql AS $$
    DELETE FROM recycled WHERE database = name;
    DELETE FROM claim WHERE database = name;
$$;

-- Takes over one claim whose process is dead; null if there is none.
CREATE OR REPLACE FUNCTION take_over(lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim SET lease = take_over.lease
    WHERE database = (
        SELECT c.database FROM claim c
        WHERE NOT c.retained AND NOT c.parked AND c.lease NOT IN (SELECT live_leases())
        FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING database
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
