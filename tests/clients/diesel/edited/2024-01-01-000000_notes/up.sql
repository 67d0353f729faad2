CREATE TABLE notes (id bigserial PRIMARY KEY, title text, body text NOT NULL);
