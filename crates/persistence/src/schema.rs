//! The tables as Diesel sees them, and the same as a list, so that drift can be found.

/// Where Diesel notes which migrations were applied.
pub(crate) const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// Declares tables to Diesel and lists their columns in [`TABLES`].
macro_rules! tables {
    ($($table:ident ($($key:ident),+) { $($column:ident -> $type:ident $(<$inner:ident>)?,)+ })+) => {
        $(diesel::table! { $table ($($key),+) { $($column -> $type $(<$inner>)?,)+ } })+

        /// Every table with its columns and their types, in order.
        pub(crate) const TABLES: &[(&str, &[(&str, &str)])] = &[$(
            (stringify!($table), &[$(
                (stringify!($column), concat!(stringify!($type) $(, "<", stringify!($inner), ">")?)),
            )+]),
        )+];
    };
}

tables! {
    users (id) {
        id -> Text,
        email -> Text,
        full_name -> Text,
        password_hash -> Text,
        tier -> Text,
        role -> Text,
        is_active -> Bool,
        is_verified -> Bool,
        generation -> BigInt,
        stripe_customer_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        signed_out_at -> Nullable<BigInt>,
        addresses_from -> BigInt,
    }
    sessions (id) {
        id -> Text,
        user_id -> Text,
        address_digest -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        denied_until -> Nullable<BigInt>,
        repeat_of -> Nullable<Text>,
        repeat_sealed -> Nullable<Text>,
        repeat_address -> Nullable<Text>,
        repeat_until -> Nullable<BigInt>,
        generation -> BigInt,
    }
    refresh_tokens (token_hash) {
        token_hash -> Text,
        session_id -> Text,
        created_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
    password_resets (user_id) {
        user_id -> Text,
        token_hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
    second_factors (user_id) {
        user_id -> Text,
        secret -> Nullable<Text>,
        last_step -> BigInt,
        enabled_at -> Nullable<BigInt>,
        pending_secret -> Nullable<Text>,
        pending_codes -> Nullable<Text>,
        pending_until -> Nullable<BigInt>,
    }
    backup_codes (user_id, code_hash) {
        user_id -> Text,
        code_hash -> Text,
    }
    sign_in_challenges (token_hash) {
        token_hash -> Text,
        user_id -> Text,
        generation -> BigInt,
        tries -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
    pending_sign_ups (user_id) {
        user_id -> Text,
        email -> Text,
        full_name -> Text,
        password_hash -> Text,
        token_hash -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
    address_changes (user_id) {
        user_id -> Text,
        email -> Text,
        generation -> BigInt,
        old_token_hash -> Nullable<Text>,
        new_token_hash -> Nullable<Text>,
        old_confirmed_at -> Nullable<BigInt>,
        new_confirmed_at -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
    deleted_accounts (user_id) {
        user_id -> Text,
        email -> Text,
        deleted_at -> BigInt,
        erase_at -> BigInt,
    }
    mail_tokens (user_id, purpose) {
        user_id -> Text,
        purpose -> Text,
        token_hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        everybody -> Nullable<BigInt>,
    }
    api_keys (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        prefix -> Text,
        scopes -> Text,
        key_hash -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        generation -> Nullable<BigInt>,
    }
    producers (id) {
        id -> BigInt,
        name -> Text,
        key_hash -> Text,
        is_simulated -> Bool,
        is_active -> Bool,
        created_at -> BigInt,
        previous_key_hash -> Nullable<Text>,
        previous_until -> Nullable<BigInt>,
    }
    signals (id) {
        id -> BigInt,
        producer_id -> BigInt,
        external_id -> Text,
        symbol -> Text,
        action -> Text,
        entry_price -> Text,
        target_price -> Nullable<Text>,
        stop_price -> Nullable<Text>,
        confidence -> Double,
        confidence_text -> Text,
        strategy -> Nullable<Text>,
        asset_type -> Text,
        data_source -> Nullable<Text>,
        reasoning -> Nullable<Text>,
        regime -> Nullable<Text>,
        consensus_agreement -> Nullable<Text>,
        sources_count -> Nullable<BigInt>,
        signal_timestamp -> Text,
        signalled_at -> BigInt,
        hash -> Text,
        content_hash -> Text,
        is_simulated -> Bool,
        is_active -> Bool,
        created_at -> BigInt,
        origin -> Nullable<Text>,
    }
    outcomes (id) {
        id -> BigInt,
        signal_id -> BigInt,
        status -> Text,
        exit_price -> Nullable<Text>,
        pnl_steps -> Nullable<BigInt>,
        exit_timestamp -> Nullable<Text>,
        closed_at -> BigInt,
        recorded_at -> BigInt,
    }
    late_outcomes (signal_id) {
        signal_id -> BigInt,
        status -> Text,
        exit_price -> Text,
        pnl_steps -> BigInt,
        exit_timestamp -> Text,
        closed_at -> BigInt,
        recorded_at -> BigInt,
    }
    subscriptions (user_id) {
        user_id -> Text,
        subscription_id -> Nullable<Text>,
        item_id -> Nullable<Text>,
        status -> Nullable<Text>,
        tier -> Nullable<Text>,
        paid_every -> Nullable<Text>,
        cents -> Nullable<BigInt>,
        period_end -> Nullable<BigInt>,
        is_ending -> Bool,
        trial_end -> Nullable<BigInt>,
        subscribed -> Nullable<Text>,
        given -> Nullable<Text>,
        problem -> Nullable<Text>,
        readings -> BigInt,
        applied -> BigInt,
        read_at -> Nullable<BigInt>,
        recheck_at -> Nullable<BigInt>,
        listed_at -> Nullable<BigInt>,
        attention_since -> Nullable<BigInt>,
    }
    keyed_requests (name) {
        name -> Text,
        fingerprint -> Text,
        begun_at -> BigInt,
        lease -> Text,
        held_until -> BigInt,
        status -> Nullable<BigInt>,
        media_type -> Nullable<Text>,
        location -> Nullable<Text>,
        body -> Nullable<Text>,
    }
    payment_events (id) {
        id -> Text,
        kind -> Text,
        received_at -> BigInt,
    }
    invoices (id) {
        id -> BigInt,
        provider_id -> Text,
        user_id -> Text,
        number -> Nullable<Text>,
        subscription_id -> Nullable<Text>,
        tier -> Nullable<Text>,
        status -> Text,
        due_cents -> BigInt,
        paid_cents -> BigInt,
        refunded_cents -> BigInt,
        is_disputed -> Bool,
        currency -> Text,
        created_at -> BigInt,
        paid_at -> Nullable<BigInt>,
        url -> Nullable<Text>,
        pdf -> Nullable<Text>,
    }
    notifications (id) {
        id -> BigInt,
        user_id -> Text,
        title -> Text,
        message -> Text,
        kind -> Text,
        is_read -> Bool,
        created_at -> BigInt,
        read_at -> Nullable<BigInt>,
    }
    notification_marks (user_id) {
        user_id -> Text,
        read_until -> Nullable<BigInt>,
        read_all_at -> Nullable<BigInt>,
        marks -> Text,
    }
    record_sums (level, record, late, strategy, producer, symbol, bucket) {
        level -> Text,
        record -> Text,
        late -> Text,
        strategy -> Text,
        producer -> Text,
        symbol -> Text,
        bucket -> BigInt,
        segment -> Binary,
    }
    record_seal (id) {
        id -> BigInt,
        sealed_until -> BigInt,
        position -> BigInt,
    }
    digests (user_id) {
        user_id -> Text,
        every -> Text,
        covered_until -> BigInt,
        due_at -> BigInt,
    }
    notification_preferences (user_id) {
        user_id -> Text,
        muted -> Text,
    }
    channel_memberships (user_id, platform, place) {
        user_id -> Text,
        platform -> Text,
        place -> Text,
        state -> Text,
        why -> Text,
        since -> BigInt,
        member -> Nullable<Text>,
        invite -> Nullable<Text>,
        link -> Nullable<Text>,
        link_until -> Nullable<BigInt>,
        trouble -> Nullable<Text>,
        recheck_at -> Nullable<BigInt>,
        version -> BigInt,
    }
    signal_id_key (key) {
        key -> Text,
    }
    events (seq) {
        seq -> BigInt,
        recorded_at -> BigInt,
        kind -> Text,
        payload -> Text,
    }
    jobs (id) {
        id -> BigInt,
        kind -> Text,
        payload -> Text,
        unique_key -> Nullable<Text>,
        created_at -> BigInt,
        due_at -> BigInt,
        attempts -> BigInt,
        lease -> Nullable<Text>,
        failed_at -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
    }
    audit_log (id) {
        id -> BigInt,
        at -> BigInt,
        action -> Text,
        outcome -> Text,
        actor -> Text,
        subject -> Nullable<Text>,
        address_digest -> Nullable<Text>,
        request_id -> Nullable<Text>,
        reason -> Nullable<Text>,
        detail -> Nullable<Text>,
        count -> BigInt,
        is_security -> Bool,
    }
    audit_counts (hour, action, outcome) {
        hour -> BigInt,
        action -> Text,
        outcome -> Text,
        count -> BigInt,
    }
    rollups (day, name, key) {
        day -> BigInt,
        name -> Text,
        key -> Text,
        value -> BigInt,
    }
    user_activity (user_id) {
        user_id -> Text,
        last_day -> BigInt,
    }
    database_identity (is_only) {
        is_only -> Bool,
        id -> Text,
        generation -> BigInt,
    }
}

diesel::joinable!(outcomes -> signals (signal_id));
diesel::joinable!(late_outcomes -> signals (signal_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(mail_tokens -> users (user_id));
diesel::joinable!(deleted_accounts -> users (user_id));
diesel::joinable!(notification_marks -> users (user_id));
diesel::joinable!(notification_preferences -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(subscriptions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(late_outcomes, outcomes, signals);
diesel::allow_tables_to_appear_in_same_query!(refresh_tokens, sessions, users);
diesel::allow_tables_to_appear_in_same_query!(database_identity, mail_tokens, users);
diesel::allow_tables_to_appear_in_same_query!(api_keys, users);
diesel::allow_tables_to_appear_in_same_query!(subscriptions, users);
diesel::allow_tables_to_appear_in_same_query!(deleted_accounts, users);
diesel::allow_tables_to_appear_in_same_query!(notification_marks, notification_preferences, users);
