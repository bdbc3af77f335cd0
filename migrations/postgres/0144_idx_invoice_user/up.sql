-- A page of a user's invoices.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_invoice_user ON invoices (user_id, id);
