//! Channels of messengers follow the tier: whoever's tier opens one is invited, and whoever's does not is taken out.
//!
//! [`Channels::follow`] compares what the tier says *now* with what is kept, and takes one step after the other until both
//! agree. Each step that gives something is written down before the messenger is asked, so that whatever is lost, doubled,
//! late or cut off in the middle, the next look ends right.

mod asking;
mod follow;
mod model;
mod own;
mod steps;
mod store;

pub use self::{
    asking::{Answered, AskedFor, Asking},
    follow::{ChannelSettings, Channels, follow_job, follow_jobs},
    model::{Basis, Followed, Invite, Membership, MembershipState, Places, Trouble, Why},
    own::{OwnChannel, Standing},
    store::ChannelStore,
};
