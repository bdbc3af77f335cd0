//! No change without its line, and no line changes.

use std::collections::BTreeSet;

use alpine_domain::{
    Timestamp,
    account::{
        Account, AddressDigest, AddressProof, EmailChange, MailPurpose, MailToken, PasswordChange,
        PasswordReset, ProfileChange, Promotion, Role, Secret, SignOut, Tier,
    },
    audit::{
        Action, AuditCount, AuditFilter, AuditLine, AuditQuery, Entry, Origin, Outcome, Party,
        Position, Reason, StoredLine, within,
    },
    retention::{Due, Positions},
};

use crate::support::{Bed, DatabaseBed, at, on_every};

on_every!(
    each_change_has_its_line,
    what_changes_nothing_leaves_no_line,
    a_line_tells_on_whose_behalf_it_was_done,
    lines_are_listed_by_each_filter_in_pieces_the_newest_first,
    counts_add_up_from_whole_hours,
    old_lines_are_deleted_and_younger_ones_stay;
    databases:
    no_line_changes_and_no_young_one_goes,
    a_line_stands_or_falls_with_its_cause,
);

const ALL: AuditQuery =
    AuditQuery { filter: AuditFilter::All, since: None, until: None, after: None, limit: 100 };

fn home() -> AddressDigest {
    AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap()
}

async fn lines(bed: &Bed, filter: AuditFilter) -> Vec<AuditLine> {
    let page = bed.audit.page(AuditQuery { filter, ..ALL }).await.unwrap();
    page.into_iter().map(|row| row.line).collect()
}

/// What was added since the last call, the oldest first.
async fn news(bed: &Bed, seen: &mut usize) -> Vec<(&'static str, Option<Party>)> {
    let mut rows = bed.audit.page(ALL).await.unwrap();
    rows.sort_by_key(|row| row.id);
    let news = rows.iter().skip(*seen).map(|row| (row.line.action.as_str(), row.line.subject));
    let news = news.collect();
    *seen = rows.len();
    news
}

fn renamed(account: &Account, name: &str, email: Option<(&str, &str)>) -> ProfileChange {
    let email = email.map(|(email, proof)| EmailChange {
        email: email.parse().unwrap(),
        proved_by: proof.to_owned(),
    });
    let full_name = (name != account.full_name.as_str()).then(|| name.parse().unwrap());
    ProfileChange { full_name, email }
}

