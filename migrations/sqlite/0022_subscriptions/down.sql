DROP TABLE invoices;
DROP TABLE payment_events;
DROP TABLE subscriptions;
