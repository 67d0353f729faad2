ALTER TABLE products ADD COLUMN notes text NOT NULL DEFAULT '';
ALTER TABLE customers ADD CONSTRAINT customers_name_given CHECK (name <> '');
COMMENT ON COLUMN orders.total_cents IS 'kept by the trigger on order_items';
