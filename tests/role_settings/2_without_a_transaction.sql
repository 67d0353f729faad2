-- no-transaction
ALTER ROLE CURRENT_USER SET application_name = 'only_here'
