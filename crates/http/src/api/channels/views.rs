//! What of channels is shown.

use alpine_domain::{
    Timestamp,
    channel::{OwnChannel, Standing, Trouble, Why},
    ports::channels::Platform,
};
use serde::Serialize;
use utoipa::ToSchema;

crate::doc::words!(
    /// The words of [`Platform`].
    PlatformWord, Platform
);

crate::doc::words!(
    /// The words of [`Standing`].
    StandingWord, Standing
);

crate::doc::words!(
    /// The words of [`Why`].
    WhyWord, Why
);

crate::doc::words!(
    /// The words of [`Trouble`].
    TroubleWord, Trouble
);

/// The channel of one messenger, and where the member stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub(crate) struct ChannelView<'a> {
    #[schema(value_type = PlatformWord)]
    name: Platform,
    #[schema(value_type = StandingWord)]
    state: Standing,
    /// Why it is so; `null` where nothing is offered, or included.
    #[schema(value_type = Option<WhyWord>, required = true)]
    reason: Option<Why>,
    /// The same in a sentence.
    #[schema(example = "You are not in the channel: the tier that opened it ended on 2026-01-31.")]
    message: String,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    since: Option<Timestamp>,
    /// Where to go; it is for one person.
    #[schema(required = true)]
    link: Option<&'a str>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    link_expires_at: Option<Timestamp>,
    /// What keeps it from going on: it is tried again (`away`), whoever runs the service has to do something (`set_up`), or
    /// you are in as many channels as the messenger allows (`too_many`).
    #[schema(value_type = Option<TroubleWord>, required = true)]
    trouble: Option<Trouble>,
}

impl<'a> From<&'a OwnChannel> for ChannelView<'a> {
    fn from(own: &'a OwnChannel) -> Self {
        Self {
            name: own.platform,
            state: own.standing,
            reason: own.why,
            message: message(own),
            since: own.since,
            link: own.link.as_ref().map(|(link, _)| link.as_str()),
            link_expires_at: own.link.as_ref().map(|(_, until)| *until),
            trouble: own.trouble,
        }
    }
}

fn message(own: &OwnChannel) -> String {
    let state = match own.standing {
        Standing::NotOffered => return "No channel is offered there.".to_owned(),
        Standing::NotIncluded => return "Your tier opens no channel there.".to_owned(),
        Standing::Preparing => "A link is being made",
        Standing::Invited => "Follow the link to come in; it is for you alone",
        Standing::Expired => "The link is good no more; ask for another one",
        Standing::Admitting => "You are about to be let in",
        Standing::Member => "You are in the channel",
        Standing::Leaving => "You are about to be taken out of the channel",
        Standing::Out => "You are not in the channel",
    };
    let day = own.since.map(|since| since.to_string()).unwrap_or_default();
    let day = day.split('T').next().unwrap_or_default();
    let reason = match own.why {
        None | Some(Why::TierOpens) => String::new(),
        Some(Why::TierEnded) if own.standing == Standing::Leaving => {
            ": the tier that opened it has ended".to_owned()
        }
        Some(Why::TierEnded) => format!(": the tier that opened it ended on {day}"),
        Some(Why::AccountDisabled) => ": the account is disabled".to_owned(),
        Some(Why::AccountDeleted) => ": the account is deleted".to_owned(),
        Some(Why::Left) => {
            format!(
                ": you left it, or were taken out by those who run it, and that was seen on {day}; ask for a link to come back"
            )
        }
        Some(Why::Barred) => ": those who run it keep you out".to_owned(),
        Some(Why::Moved) => {
            format!(
                ": on {day} the same person came in on behalf of another account; ask for a link to come back"
            )
        }
    };
    let trouble = match own.trouble {
        None => "",
        Some(Trouble::Away) => " The messenger does not answer, and is asked again.",
        Some(Trouble::TooMany) => {
            " You are in as many channels as the messenger allows; leave one before you follow the link."
        }
        Some(Trouble::SetUp) => " Whoever runs this service has to do something for it.",
    };
    format!("{state}{reason}.{trouble}")
}

/// The channels of every messenger.
#[derive(Serialize, ToSchema)]
#[schema(as = Channels)]
pub(super) struct ChannelsView<'a> {
    #[schema(min_items = 2, max_items = 2)]
    pub(super) items: Vec<ChannelView<'a>>,
}
