CREATE TABLE categories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint REFERENCES categories,
    name text NOT NULL
);
CREATE UNIQUE INDEX categories_name ON categories (name);
INSERT INTO categories (name) VALUES ('books'), ('tools'), ('music');
