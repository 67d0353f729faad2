SET search_path = '';
DO $$ BEGIN
    EXECUTE format('ALTER ROLE %I SET search_path = only_here, public', CURRENT_USER);
END $$; -- the end
