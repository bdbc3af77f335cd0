//! On whose behalf something is done: known where a request or command begins, needed where a line is written.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::Party;
use crate::account::AddressDigest;

/// Who asked, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who.
    pub actor: Party,
    /// From where, if a client did.
    pub address: Option<AddressDigest>,
    /// The id of the request, if it was one.
    pub request_id: Option<String>,
}

impl Default for Origin {
    /// Nobody asked: Alpine does it by itself.
    fn default() -> Self {
        Self { actor: Party::System, address: None, request_id: None }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Origin>>> = const { RefCell::new(None) };
}

impl Origin {
    /// That of the work under way; [`Party::System`] outside of [`within`].
    pub fn current() -> Arc<Self> {
        CURRENT.with_borrow(Clone::clone).unwrap_or_default()
    }
}

/// Does `work` on behalf of `origin`. It is not passed on to another task that `work` starts.
pub fn within<F: Future>(origin: Origin, work: F) -> impl Future<Output = F::Output> {
    Within { origin: Arc::new(origin), work: Box::pin(work) }
}

struct Within<F> {
    origin: Arc<Origin>,
    work: Pin<Box<F>>,
}

/// Restores what was current before, also when the work panics.
struct Before(Option<Arc<Origin>>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _before = Before(CURRENT.replace(Some(this.origin.clone())));
        this.work.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Waker};

    use super::*;

    fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Says twice who is current, and lets others run in between.
    async fn actors() -> [Party; 2] {
        let first = Origin::current().actor;
        let mut has_waited = false;
        poll_fn(|_| {
            if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        [first, Origin::current().actor]
    }

    #[test]
    fn each_work_has_its_own_origin_however_they_take_turns() {
        let origin = |actor| Origin { actor, ..Origin::default() };
        let mut one = pin!(within(origin(Party::Operator), actors()));
        let mut other = pin!(within(origin(Party::Anonymous), actors()));
        assert!(poll(one.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!(Origin::current().actor, Party::System);
        assert_eq!(poll(one), Poll::Ready([Party::Operator; 2]));
        assert_eq!(poll(other), Poll::Ready([Party::Anonymous; 2]));
    }

    #[test]
    fn an_inner_origin_ends_with_its_work() {
        let origin = |actor| Origin { actor, ..Origin::default() };
        let work = async {
            let inner = within(origin(Party::Operator), async { Origin::current().actor }).await;
            [inner, Origin::current().actor]
        };
        let outer = pin!(within(origin(Party::Anonymous), work));
        assert_eq!(poll(outer), Poll::Ready([Party::Operator, Party::Anonymous]));
    }
}
