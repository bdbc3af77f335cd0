//! What is refused is told, at no cost for whoever is refused, and without room for a flood.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use alpine_domain::{
    Error, Result, Timestamp,
    account::{AddressDigest, NewPassword, Secret},
    audit::{
        Action, AuditCount, AuditFilter, AuditLine, AuditQuery, AuditStore, Denials, Flushed,
        Origin, Outcome, Party, Reason, StoredLine, within,
    },
    ports::secrets::HashPriority,
};

use async_trait::async_trait;

use crate::support::{PASSWORD, START, World, now, told};

const EMAIL: &str = "ada@example.com";

impl World {
    /// The lines of one action, the newest first.
    pub(crate) fn lines(&self, action: Action) -> Vec<AuditLine> {
        let filter = AuditFilter::Action(action);
        let query = AuditQuery { filter, since: None, until: None, after: None, limit: 1_000 };
        now(self.stores.audit.page(query)).unwrap().into_iter().map(|row| row.line).collect()
    }

    fn guess(&self, email: &str, password: &str) {
        let origin = Origin {
            actor: Party::Anonymous,
            address: Some(AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap()),
            request_id: Some("first".to_owned()),
        };
        let accounts = &self.cases.accounts;
        let tried = accounts.sign_in(None, HashPriority::Known, email, password);
        assert!(now(within(origin, tried)).is_err());
    }
}

#[test]
fn each_reason_why_a_sign_in_is_refused_is_told_and_the_same_ones_once_with_their_number() {
    let world = World::new();
    let ada = world.sign_up(EMAIL).account.id;
    let bob = world.sign_up("bob@example.com").account.id;
    world.memory.set_active(bob, false);
    for _ in 0..3 {
        world.guess(EMAIL, "not the password");
    }
    world.guess("nobody@example.com", PASSWORD);
    world.guess("bob@example.com", PASSWORD);
    assert_eq!(world.lines(Action::SignIn).len(), 2, "nothing is written on the way");
    let flushed = now(world.cases.denials.flush()).unwrap();
    assert_eq!(flushed, Flushed { lines: 3, only_counted: 0 });
    let lines = world.lines(Action::SignIn);
    let denied = |reason: Reason| {
        let line = lines.iter().find(|line| line.reason.as_deref() == Some(reason.as_str()));
        let line = line.unwrap();
        assert_eq!((line.outcome, line.actor, line.at), (Outcome::Denied, Party::Anonymous, START));
        assert_eq!(line.request_id.as_deref(), Some("first"));
        assert!(line.address.is_some());
        (line.subject, line.count)
    };
    assert_eq!(denied(Reason::WrongPassword), (Some(Party::User(ada)), 3));
    assert_eq!(denied(Reason::UnknownAccount), (None, 1));
    assert_eq!(denied(Reason::Disabled), (Some(Party::User(bob)), 1));
    assert_eq!(now(world.cases.denials.flush()).unwrap(), Flushed::default());
}

#[test]
fn a_wrong_current_password_is_told() {
    let world = World::new();
    let ada = world.sign_up(EMAIL).account.id;
    let home = AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap();
    let new = NewPassword::parse("another river at dusk").unwrap();
    let current = ("not the password", HashPriority::Known);
    assert!(now(world.cases.accounts.change_password(ada, &home, current, &new)).is_err());
    now(world.cases.denials.flush()).unwrap();
    let lines = world.lines(Action::PasswordProved);
    assert_eq!((lines.len(), lines[0].subject), (1, Some(Party::User(ada))));
}

/// A flood at nobody adds some lines, with the number of all; a guess at somebody among it stands out.
#[test]
fn a_flood_of_refusals_adds_few_lines_and_hides_none_at_an_account() {
    let world = World::new();
    let ada = world.sign_up(EMAIL).account.id;
    let before = world.lines(Action::SignIn).len();
    for n in 0_u32..1_000 {
        let origin = Origin {
            actor: Party::Anonymous,
            address: Some(AddressDigest::of(&n.to_string(), &Secret::new("key")).unwrap()),
            request_id: None,
        };
        let (denials, reason) = (&world.cases.denials, Reason::UnknownAccount);
        denials.note_from(&origin, Action::SignIn, reason, None, None);
        denials.note_from(&origin, Action::SignIn, reason, None, None);
        if n == 200 {
            world.guess(EMAIL, "not the password");
        }
    }
    let flushed = now(world.cases.denials.flush()).unwrap();
    assert_eq!(flushed.lines, 17);
    let lines = world.lines(Action::SignIn);
    assert_eq!(lines.len(), before + 17);
    let denied = lines.iter().filter(|line| line.outcome == Outcome::Denied);
    assert_eq!(denied.map(|line| line.count).sum::<u32>(), 2_001);
    assert!(
        lines.iter().any(|line| {
            line.subject == Some(Party::User(ada)) && line.outcome == Outcome::Denied
        })
    );
    let rest: Vec<_> =
        lines.iter().filter(|line| line.detail.as_deref() == Some("not told apart")).collect();
    assert_eq!((rest.len(), u64::from(rest[0].count)), (1, flushed.only_counted));
}

/// Takes lines after it refused some. While it refuses them, another refusal is noted.
struct AwayOnce {
    is_away: AtomicBool,
    notes: OnceLock<Weak<Denials>>,
    store: Arc<dyn AuditStore>,
}

#[async_trait]
impl AuditStore for AwayOnce {
    async fn append(&self, lines: Vec<AuditLine>) -> Result<()> {
        if self.is_away.swap(false, Ordering::SeqCst) {
            let denials = self.notes.get().and_then(Weak::upgrade).unwrap();
            denials.note(Action::SignIn, Reason::WrongPassword, None);
            return Err(Error::unavailable("the database", "no answer"));
        }
        self.store.append(lines).await
    }

    async fn page(&self, query: AuditQuery) -> Result<Vec<StoredLine>> {
        self.store.page(query).await
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<AuditCount>> {
        self.store.counts(since).await
    }
}

#[test]
fn what_cannot_be_written_is_written_later() {
    let world = World::new();
    let store = Arc::new(AwayOnce {
        is_away: AtomicBool::new(true),
        notes: OnceLock::new(),
        store: world.stores.audit.clone(),
    });
    let denials = Arc::new(Denials::new(store.clone(), world.clock.clone()));
    store.notes.set(Arc::downgrade(&denials)).unwrap();
    denials.note(Action::SignIn, Reason::Disabled, None);
    assert_eq!(told(now(denials.flush())), "the database is unavailable");
    denials.note(Action::SignIn, Reason::Disabled, None);
    denials.note(Action::SignIn, Reason::UnknownAccount, None);
    assert_eq!(now(denials.flush()).unwrap().lines, 3);
    let mut told: Vec<_> =
        world.lines(Action::SignIn).into_iter().map(|it| (it.reason, it.count)).collect();
    told.sort();
    let line = |reason: Reason, count| (Some(reason.as_str().to_owned()), count);
    let mut expected = [
        line(Reason::Disabled, 2),
        line(Reason::UnknownAccount, 1),
        line(Reason::WrongPassword, 1),
    ];
    expected.sort();
    assert_eq!(told, expected);
}
