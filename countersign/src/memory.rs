//! Returning free memory to the system.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::time::Duration;

use tokio::sync::watch;

/// Time between two returns.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const EVERY: Duration = Duration::from_secs(30);

/// Returns free memory to the system until told to stop. glibc keeps a heap per thread, each with
/// all that was ever in use there at once: under a load that varies, a gateway that holds no more
/// than before seems to grow for as long as it runs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) async fn give_back(mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        // It takes milliseconds, and each heap is locked meanwhile.
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            tracing::error!(%error, "free memory could not be returned");
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's function has no safe form")]
fn trim() {
    // SAFETY: the function takes no pointer, and any thread may call it at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries are left to themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) async fn give_back(_: watch::Receiver<bool>) {}
