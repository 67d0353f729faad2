CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    category_id bigint NOT NULL REFERENCES categories,
    supplier_id bigint NOT NULL REFERENCES suppliers,
    sku text NOT NULL,
    name text NOT NULL,
    price_cents bigint NOT NULL CHECK (price_cents >= 0)
);
CREATE UNIQUE INDEX products_sku ON products (sku);
INSERT INTO products (category_id, supplier_id, sku, name, price_cents)
SELECT c.id, s.id, c.name || '-' || s.id, initcap(c.name) || ' by ' || s.name, 100 * c.id + s.id
FROM categories c, suppliers s;
