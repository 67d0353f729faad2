CREATE TABLE shop.orders (id bigint);
