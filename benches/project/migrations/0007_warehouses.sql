CREATE TABLE warehouses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    country char(2) NOT NULL REFERENCES countries,
    name text NOT NULL
);
CREATE UNIQUE INDEX warehouses_name ON warehouses (name);
INSERT INTO warehouses (country, name) VALUES ('DE', 'north'), ('JP', 'east');
