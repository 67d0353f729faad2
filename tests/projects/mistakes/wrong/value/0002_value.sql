ALTER TYPE kind ADD VALUE 'b';
SELECT 'b'::kind;
