//! Work that has to happen after a commit, once, by any instance.
//!
//! A store writes the job in the transaction of its cause; what is committed is done, also when the
//! instance that committed it is gone. An event tells everybody *what changed*; a job is *something to do*
//! for one of them.
//!
//! A job is done at least once: whoever loses its lease in the middle, or dies before it could say that
//! it was done, leaves it to another. So a kind is written such that doing it twice is harmless.
//!
//! A new kind is a variant of [`Job`] and its line in [`Lane::kinds`], [`Job::kind`], [`Job::lane`] and [`Jobs`]. What is
//! stored is read by older and newer releases: a kind whose content changes gets another name.
//!
//! No secret stands in a job: rows that failed are kept and shown.

mod job;
mod rules;
mod runner;
mod store;

pub use job::{Job, Lane, RunJob};
pub use rules::{MAX_ATTEMPTS, Outcome, backoff, outcome, worth_beginning};
pub use runner::Jobs;
pub use store::{
    Claim, ClaimedJob, JobCounts, JobId, JobState, JobStore, Lease, MAX_COUNTED, NewJob, StoredJob,
};
