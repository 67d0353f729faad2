CREATE TABLE addresses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    country char(2) NOT NULL REFERENCES countries,
    city text NOT NULL,
    street text NOT NULL
);
CREATE INDEX addresses_customer ON addresses (customer_id);
