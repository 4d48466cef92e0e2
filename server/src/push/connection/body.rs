//! A request body that tells when the connection has taken the last of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::Handover;

/// Bytes to send and whom to tell.
pub(super) struct WatchedBody {
    bytes: Option<Bytes>,
    handover: Arc<Handover>,
}

impl WatchedBody {
    pub(super) fn new(bytes: Bytes, handover: Arc<Handover>) -> Self {
        Self { bytes: Some(bytes), handover }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            self.handover.written.notify_one();
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len().try_into().unwrap_or(u64::MAX)))
    }
}
