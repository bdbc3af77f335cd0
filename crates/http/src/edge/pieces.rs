//! Long bodies are sent in pieces of the one copy that all connections share. Given as a whole, a body
//! is copied into the buffer of each connection, and stays there for as long as its client does not read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
};
use bytes::Bytes;

/// The longest piece, in bytes. A connection's buffer takes a few of them.
const PIECE: usize = 16 * 1024;

/// The same answer, its body in pieces if it is long and in memory.
pub(super) fn cut(response: ServiceResponse) -> ServiceResponse {
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) if bytes.len() > PIECE => BoxBody::new(Pieces(bytes)),
        Ok(bytes) => BoxBody::new(bytes),
        Err(body) => body,
    })
}

/// What is still to be sent.
struct Pieces(Bytes);

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let left = self.0.len();
        let piece = (left > 0).then(|| Ok(self.0.split_to(left.min(PIECE))));
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use actix_web::{HttpResponse, test::TestRequest};

    use super::*;

    fn answer(length: usize) -> ServiceResponse {
        let body: Vec<u8> = (0..=250).cycle().take(length).collect();
        TestRequest::default().to_srv_response(HttpResponse::Ok().body(body))
    }

    #[actix_web::test]
    async fn a_long_body_comes_in_pieces_and_is_the_same() {
        for (length, pieces) in [(PIECE + 1, 2), (3 * PIECE, 3), (3 * PIECE - 1, 3)] {
            let whole = answer(length).into_body().try_into_bytes().ok().unwrap();
            let mut body = cut(answer(length)).into_body();
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            let mut received = Vec::new();
            while let Some(piece) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
                received.push(piece.unwrap());
            }
            assert!(received.iter().all(|piece| piece.len() <= PIECE));
            assert_eq!((received.len(), received.concat()), (pieces, whole.to_vec()));
        }
    }

    #[actix_web::test]
    async fn a_short_body_stays_whole() {
        for length in [0, 1, PIECE] {
            let whole = cut(answer(length)).into_body().try_into_bytes().ok();
            assert_eq!(whole.unwrap().len(), length);
        }
    }
}
