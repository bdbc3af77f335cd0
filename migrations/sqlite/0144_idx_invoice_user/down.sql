DROP INDEX IF EXISTS idx_invoice_user;
