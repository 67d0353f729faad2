CREATE TABLE tags (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);
CREATE UNIQUE INDEX tags_name ON tags (name);
INSERT INTO tags (name) VALUES ('new'), ('sale');
CREATE TABLE product_tags (
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    tag_id bigint NOT NULL REFERENCES tags,
    PRIMARY KEY (product_id, tag_id)
);
CREATE INDEX product_tags_tag ON product_tags (tag_id);
