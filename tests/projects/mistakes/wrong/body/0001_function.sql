CREATE TABLE users (id int PRIMARY KEY);
CREATE FUNCTION next_id() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETRUN (SELECT max(id) + 1 FROM users);
END $$;
