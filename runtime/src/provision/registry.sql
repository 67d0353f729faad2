-- What all processes that use one server know of each other. Everything here may be repeated.
--
-- A lease stands for a process: a number, and an advisory lock on it that the server lets go
-- when the process's session ends, however it ends. A database of ours is claimed while it has
-- a row in `claim`; one without a row is a clone that nobody has used. A row goes away only
-- together with its database.
CREATE SEQUENCE IF NOT EXISTS lease_number AS integer CYCLE;
CREATE SEQUENCE IF NOT EXISTS clone_number AS bigint;

CREATE TABLE IF NOT EXISTS claim (
    database text PRIMARY KEY,
    template text NOT NULL,
    lease integer NOT NULL,
    test text NOT NULL,
    kept boolean NOT NULL DEFAULT false,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION lease() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    number integer := nextval('lease_number');
BEGIN
    PERFORM pg_advisory_lock(1, number);
    RETURN number;
END $$;

CREATE OR REPLACE FUNCTION live_leases() RETURNS SETOF integer LANGUAGE sql AS $$
    SELECT l.objid::integer
    FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database()
      AND l.locktype = 'advisory' AND l.classid = 1 AND l.objsubid = 2 AND l.granted
$$;

-- Clones of the template that nobody has used.
CREATE OR REPLACE FUNCTION ready(template text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT d.datname::text
    FROM pg_database d
    WHERE starts_with(d.datname::text, ready.template || '_')
      AND NOT EXISTS (SELECT FROM claim c WHERE c.database = d.datname)
    ORDER BY d.oid
$$;

-- Claims a clone that is ready; null if there is none.
CREATE OR REPLACE FUNCTION claim_ready(template text, lease integer, test text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    candidate text;
BEGIN
    FOR candidate IN SELECT ready(claim_ready.template) LOOP
        INSERT INTO claim (database, template, lease, test)
        VALUES (candidate, claim_ready.template, claim_ready.lease, claim_ready.test)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            -- Somebody may have claimed, used and dropped it since it was listed.
            IF EXISTS (SELECT FROM pg_database WHERE datname = candidate) THEN
                RETURN candidate;
            END IF;
            DELETE FROM claim WHERE database = candidate;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Claims the name of a database that is about to be created; a name of its own unless given.
CREATE OR REPLACE FUNCTION claim_new(template text, lease integer, test text, name text) RETURNS text
LANGUAGE sql AS $$
    INSERT INTO claim (database, template, lease, test)
    VALUES (coalesce(name, template || '_' || nextval('clone_number')), template, lease, test)
    RETURNING database
$$;

-- Takes over one claim whose process is gone; null if there is none.
CREATE OR REPLACE FUNCTION take_over(lease integer) RETURNS text LANGUAGE sql AS $$
    UPDATE claim SET lease = take_over.lease
    WHERE database = (
        SELECT c.database FROM claim c
        WHERE NOT c.kept AND c.lease NOT IN (SELECT live_leases())
        FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING database
$$;