async fn each_change_has_its_line(bed: Bed) {
    let mut seen = 0;
    let ada = bed.user("ada@example.com").await;
    let user = Some(Party::User(ada.id));
    assert_eq!(news(&bed, &mut seen).await, [("account_created", user)]);
    let session = bed.session(ada.id, "t").await;
    assert_eq!(news(&bed, &mut seen).await, [("sign_in", user)]);
    bed.accounts.revoke_session(session, at(1), at(9)).await.unwrap();
    let ended = Some(Party::Session(session));
    assert_eq!(news(&bed, &mut seen).await, [("sign_out", ended)]);
    let other = bed.session(ada.id, "u").await;
    bed.accounts.revoke_own_session(ada.id, other, at(1), at(9)).await.unwrap();
    let ended = Some(Party::Session(other));
    assert_eq!(news(&bed, &mut seen).await, [("sign_in", user), ("sign_out", ended)]);
    let change = renamed(&ada, "Ada King", Some(("king@example.com", "hash")));
    let ada = bed.accounts.update_profile(ada.id, change, at(2)).await.unwrap();
    let told = [("profile_changed", user), ("email_changed", user)];
    assert_eq!(news(&bed, &mut seen).await, told);
    let (proved_by, password_hash) = ("hash".to_owned(), "new".to_owned());
    let change = PasswordChange { user: ada.id, proved_by, password_hash, now: at(3) };
    bed.accounts.change_password(change).await.unwrap();
    assert_eq!(news(&bed, &mut seen).await, [("password_changed", user)]);
    for (purpose, token) in [(MailPurpose::Verify, "v"), (MailPurpose::Reset, "r")] {
        let (email, token_hash) = (ada.email.clone(), token.to_owned());
        let (user, created_at, expires_at) = (ada.id, at(3), at(9));
        let token = MailToken { user, email, purpose, token_hash, created_at, expires_at };
        bed.accounts.put_mail_token(token).await.unwrap();
    }
    assert!(bed.accounts.verify_email("v", at(4)).await.unwrap());
    assert_eq!(news(&bed, &mut seen).await, [("address_verified", user)]);
    let (token_hash, password_hash) = ("r".to_owned(), "newer".to_owned());
    let reset = PasswordReset { token_hash, password_hash, now: at(4) };
    assert!(bed.accounts.reset_password(reset).await.unwrap());
    assert_eq!(news(&bed, &mut seen).await, [("password_reset", user)]);
    bed.accounts.set_tier_and_role(ada.id, Tier::Pro, Role::Admin, at(5)).await.unwrap();
    assert_eq!(news(&bed, &mut seen).await, [("tier_changed", user), ("role_changed", user)]);
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(6)).await.unwrap();
    assert_eq!(news(&bed, &mut seen).await, [("sign_out_everywhere", user)]);
    bed.accounts.revoke_everybody(at(7)).await.unwrap();
    assert_eq!(news(&bed, &mut seen).await, [("sign_out_everybody", None)]);
    let (email, password_hash) = (ada.email.clone(), "newest".to_owned());
    let promotion = Promotion { email, password_hash, proof: AddressProof::Operator, now: at(8) };
    bed.accounts.promote(promotion).await.unwrap();
    assert_eq!(news(&bed, &mut seen).await, [("admin_promoted", user)]);
    let argo = "argo".parse().unwrap();
    let producer = bed.producers.create(&argo, "k", false, at(9)).await.unwrap().id;
    bed.producers.ensure(&argo, "l", false, at(9)).await.unwrap();
    bed.producers.disable(producer, at(9)).await.unwrap();
    let producer = Some(Party::Producer(producer));
    let told = ["producer_created", "producer_key_rotated", "producer_disabled"];
    assert_eq!(news(&bed, &mut seen).await, told.map(|action| (action, producer)));
}

async fn what_changes_nothing_leaves_no_line(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "t").await;
    bed.accounts.revoke_session(session, at(1), at(9)).await.unwrap();
    bed.producers.ensure(&"argo".parse().unwrap(), "k", false, at(1)).await.unwrap();
    let mut seen = 0;
    assert_eq!(news(&bed, &mut seen).await.len(), 4);
    bed.accounts.revoke_session(session, at(2), at(9)).await.unwrap();
    bed.producers.ensure(&"argo".parse().unwrap(), "k", false, at(2)).await.unwrap();
    let same = renamed(&ada, ada.full_name.as_str(), Some(("ada@example.com", "hash")));
    bed.accounts.update_profile(ada.id, same, at(2)).await.unwrap();
    bed.accounts.set_tier_and_role(ada.id, ada.tier, ada.role, at(2)).await.unwrap();
    let wrong = renamed(&ada, "Eve", Some(("eve@example.com", "another hash")));
    assert!(bed.accounts.update_profile(ada.id, wrong, at(2)).await.is_err());
    assert_eq!(news(&bed, &mut seen).await, []);
}

async fn a_line_tells_on_whose_behalf_it_was_done(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let origin =
        |actor| Origin { actor, address: Some(home()), request_id: Some("0123".to_owned()) };
    let change =
        |tier, seconds| bed.accounts.set_tier_and_role(ada.id, tier, ada.role, at(seconds));
    within(origin(Party::Operator), change(Tier::Pro, 1)).await.unwrap();
    change(Tier::Elite, 2).await.unwrap();
    within(origin(Party::Anonymous), bed.session(ada.id, "t")).await;
    let told = lines(&bed, AuditFilter::Action(Action::TierChanged)).await;
    let line = AuditLine {
        at: at(1),
        action: Action::TierChanged,
        outcome: Outcome::Success,
        actor: Party::Operator,
        subject: Some(Party::User(ada.id)),
        address: Some(home()),
        request_id: Some("0123".to_owned()),
        reason: None,
        detail: Some("free -> pro".to_owned()),
        count: 1,
    };
    assert_eq!(told[1], line);
    let next = AuditLine {
        at: at(2),
        actor: Party::System,
        address: None,
        request_id: None,
        detail: Some("pro -> elite".to_owned()),
        ..line
    };
    assert_eq!(told[0], next);
    let sign_in = lines(&bed, AuditFilter::Action(Action::SignIn)).await.remove(0);
    assert_eq!(sign_in.actor, Party::User(ada.id), "who signs in was nobody before");
}

