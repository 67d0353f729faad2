CREATE TABLE shop.items (
	name text NOT NULL
);
