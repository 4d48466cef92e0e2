//! The one runtime behind the asynchronous functions.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Phones have few cores, and the core waits more than it works.
const THREADS: usize = 2;

/// Why work on the runtime brought no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The system gave no threads.
    NoRuntime,
    /// The work panicked.
    Panicked,
}

/// Runs `work` to its end, whatever becomes of the caller's future: a cancelled coroutine stops waiting, not working.
pub(crate) async fn run<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Broken> + Send + 'static,
{
    let Some(runtime) = runtime() else { return Err(E::from(Broken::NoRuntime)) };
    match runtime.spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(E::from(Broken::Panicked)),
    }
}

fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start =
        || Builder::new_multi_thread().worker_threads(THREADS).thread_name("callfield").enable_all().build().ok();
    RUNTIME.get_or_init(start).as_ref()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    impl From<Broken> for &'static str {
        fn from(broken: Broken) -> Self {
            match broken {
                Broken::NoRuntime => "no runtime",
                Broken::Panicked => "panicked",
            }
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_caller() {
        let result: Result<(), &str> = run(async { panic!("on purpose") }).await;
        assert_eq!(result, Err("panicked"));
    }

    #[tokio::test]
    async fn dropping_the_future_does_not_cut_the_work() {
        let (go, started) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let done = Arc::new(AtomicBool::new(false));
        let mark = done.clone();
        let mut waiting = Box::pin(run::<(), &str>(async move {
            let _ = started.await;
            mark.store(true, Ordering::SeqCst);
            let _ = tell.send(());
            Ok(())
        }));
        tokio::select! { biased; _ = &mut waiting => unreachable!("it waits for `go`"), () = std::future::ready(()) => {} }
        drop(waiting);
        go.send(()).unwrap();
        told.await.unwrap();
        assert!(done.load(Ordering::SeqCst));
    }
}
