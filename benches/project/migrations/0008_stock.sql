CREATE TABLE stock (
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    product_id bigint NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (warehouse_id, product_id)
);
CREATE INDEX stock_product ON stock (product_id);
INSERT INTO stock (warehouse_id, product_id, quantity)
SELECT w.id, p.id, 10 FROM warehouses w, products p;
