//! Memberships of channels: one writer at a time wins, a member is one account's, and every cause adds a job.

use std::time::Duration;

use alpine_domain::{
    Error,
    account::{AccountChange, AccountChanges, Deletion, Role, Tier, UserId},
    channel::{AskedFor, Asking, Basis, Invite, Membership, MembershipState, Trouble, Why},
    jobs::{Claim, Job, Lane, Lease},
    ports::{channels::Platform, secrets::Randomness},
};

use crate::support::{Bed, DatabaseBed, at, on_every, random};

on_every!(
    what_is_kept_is_read_again,
    of_two_changes_the_first_counts,
    nothing_is_kept_for_another_tier_than_was_looked_at,
    the_first_who_asks_is_taken_and_the_same_again_changes_nothing,
    a_member_is_one_accounts,
    who_followed_anothers_link_is_that_ones_in_every_place,
    who_is_due_is_looked_at_once,
    another_tier_and_another_state_add_jobs,
    an_erased_account_has_none;
    databases: a_change_that_is_overtaken_is_to_come_again,
    a_row_that_cannot_be_read_keeps_no_other_from_being_looked_at,
);

struct Bytes(u8);

impl Randomness for Bytes {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

const BASIS: Basis = Basis { tier: Tier::Pro, is_active: true, is_deleted: false };

async fn member(bed: &Bed, email: &str) -> UserId {
    let user = bed.user(email).await.id;
    bed.accounts.set_tier_and_role(user, Tier::Pro, Role::User, at(0)).await.unwrap();
    claimed(bed).await;
    user
}

/// The jobs of channels, which are done with that.
async fn claimed(bed: &Bed) -> Vec<Job> {
    let mut jobs = Vec::new();
    for lane in [Lane::Telegram, Lane::Discord] {
        let lease = Lease::generate(&Bytes(random()[0]));
        let claim = Claim { lane, now: at(1_000), until: at(2_000), lease, limit: 100 };
        for held in bed.jobs.claim(claim).await.unwrap() {
            assert!(bed.jobs.finish(&held).await.unwrap());
            jobs.push(held.job);
        }
    }
    jobs
}

fn invited(user: UserId, name: &str) -> Membership {
    Membership {
        state: MembershipState::Invited,
        invite: Some(Invite {
            name: name.to_owned(),
            link: Some((format!("https://t.me/+{name}"), at(500))),
        }),
        ..Membership::new(user, Platform::Telegram, "-1001".to_owned(), at(1))
    }
}

fn asking(invite: &str, member: &str, seconds: i64) -> Asking {
    Asking {
        platform: Platform::Telegram,
        invite: invite.to_owned(),
        place: Some("-1001".to_owned()),
        member: member.to_owned(),
        now: at(seconds),
    }
}

async fn only(bed: &Bed, user: UserId) -> Membership {
    let followed = bed.channels.followed(user).await.unwrap().unwrap();
    let [it] = &followed.memberships[..] else { panic!("{followed:?}") };
    it.clone()
}

async fn what_is_kept_is_read_again(bed: Bed) {
    let ada = member(&bed, "ada@example.com").await;
    let nobody = UserId::generate(at(0), random());
    assert_eq!(bed.channels.followed(nobody).await.unwrap(), None);
    let followed = bed.channels.followed(ada).await.unwrap().unwrap();
    assert_eq!((followed.basis, followed.memberships.len()), (BASIS, 0));
    let whole = Membership {
        why: Why::Left,
        member: Some("7".to_owned()),
        trouble: Some(Trouble::SetUp),
        recheck_at: Some(at(9)),
        ..invited(ada, "n1")
    };
    let bare = Membership::new(ada, Platform::Discord, "2".to_owned(), at(3));
    for it in [&whole, &bare] {
        assert_eq!(bed.channels.keep(it.clone(), BASIS).await.unwrap(), Some(1));
    }
    let followed = bed.channels.followed(ada).await.unwrap().unwrap();
    let stored = |it: &Membership| Membership { version: 1, ..it.clone() };
    assert_eq!(followed.memberships, [stored(&bare), stored(&whole)]);
    for state in MembershipState::ALL {
        let it = only_of(&bed, ada).await;
        let changed = Membership { state: *state, ..it };
        assert_eq!(
            bed.channels.keep(changed.clone(), BASIS).await.unwrap(),
            Some(changed.version + 1)
        );
        assert_eq!(only_of(&bed, ada).await.state, *state);
    }
}

async fn only_of(bed: &Bed, user: UserId) -> Membership {
    let followed = bed.channels.followed(user).await.unwrap().unwrap();
    followed.memberships.into_iter().find(|it| it.platform == Platform::Telegram).unwrap()
}

async fn of_two_changes_the_first_counts(bed: Bed) {
    let ada = member(&bed, "ada@example.com").await;
    let first = invited(ada, "n1");
    assert_eq!(bed.channels.keep(first.clone(), BASIS).await.unwrap(), Some(1));
    assert_eq!(bed.channels.keep(invited(ada, "n2"), BASIS).await.unwrap(), None, "there is one");
    let seen = only(&bed, ada).await;
    let out = Membership { state: MembershipState::Out, ..seen.clone() };
    assert_eq!(bed.channels.keep(out.clone(), BASIS).await.unwrap(), Some(2));
    assert_eq!(bed.channels.keep(seen, BASIS).await.unwrap(), None);
    assert_eq!(only(&bed, ada).await, Membership { version: 2, ..out });
}

async fn nothing_is_kept_for_another_tier_than_was_looked_at(bed: Bed) {
    let ada = member(&bed, "ada@example.com").await;
    for other in [
        Basis { tier: Tier::Elite, ..BASIS },
        Basis { is_active: false, ..BASIS },
        Basis { is_deleted: true, ..BASIS },
    ] {
        assert_eq!(bed.channels.keep(invited(ada, "n1"), other).await.unwrap(), None, "{other:?}");
    }
    let nobody = UserId::generate(at(0), random());
    assert_eq!(bed.channels.keep(invited(nobody, "n1"), BASIS).await.unwrap(), None);
    assert_eq!(bed.channels.followed(ada).await.unwrap().unwrap().memberships, []);
}

async fn the_first_who_asks_is_taken_and_the_same_again_changes_nothing(bed: Bed) {
    let ada = member(&bed, "ada@example.com").await;
    bed.channels.keep(invited(ada, "n1"), BASIS).await.unwrap();
    let ask = async |name: &str, who: &str| bed.channels.ask(asking(name, who, 5)).await.unwrap();
    assert_eq!(ask("n2", "7").await, AskedFor::Unknown);
    let elsewhere = Asking { place: Some("-1002".to_owned()), ..asking("n1", "7", 5) };
    assert_eq!(bed.channels.ask(elsewhere).await.unwrap(), AskedFor::Unknown);
    assert_eq!(claimed(&bed).await, []);
    assert_eq!(ask("n1", "7").await, AskedFor::Taken(ada));
    assert_eq!(claimed(&bed).await, [Job::TelegramFollows { user: ada }]);
    let it = only(&bed, ada).await;
    assert_eq!((it.state, it.member.as_deref()), (MembershipState::Asked, Some("7")));
    assert_eq!((it.since, it.version), (at(5), 2));
    assert_eq!(ask("n1", "8").await, AskedFor::Refused);
    assert_eq!(ask("n1", "7").await, AskedFor::Taken(ada));
    assert_eq!(only(&bed, ada).await, it);
    let found = async |place: &str, who: &str| {
        bed.channels.user_of(Platform::Telegram, place, who).await.unwrap()
    };
    assert_eq!(found("-1001", "7").await, Some(ada));
    assert_eq!([found("-1002", "7").await, found("-1001", "8").await], [None, None]);
    let leaving = Membership { state: MembershipState::Leaving, ..it };
    bed.channels.keep(leaving, BASIS).await.unwrap();
    assert_eq!(ask("n1", "7").await, AskedFor::Refused, "what it was for has ended");
}

async fn a_member_is_one_accounts(bed: Bed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    let taken = Membership {
        state: MembershipState::Member,
        member: Some("7".to_owned()),
        invite: None,
        ..invited(ada, "n1")
    };
    bed.channels.keep(taken.clone(), BASIS).await.unwrap();
    bed.channels.keep(invited(bob, "n2"), BASIS).await.unwrap();
    bed.channels.ask(asking("n2", "7", 5)).await.unwrap();
    let it = only(&bed, ada).await;
    assert_eq!((it.state, it.why, it.member), (MembershipState::Out, Why::Moved, None));
    assert_eq!((it.since, it.version), (at(5), 2));
    // The same by another way, over a version that is no more: nothing happens to either.
    assert_eq!(
        bed.channels.keep(Membership { version: 1, ..taken.clone() }, BASIS).await.unwrap(),
        None
    );
    assert_eq!(only(&bed, bob).await.member.as_deref(), Some("7"));
    assert_eq!(
        bed.channels.keep(Membership { version: 2, ..taken }, BASIS).await.unwrap(),
        Some(3)
    );
    assert_eq!(only(&bed, bob).await.member, None);
}

async fn who_followed_anothers_link_is_that_ones_in_every_place(bed: Bed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    let of = |place: &str, state| Membership {
        state,
        why: Why::TierEnded,
        place: place.to_owned(),
        member: Some("7".to_owned()),
        invite: None,
        ..invited(ada, "n1")
    };
    let elsewhere = Membership { platform: Platform::Discord, ..of("-1004", MembershipState::Out) };
    let another = Membership { member: Some("8".to_owned()), ..of("-1005", MembershipState::Out) };
    let (out, inside) = (of("-1002", MembershipState::Out), of("-1003", MembershipState::Member));
    for it in [&elsewhere, &out, &inside, &another] {
        bed.channels.keep(it.clone(), BASIS).await.unwrap();
    }
    // Only a link that is followed says so.
    let known = Membership {
        state: MembershipState::Admitting,
        invite: None,
        member: Some("7".to_owned()),
        ..invited(bob, "n2")
    };
    assert_eq!(bed.channels.keep(known, BASIS).await.unwrap(), Some(1));
    let kept = async || bed.channels.followed(ada).await.unwrap().unwrap().memberships;
    let first = |it: &Membership| Membership { version: 1, ..it.clone() };
    assert_eq!(kept().await, [&elsewhere, &out, &inside, &another].map(first));
    let again = Membership { version: 1, ..invited(bob, "n2") };
    assert_eq!(bed.channels.keep(again, BASIS).await.unwrap(), Some(2));
    assert_eq!(bed.channels.ask(asking("n2", "7", 5)).await.unwrap(), AskedFor::Taken(bob));
    let [seen, lost, moved, same] = &kept().await[..] else { panic!("four") };
    assert_eq!((seen, same), (&first(&elsewhere), &first(&another)));
    assert_eq!(*lost, Membership { member: None, version: 2, ..out });
    assert_eq!(*moved, Membership { why: Why::Moved, version: 2, ..inside });
}

/// From now on the database leaves out changes of memberships with this in them, as if somebody else had made one before.
async fn leaves_out(bed: &DatabaseBed, what: &str) {
    let sqlite = format!(
        "CREATE TRIGGER left_out BEFORE UPDATE ON channel_memberships WHEN {what} \
         BEGIN SELECT RAISE(IGNORE); END"
    );
    if bed.execute(&sqlite).await.is_err() {
        let postgres = format!(
            "CREATE RULE left_out AS ON UPDATE TO channel_memberships WHERE {what} DO INSTEAD NOTHING"
        );
        bed.execute(&postgres).await.unwrap();
    }
}

async fn a_change_that_is_overtaken_is_to_come_again(bed: DatabaseBed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    bed.channels.keep(invited(ada, "n1"), BASIS).await.unwrap();
    let taken = Membership {
        state: MembershipState::Member,
        member: Some("7".to_owned()),
        invite: None,
        ..invited(bob, "n2")
    };
    bed.channels.keep(taken, BASIS).await.unwrap();
    leaves_out(&bed, "NEW.why = 'moved' OR NEW.member = '8'").await;
    // The one loses the member to the other, and neither is changed; then the asker is not.
    for person in ["7", "8"] {
        let refused = bed.channels.ask(asking("n1", person, 5)).await;
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
        assert_eq!(only(&bed, ada).await.state, MembershipState::Invited);
        assert_eq!(only(&bed, bob).await.state, MembershipState::Member);
        assert_eq!(claimed(&bed).await, [], "it comes again");
    }
    assert_eq!(bed.channels.ask(asking("n1", "9", 5)).await.unwrap(), AskedFor::Taken(ada));
}

async fn a_row_that_cannot_be_read_keeps_no_other_from_being_looked_at(bed: DatabaseBed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    for (user, name, due) in [(ada, "n1", at(10)), (bob, "n2", at(11))] {
        let it = Membership { recheck_at: Some(due), ..invited(user, name) };
        bed.channels.keep(it, BASIS).await.unwrap();
    }
    let of_newer = format!("UPDATE channel_memberships SET state = 'new' WHERE user_id = '{ada}'");
    bed.execute(&of_newer).await.unwrap();
    let due = async |seconds| bed.channels.due(at(seconds), at(seconds + 60), 1).await.unwrap();
    // It is the first, and is the first no more.
    assert_eq!([due(20).await, due(20).await, due(20).await], [0, 1, 0]);
    assert_eq!(claimed(&bed).await, [Job::TelegramFollows { user: bob }]);
    let text = prometheus::TextEncoder::new().encode_to_string(&bed.registry.gather()).unwrap();
    assert!(text.contains("db_unreadable_rows_total{table=\"channel_memberships\"} 1"), "{text}");
}

async fn who_is_due_is_looked_at_once(bed: Bed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    for (user, name, due) in [(ada, "n1", Some(at(10))), (bob, "n2", None)] {
        let it = Membership { recheck_at: due, ..invited(user, name) };
        bed.channels.keep(it, BASIS).await.unwrap();
    }
    let due = async |seconds| bed.channels.due(at(seconds), at(seconds + 60), 10).await.unwrap();
    assert_eq!(due(9).await, 0);
    assert_eq!(due(10).await, 1);
    assert_eq!(due(69).await, 0);
    assert_eq!(due(70).await, 1);
    assert_eq!(claimed(&bed).await, [Job::TelegramFollows { user: ada }], "while one is pending");
    assert_eq!(only(&bed, ada).await.recheck_at, Some(at(130)));
}

async fn another_tier_and_another_state_add_jobs(bed: Bed) {
    let ada = bed.user("ada@example.com").await.id;
    let both = [Job::TelegramFollows { user: ada }, Job::DiscordFollows { user: ada }];
    assert_eq!(claimed(&bed).await, []);
    let tier = async |tier| {
        bed.accounts.set_tier_and_role(ada, tier, Role::User, at(1)).await.unwrap();
        claimed(&bed).await
    };
    assert_eq!(tier(Tier::Pro).await, both);
    assert_eq!(tier(Tier::Pro).await, [], "it is the same");
    let change = async |tier, is_active| {
        let changes = AccountChanges { tier, is_active };
        let change = AccountChange { user: ada, changes, reason: None, now: at(2) };
        bed.administration.change(change).await.unwrap();
        claimed(&bed).await
    };
    assert_eq!(change(Some(Tier::Free), None).await, both);
    assert_eq!(change(None, Some(false)).await, both);
    assert_eq!(change(None, Some(false)).await, []);
    assert_eq!(change(None, Some(true)).await, both);
}

async fn an_erased_account_has_none(bed: Bed) {
    let [ada, bob] = [member(&bed, "ada@example.com").await, member(&bed, "bob@example.com").await];
    bed.channels.keep(invited(ada, "n1"), BASIS).await.unwrap();
    bed.channels.keep(invited(bob, "n2"), BASIS).await.unwrap();
    let (proved_by, now, erase_at) =
        ("hash".to_owned(), at(5), at(5).later(Duration::from_secs(9)));
    let deletion = Deletion { user: ada, proved_by, now, erase_at, jobs: Vec::new() };
    bed.deletions.delete(deletion).await.unwrap();
    let followed = bed.channels.followed(ada).await.unwrap().unwrap();
    assert!(followed.basis.is_deleted && !followed.basis.is_active);
    assert_eq!(followed.memberships.len(), 1);
    assert!(bed.deletions.erase(ada, "unknown".to_owned(), 10, at(20)).await.unwrap());
    assert_eq!(bed.channels.followed(ada).await.unwrap().unwrap().memberships, []);
    assert_eq!(only(&bed, bob).await.user, bob);
}
