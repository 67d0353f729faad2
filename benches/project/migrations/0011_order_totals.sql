CREATE FUNCTION add_to_order_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders
    SET total_cents = total_cents + NEW.quantity * NEW.price_cents, changed_at = now()
    WHERE id = NEW.order_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER order_items_total AFTER INSERT ON order_items
    FOR EACH ROW EXECUTE FUNCTION add_to_order_total();
