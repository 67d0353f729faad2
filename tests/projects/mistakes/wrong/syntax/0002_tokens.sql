-- Tokens; täglich neu.
CREATE TABLE tokens (id int);

CREATE TABEL sessions (id int);
