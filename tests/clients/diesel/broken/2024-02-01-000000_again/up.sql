CREATE TABLE tags (name text PRIMARY KEY);
CREATE TABLE notes (id bigint);
