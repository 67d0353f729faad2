-- Begins as the output of pg_dump does.
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET default_table_access_method = heap;

CREATE TABLE public.dumped (id integer NOT NULL);
