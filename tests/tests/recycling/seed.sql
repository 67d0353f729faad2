-- Touches some tables of the template that its database was cloned from, and not the others.
INSERT INTO members VALUES (2, 'second');
UPDATE pages SET text = 'y' WHERE id < 5;
DELETE FROM pages WHERE id = 7;
CREATE INDEX plans_by_name ON plans (name);
TRUNCATE emptied;
