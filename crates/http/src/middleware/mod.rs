//! What surrounds every handler, outermost first: [`edge`], [`cors`], [`guard`].

pub(crate) mod authenticate;
pub(crate) mod cors;
pub(crate) mod edge;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod limit;
