CREATE TABLE coupons (
    code text PRIMARY KEY,
    percent smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    valid_until date NOT NULL
);
CREATE INDEX coupons_valid_until ON coupons (valid_until);
INSERT INTO coupons (code, percent, valid_until) VALUES ('WELCOME', 10, '2100-01-01');
