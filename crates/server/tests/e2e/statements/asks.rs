//! A request of each route that does what the route is for.

/// A route, who asks, what stands in the path behind its beginning (instead of a part in braces, then the query), the
/// body, and the status of the answer. `row` is the body that `every_route/rows.rs` has, and `<…>` what the scene names.
pub type Ask = (&'static str, &'static str, &'static str, &'static str, u16);

#[rustfmt::skip]
pub const ASKS: &[Ask] = &[
    ("latest_signals", "anybody", "?limit=100", "", 200),
    ("latest_signals", "reader", "?limit=100&premium_only=true&symbol=AAPL", "", 200),
    ("subscribed_signals", "reader", "?limit=100", "", 200),
    ("subscribed_signals", "reader", "?limit=100&offset=10&action=BUY&min_confidence=10", "", 200),
    ("live_signals", "reader", "?limit=100", "", 200),
    ("signal_history", "reader", "?limit=500&days=365", "", 200),
    ("signal_history", "reader", "?limit=500&status=closed&symbol=AAPL", "", 200),
    ("signal_history", "reader", "?limit=500&status=expired", "", 200),
    ("export_signals", "reader", "?days=365&format=json", "", 200),
    ("find_signal", "reader", "<signal>", "", 200),
    ("verify_signal", "reader", "<signal>", "", 200),

    ("performance_stats", "reader", "?days=365&late=include", "", 200),
    ("equity_curve", "reader", "?days=365&late=include", "", 200),
    ("performance_definitions", "anybody", "", "", 200),
    ("symbols", "reader", "", "", 200),
    ("plans", "anybody", "", "", 200),

    ("submit_signal", "producer", "", "<line>", 201),
    ("submit_batch", "producer", "", "<lines>", 200),
    ("report_outcome", "producer", "", r#"{"signal_id": "open", "exit_price": 180.5, "exit_timestamp": "2025-12-31T10:30:00Z", "status": "closed"}"#, 200),
    ("sync_health", "anybody", "", "", 200),

    ("sign_up", "anybody", "", "row", 202),
    ("confirm_sign_up", "anybody", "", r#"{"token": "<token of new>", "password": "<password>"}"#, 201),
    ("confirm_address", "anybody", "", r#"{"token": "<token of moved>"}"#, 200),
    ("sign_in", "anybody", "", r#"{"email": "reader@example.com", "password": "<password>"}"#, 200),
    ("sign_in", "anybody", "", "row", 401),
    ("verify_sign_in", "anybody", "", r#"{"mfa_token": "<challenge>", "token": "<code of factor-asked>"}"#, 200),
    ("forgot_password", "anybody", "", r#"{"email": "reader@example.com"}"#, 200),
    ("reset_password", "anybody", "", r#"{"token": "<token of forgetful>", "password": "nine grey owls in the barn"}"#, 200),
    ("request_sign_in_link", "anybody", "", r#"{"email": "reader@example.com"}"#, 200),
    ("sign_in_by_link", "anybody", "", r#"{"token": "<token of linked>"}"#, 200),
    ("resend_verification", "reader", "", "", 200),
    ("verify_email", "anybody", "", r#"{"token": "<token of unconfirmed>"}"#, 200),
    ("refresh", "anybody", "", r#"{"refresh_token": "<refresh of reader>"}"#, 200),
    ("me", "reader", "", "", 200),

    ("factor_status", "factor-tried", "", "", 200),
    ("set_up_factor", "factor-none", "", "", 200),
    ("enable_factor", "factor-begun", "", r#"{"password": "<password>", "token": "<code of factor-begun>"}"#, 200),
    ("verify_factor", "factor-tried", "", r#"{"token": "<code of factor-tried>"}"#, 200),
    ("renew_backup_codes", "factor-renewed", "", r#"{"password": "<password>", "token": "<code of factor-renewed>"}"#, 200),
    ("disable_factor", "factor-off", "", r#"{"password": "<password>", "token": "<code of factor-off>"}"#, 200),

    ("profile", "reader", "", "", 200),
    ("update_profile", "reader", "", r#"{"full_name": "Another"}"#, 200),
    ("update_profile", "reader", "", r#"{"email": "elsewhere@example.com", "current_password": "<password>"}"#, 202),
    ("export_person", "reader", "", "", 200),
    ("list_sessions", "reader", "", "", 200),
    ("end_session", "reader", "<session>", "", 200),
    ("list_api_keys", "reader", "", "", 200),
    ("create_api_key", "keys", "", "row", 201),
    ("revoke_api_key", "keys", "<key>", "", 200),

    ("list_notifications", "reader", "?limit=100", "", 200),
    ("unread_notifications", "reader", "?limit=100", "", 200),
    ("delete_notification", "reader", "<notification>", "", 200),
    ("read_notifications", "reader", "", r#"{"notification_ids": <notifications>}"#, 200),
    ("read_all_notifications", "reader", "", "", 200),
    ("notification_preferences", "reader", "", "", 200),
    ("choose_notifications", "reader", "", r#"{"new_signal": false}"#, 200),

    ("list_channels", "reader", "", "", 200),
    ("invite_to_channel", "reader", "telegram", "", 200),
    ("connect_channel", "reader", "telegram", r#"{"code": "c", "state": "s"}"#, 403),
    ("receive_telegram_update", "telegram", "", "<update>", 200),

    ("own_plan", "payer", "", "", 200),
    ("list_invoices", "payer", "?limit=100", "", 200),
    ("upgrade", "buyer", "", r#"{"tier": "pro"}"#, 200),
    ("upgrade", "payer", "", r#"{"tier": "elite"}"#, 200),
    ("cancel_subscription", "payer", "", "", 200),
    ("resume_subscription", "payer", "", "", 200),
    ("open_portal", "payer", "", "", 200),
    ("receive_payment_event", "stripe", "", "<event>", 200),

    ("admin_stats", "admin", "", "", 200),
    ("analytics", "admin", "", "", 200),
    ("revenue", "admin", "", "", 200),
    ("admin_audit", "admin", "?limit=200", "", 200),
    ("admin_billing", "admin", "", "", 200),
    ("list_producers", "admin", "", "", 200),
    ("create_producer", "admin", "", "row", 201),
    ("rotate_producer_key", "admin", "<producer>", "row", 200),
    ("disable_producer", "admin", "<producer>", "", 200),
    ("enable_producer", "admin", "<producer>", "", 200),
    ("list_users", "admin", "?limit=100", "", 200),
    ("list_users", "admin", "?limit=100&search=one", "", 200),
    ("list_users", "admin", "?limit=100&role=admin", "", 200),
    ("find_user", "admin", "<user of reader>", "", 200),
    ("change_user", "admin", "<user of disabled>", r#"{"tier": "free", "is_active": false, "reason": "a trial"}"#, 200),
    ("list_roles", "admin", "", "", 200),
    ("assign_role", "admin", "", r#"{"user_id": "<user of promoted>", "role": "admin"}"#, 200),
    ("remove_role", "admin", "", r#"{"user_id": "<user of promoted>", "role": "admin"}"#, 200),
    ("security_metrics", "admin", "", "", 200),
    ("security_events", "admin", "?limit=200", "", 200),

    ("change_password", "changer", "", r#"{"current_password": "<password>", "new_password": "nine grey owls in the barn"}"#, 200),
    ("sign_out", "leaver", "", "", 200),
    ("sign_out_everywhere", "leaver-everywhere", "", r#"{"api_keys": true}"#, 200),
    ("delete_account", "deleter", "", r#"{"password": "<password>"}"#, 200),

    ("health", "anybody", "", "", 200),
    ("liveness", "anybody", "", "", 200),
    ("readiness", "anybody", "", "", 200),
    ("openapi", "anybody", "", "", 200),
    ("docs", "anybody", "", "", 308),
    ("docs_file", "anybody", "index.html", "", 200),
    ("problem_kind", "anybody", "not-found", "", 200),
    ("metrics", "anybody", "", "", 200),
];

/// The same where nothing is paid and signing up is not confirmed.
#[rustfmt::skip]
pub const DEVELOPMENT: &[Ask] = &[
    ("sign_up", "anybody", "", "row", 201),
    ("upgrade", "payer", "", r#"{"tier": "pro"}"#, 200),
    ("development_checkout", "anybody", "<checkout>", "", 200),
    ("development_payment", "anybody", "<checkout>/pay", "", 303),
];
