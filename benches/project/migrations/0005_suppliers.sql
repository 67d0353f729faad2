CREATE TABLE suppliers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    country char(2) NOT NULL REFERENCES countries
);
CREATE UNIQUE INDEX suppliers_name ON suppliers (name);
INSERT INTO suppliers (name, country) VALUES ('Acme', 'DE'), ('Umbrella', 'FR');
