SELECT pg_sleep(2);
SELECT 1 / 0;
