DO $$ BEGIN
    ASSERT NOT EXISTS (SELECT FROM pg_db_role_setting
                       WHERE setdatabase = 0 AND setconfig::text LIKE '%only_here%');
    ASSERT (SELECT array_length(setconfig, 1)
            FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database()) = 2;
END $$;
