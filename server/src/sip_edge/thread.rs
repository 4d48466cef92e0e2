//! The thread of the edge. Signalling waits for nothing else that the server does, and what it asks for and gets costs no
//! hop from one thread to another: the hops were a fifth of what a call costs.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What runs there; made there, so that it need not be `Send`.
pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Runs `work` on a thread of its own until it is done.
///
/// The thread stays until `over`: connections to the database that were opened there are used elsewhere too.
pub(super) async fn run(work: impl FnOnce() -> Work + Send + 'static, over: CancellationToken) {
    let (done, ended) = oneshot::channel();
    let body = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the edge has no runtime"),
        };
        runtime.block_on(async {
            work().await;
            // Nobody waits any more only if the server is being torn down.
            let _ = done.send(());
            over.cancelled().await;
        });
    };
    if let Err(error) = std::thread::Builder::new().name("edge".to_owned()).spawn(body) {
        tracing::error!(%error, "the edge has no thread");
        return;
    }
    if ended.await.is_err() {
        tracing::error!("the edge broke off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_thread_outlives_its_work_until_all_is_over() {
        let over = CancellationToken::new();
        let (alive, mut gone) = oneshot::channel::<()>();
        let work = || -> Work {
            Box::pin(async {
                tokio::spawn(hold(alive));
            })
        };
        run(work, over.clone()).await;
        assert!(gone.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        over.cancel();
        assert!(gone.await.is_err());
    }

    async fn hold(alive: oneshot::Sender<()>) {
        std::future::pending::<()>().await;
        drop(alive);
    }

    #[tokio::test]
    async fn work_that_breaks_off_is_waited_for_no_longer() {
        let work = || -> Work { Box::pin(async { panic!("as if") }) };
        run(work, CancellationToken::new()).await;
    }
}
