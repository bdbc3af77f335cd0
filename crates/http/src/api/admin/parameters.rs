//! What the queries of administrators may hold.

use alpine_domain::{
    Timestamp,
    account::{EmailPrefix, Role, Tier, UserPosition},
    audit::{Action, Party},
    page::{Cursor, TOTAL_CAP},
};

use crate::extract::parameter::{Or, Param, Parameters};

const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 200, "Lines at most.").or(50);
const CURSOR: Param<Cursor> = Param::text(
    "cursor",
    Some(Cursor::MAX_CHARS),
    Some(Cursor::PATTERN),
    "next_cursor of the page before.",
)
.position();
const SINCE: Param<Timestamp> = Param::instant("since", "From this instant on (RFC 3339).");
const UNTIL: Param<Timestamp> = Param::instant("until", "Before this instant (RFC 3339).");
const ACTION: Param<Action> = Param::one_of(
    "action",
    Action::WORDS,
    "Only this action. One of action, actor and subject at a time.",
);
const ACTOR: Param<Party> = Param::text(
    "actor",
    Some(Party::MAX_CHARS),
    Some(Party::PATTERN),
    "Only what this one did: `user:` and an id, `operator`, `system` for example.",
);
const SUBJECT: Param<Party> = Param::text(
    "subject",
    Some(Party::MAX_CHARS),
    Some(Party::PATTERN),
    "Only what was done to this one: `user:` and an id for example.",
);

/// Limit, cursor, since, until.
pub(super) type Events = (u32, Option<Cursor>, Option<Timestamp>, Option<Timestamp>);

/// Of `security/events`.
pub(super) fn events() -> impl Parameters<Values = Events> {
    (LIMIT, CURSOR, SINCE, UNTIL)
}

/// The same, then action, actor, subject.
pub(super) type Audit = (Events, Option<Action>, Option<Party>, Option<Party>);

/// Of `admin/audit`.
pub(super) fn audit() -> impl Parameters<Values = Audit> {
    (events(), ACTION, ACTOR, SUBJECT)
}

const USERS: Or<Param<u32>> = Param::whole("limit", 1, 100, "Accounts at most.").or(20);
const OFFSET: Or<Param<u32>> =
    Param::whole("offset", 0, TOTAL_CAP, "Accounts to pass over, without a cursor.")
        .position()
        .or(0);
const POSITION: Param<UserPosition> = Param::text(
    "cursor",
    Some(UserPosition::MAX_CHARS),
    Some(UserPosition::PATTERN),
    "next_cursor of the page before, of the same list.",
)
.position();
const TIER: Param<Tier> = Param::one_of("tier", Tier::WORDS, "Only those of this tier.");
const IS_ACTIVE: Param<bool> =
    Param::flag("is_active", "Only those that are enabled, or disabled.");
const ROLE: Param<Role> = Param::one_of("role", Role::WORDS, "Only those with this role.");
const SEARCH: Param<EmailPrefix> = Param::text(
    "search",
    Some(EmailPrefix::MAX_CHARS),
    Some(EmailPrefix::PATTERN),
    "Only those whose e-mail address begins like this, in order of addresses.",
);

/// Limit, offset and cursor; tier, whether enabled, role, beginning of the address.
pub(super) type Users = (
    (u32, u32, Option<UserPosition>),
    Option<Tier>,
    Option<bool>,
    Option<Role>,
    Option<EmailPrefix>,
);

/// Of `admin/users`.
pub(super) fn users() -> impl Parameters<Values = Users> {
    ((USERS, OFFSET, POSITION), TIER, IS_ACTIVE, ROLE, SEARCH)
}
