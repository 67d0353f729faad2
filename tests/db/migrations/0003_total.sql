CREATE FUNCTION total(of bigint) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT coalesce(sum(amount), 0) FROM payments WHERE account = of);
END $$;
