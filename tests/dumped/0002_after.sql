CREATE TABLE after_dump (id integer NOT NULL) -- without a semicolon
