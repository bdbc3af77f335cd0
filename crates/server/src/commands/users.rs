//! `alpine user`: accounts looked at and changed on the machine itself, by the same use cases as the API.

use std::fmt::Write as _;

use alpine_domain::account::{
    Account, AccountChanges, ChangeReason, UserDetail, UserFilter, UserQuery,
};
use anyhow::Result;

use super::{
    manage::{generate_password, read_password, with_core},
    output::tell,
};
use crate::{
    application::{Core, explain},
    cli::User,
    config::Config,
};

pub(super) fn run(config: &Config, action: User) -> Result<()> {
    match action {
        User::List { tier, search, limit, offset } => {
            let filter = UserFilter { tier, search, ..UserFilter::default() };
            list(config, &UserQuery { filter, limit, offset, after: None })
        }
        User::Show { email } => show(config, &email),
        User::ResetPassword { email, password_stdin } => {
            reset_password(config, &email, password_stdin)
        }
        User::SetTier { email, tier, reason } => {
            change(config, &email, AccountChanges { tier: Some(tier), is_active: None }, &reason)
        }
        User::SetActive { email, active, reason } => {
            change(config, &email, activation(active), &reason)
        }
        User::Disable { email, reason } => change(config, &email, activation(false), &reason),
        User::Enable { email, reason } => change(config, &email, activation(true), &reason),
    }
}

const fn activation(is_active: bool) -> AccountChanges {
    AccountChanges { tier: None, is_active: Some(is_active) }
}

fn list(config: &Config, query: &UserQuery) -> Result<()> {
    with_core(config, async |core: Core| {
        let page = core.use_cases.administration.users(query.clone()).await.map_err(explain)?;
        let lines: String = page.items.iter().map(line).collect();
        let more = if page.total_capped { " and more" } else { "" };
        tell(&format!("{lines}{} of {}{more} accounts\n", page.items.len(), page.total))
    })
}

/// One line for a person.
fn line(account: &Account) -> String {
    let Account { email, tier, role, is_active, is_verified, created_at, .. } = account;
    let disabled = if *is_active { "" } else { ", disabled" };
    let confirmed = if *is_verified { "" } else { ", address not confirmed" };
    format!("{email}: {tier}, {role}{disabled}{confirmed}, made {created_at}\n")
}

fn show(config: &Config, email: &str) -> Result<()> {
    with_core(config, async |core: Core| {
        let administration = &core.use_cases.administration;
        let id = administration.named(email).await.map_err(explain)?.id;
        tell(&described(&administration.user(id).await.map_err(explain)?))
    })
}

fn described(detail: &UserDetail) -> String {
    let UserDetail {
        account,
        live_sessions,
        has_more_sessions,
        live_api_keys,
        second_factor_since,
        last_sign_in_at,
    } = detail;
    let or_never = |at: &Option<alpine_domain::Timestamp>, never: &str| {
        at.map_or_else(|| never.to_owned(), |at| at.to_string())
    };
    let more = if *has_more_sessions { " and more" } else { "" };
    let rows = [
        ("address", account.email.to_string()),
        ("name", account.full_name.as_str().to_owned()),
        ("id", account.id.to_string()),
        ("tier", account.tier.to_string()),
        ("role", account.role.to_string()),
        ("enabled", account.is_active.to_string()),
        ("address confirmed", account.is_verified.to_string()),
        ("made", account.created_at.to_string()),
        ("last sign-in", or_never(last_sign_in_at, "none that is kept")),
        ("sessions", format!("{live_sessions}{more}")),
        ("API keys", live_api_keys.to_string()),
        ("second factor", or_never(second_factor_since, "off")),
    ];
    rows.iter().fold(String::new(), |mut text, (label, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<18} {value}");
        text
    })
}

fn change(
    config: &Config,
    email: &str,
    changes: AccountChanges,
    reason: &ChangeReason,
) -> Result<()> {
    with_core(config, async |core: Core| {
        let administration = &core.use_cases.administration;
        let id = administration.named(email).await.map_err(explain)?.id;
        let reason = Some(reason.clone());
        let account = administration.change(id, changes, reason).await.map_err(explain)?;
        let state = if account.is_active { "enabled" } else { "disabled" };
        tell(&format!("{} is {state} and has the tier {}\n", account.email, account.tier))
    })
}

fn reset_password(config: &Config, email: &str, from_input: bool) -> Result<()> {
    let given = from_input.then(read_password).transpose()?;
    with_core(config, async |core: Core| {
        let password = given.clone().unwrap_or_else(|| generate_password(&*core.ports.randomness));
        let account =
            core.use_cases.accounts.replace_password(email, &password).await.map_err(explain)?;
        let shown = match given {
            Some(_) => String::new(),
            None => format!("password, shown this once: {password}\n"),
        };
        tell(&format!("{} has another password; its sessions have ended\n{shown}", account.email))
    })
}