async fn lines_are_listed_by_each_filter_in_pieces_the_newest_first(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    let before = bed.audit.page(ALL).await.unwrap().len();
    let line = |seconds, action, actor, subject: Party| {
        Entry::new(at(seconds), action).on(subject).line(&Origin { actor, ..Origin::default() })
    };
    let (ada, bob) = (Party::User(ada.id), Party::User(bob.id));
    // Two of one instant.
    let added = vec![
        line(10, Action::SignIn, ada, ada),
        line(30, Action::SignOut, ada, bob),
        line(20, Action::RoleChanged, bob, ada),
        line(30, Action::SignIn, bob, bob),
        Entry::new(at(40), Action::SignIn)
            .on(bob)
            .denied(Reason::WrongPassword)
            .line(&Origin { actor: Party::Anonymous, ..Origin::default() }),
    ];
    bed.audit.append(added).await.unwrap();
    let seconds = |rows: &[StoredLine]| -> Vec<(i64, &'static str)> {
        rows.iter()
            .map(|row| (row.line.at.since(at(0)).as_secs(), row.line.action.as_str()))
            .map(|(at, action)| (i64::try_from(at).unwrap(), action))
            .collect()
    };
    let ask = async |query: AuditQuery| {
        let query = AuditQuery { since: query.since.or(Some(at(10))), ..query };
        seconds(&bed.audit.page(query).await.unwrap())
    };
    let all =
        [(40, "sign_in"), (30, "sign_in"), (30, "sign_out"), (20, "role_changed"), (10, "sign_in")];
    assert_eq!(ask(ALL).await, all);
    let by = |filter| AuditQuery { filter, ..ALL };
    assert_eq!(ask(by(AuditFilter::Action(Action::SignIn))).await, [all[0], all[1], all[4]]);
    assert_eq!(ask(by(AuditFilter::Actor(ada))).await, [all[2], all[4]]);
    assert_eq!(ask(by(AuditFilter::Subject(ada))).await, [all[3], all[4]]);
    assert_eq!(ask(by(AuditFilter::Security)).await, [all[0], all[3]]);
    let between = AuditQuery { since: Some(at(20)), until: Some(at(40)), ..ALL };
    assert_eq!(ask(between).await, all[1..4]);
    // In pieces of two, whatever shares an instant with the end of one.
    let (mut after, mut got) = (None, Vec::new());
    loop {
        let page = bed.audit.page(AuditQuery { after, limit: 2, ..ALL }).await.unwrap();
        got.extend(page.iter().map(|row| row.id));
        let Some(last) = page.last() else { break };
        after = Some(Position { at: last.line.at, id: last.id });
    }
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), got.len());
    assert_eq!(got.len(), before + 5);
}

async fn counts_add_up_from_whole_hours(bed: Bed) {
    const HOUR: i64 = 3_600;
    let line = |seconds, count| {
        let line = Entry::new(at(seconds), Action::SignIn).line(&Origin::default());
        AuditLine { count, ..line }
    };
    // The tests' beginning is half past ten.
    bed.audit.append(vec![line(0, 1), line(HOUR / 2 - 1, 2), line(HOUR / 2, 4)]).await.unwrap();
    let denied = Entry::new(at(HOUR), Action::SignIn).denied(Reason::Disabled);
    bed.audit.append(vec![line(HOUR, 8), denied.line(&Origin::default())]).await.unwrap();
    let count = |outcome, count| AuditCount { action: Action::SignIn, outcome, count };
    let denied = count(Outcome::Denied, 1);
    let counts = async |seconds| bed.audit.counts(at(seconds)).await.unwrap();
    assert_eq!(counts(0).await, [count(Outcome::Success, 15), denied]);
    assert_eq!(counts(HOUR / 2).await, [count(Outcome::Success, 12), denied]);
    assert_eq!(counts(2 * HOUR).await, []);
}

