CREATE TABLE markers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, marker text NOT NULL UNIQUE);
INSERT INTO markers (marker) VALUES ('of the migration');
