//! What surrounds every handler, outermost first: [`outermost`], [`cors`], [`guard`].

pub(crate) mod authenticate;
pub(crate) mod cors;
pub(crate) mod guard;
pub(crate) mod headers;
mod origin;
pub(crate) mod outermost;
mod pieces;
pub(crate) mod repeats;
mod warnings;
