CREATE TABLE shipments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders,
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    shipped_at timestamptz
);
CREATE INDEX shipments_order ON shipments (order_id);