async fn old_lines_are_deleted_and_younger_ones_stay(bed: Bed) {
    let line = |seconds| Entry::new(at(seconds), Action::SignIn).line(&Origin::default());
    bed.audit.append([99, 100, 101].map(line).to_vec()).await.unwrap();
    let delete = async |audit| {
        let (first, from) = (Timestamp::MIN, Positions::default());
        let (sessions, api_keys, failed_jobs) = (first, first, first);
        let due = Due {
            sessions,
            api_keys,
            failed_jobs,
            audit,
            notifications: first,
            now: at(200),
            from,
        };
        bed.retention.delete_chunk(due).await.unwrap().0.rows()
    };
    assert_eq!([delete(at(99)).await, delete(at(101)).await], [0, 2]);
    assert_eq!(lines(&bed, AuditFilter::All).await, [line(101)]);
}

async fn no_line_changes_and_no_young_one_goes(bed: DatabaseBed) {
    let micros = |days: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_micros()).unwrap() - i64::try_from(days).unwrap() * 86_400_000_000
    };
    for (days, seconds) in [(0, 0), (30, 60), (30, -60)] {
        let at = Timestamp::from_micros(micros(days) + seconds * 1_000_000);
        let line = Entry::new(at, Action::SignIn).line(&Origin::default());
        bed.audit.append(vec![line]).await.unwrap();
    }
    let refused = async |sql: &str| bed.execute(sql).await.unwrap_err();
    assert!(refused("UPDATE audit_log SET actor = 'system'").await.contains("UPDATE refused"));
    for young in ["at = (SELECT max(at) FROM audit_log)", "at > (SELECT min(at) FROM audit_log)"] {
        let error = refused(&format!("DELETE FROM audit_log WHERE {young}")).await;
        assert!(error.contains("younger than 30 days"), "{error}");
    }
    if bed.is_postgres() {
        assert!(refused("TRUNCATE audit_log").await.contains("TRUNCATE refused"));
    } else {
        let replace = "REPLACE INTO audit_log SELECT * FROM audit_log";
        assert!(refused(replace).await.contains("REPLACE refused"));
    }
    assert_eq!(lines(&bed, AuditFilter::All).await.len(), 3);
    bed.execute("DELETE FROM audit_log WHERE at = (SELECT min(at) FROM audit_log)").await.unwrap();
    assert_eq!(lines(&bed, AuditFilter::All).await.len(), 2);
}

/// The line of a change that is rolled back is not there, and a change whose line cannot be written is not made.
async fn a_line_stands_or_falls_with_its_cause(bed: DatabaseBed) {
    let ada = bed.user("ada@example.com").await;
    let (user, now) = (ada.id, at(1));
    let rolled_back = bed.database.write("test", move |unit| -> Result<(), _> {
        unit.audit(Entry::new(now, Action::SignOut).on(user));
        Err(alpine_domain::Error::NotFound("anything").into())
    });
    assert!(rolled_back.await.is_err());
    assert_eq!(lines(&bed, AuditFilter::All).await.len(), 1);
    let sql = if bed.is_postgres() {
        "ALTER TABLE audit_log ADD CHECK (action <> 'tier_changed')"
    } else {
        "CREATE TRIGGER refusing BEFORE INSERT ON audit_log WHEN NEW.action = 'tier_changed' \
         BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    };
    bed.execute(sql).await.unwrap();
    let changed = bed.accounts.set_tier_and_role(ada.id, Tier::Pro, ada.role, at(2)).await;
    assert!(changed.is_err());
    assert_eq!(bed.accounts.state(ada.id).await.unwrap().unwrap().tier, Tier::Free);
}
