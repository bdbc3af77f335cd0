//! What is said of the routes of channels.

use super::{bodies, views};
use crate::{doc::Doc, json::MEDIA_TYPE as JSON, problem};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("channels", summary, answer)
}

pub(crate) fn list() -> Doc {
    doc("Your channels", "Each messenger, where you stand with its channel, and why.")
        .gives::<views::ChannelsView<'_>>()
}

pub(crate) fn invite() -> Doc {
    doc(
        "A link to a channel",
        "The link that there is, or another one if it is good no more. When the messenger is away, it is asked again, and \
         `trouble` says so.",
    )
    .gives::<views::ChannelView<'_>>()
    .problems(&[&problem::CHANNELS_OFF, &problem::NO_CHANNEL, &problem::UNAVAILABLE])
}

pub(crate) fn connect() -> Doc {
    doc(
        "Come in from the messenger's page",
        "For Discord: its page leads back to the website with a code and the state of your link. You are brought in, and the \
         role follows at once.",
    )
    .takes::<bodies::ConnectRequest>(JSON)
    .gives::<views::ChannelView<'_>>()
    .problems(&[&problem::FORBIDDEN, &problem::CHANNELS_OFF, &problem::UNAVAILABLE])
}

pub(crate) fn hear_telegram() -> Doc {
    doc(
        "For Telegram alone: somebody asks to be let in, or is gone",
        "It is stored. The same update again has no further effect.",
    )
    .takes::<bodies::TelegramUpdate>(JSON)
    .problems(&[&problem::CHANNELS_OFF, &problem::UNAVAILABLE])
}
