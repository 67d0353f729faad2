INSERT INTO shop.items VALUES ('tea');
