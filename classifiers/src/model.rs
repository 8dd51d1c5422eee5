//! Driving models: one thread per backend, a bounded queue, deadlines and cancellation.

mod job;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use countersign_record::{DetectorRef, Evaluation, Score};
use tokio::sync::Semaphore;

use self::job::{Job, Plan, Step};
use crate::{Backend, BackendError, Detector, Inspection, ModelLabel};

/// Bounds of a [`ModelDetector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Inspections in progress or waiting; one more is `Skipped("overloaded")`.
    pub queue: usize,
    /// Windows given to a backend in one call. Deadline and cancellation are looked at in between.
    pub batch: usize,
    /// Distinct windows of one inspection; more are `Skipped("too_many_windows")`. Windows that
    /// read alike are scored once, so that a view costs no more than what differs in it.
    pub windows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 64,
            batch: 4,
            windows_max: 20_000,
        }
    }
}

/// A detector whose scores come from models.
///
/// Every backend has a thread of its own. The windows of one inspection are shared among all
/// threads; inspections take turns batch by batch, so that a long text does not shut out a short
/// one. Dropping the detector stops the threads after their current batch; inspections that still
/// wait are `Skipped("stopped")`.
pub struct ModelDetector {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    detector: DetectorRef,
    labels: Vec<ModelLabel>,
    limits: Limits,
    /// Why nothing can be inspected at all.
    fault: Option<&'static str>,
    room: Arc<Semaphore>,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Arc<Job>>,
    stopped: bool,
}

impl ModelDetector {
    /// Starts a thread per backend. The backends are replicas of one model.
    ///
    /// Without a backend, with unlike backends or when no thread can be started, the detector
    /// answers every inspection with `Failed`.
    pub fn start(backends: Vec<Box<dyn Backend>>, limits: Limits) -> Arc<Self> {
        let unknown = || DetectorRef {
            id: "model".to_owned(),
            version: "none".to_owned(),
            digest: "none".to_owned(),
        };
        let detector = backends.first().map_or_else(unknown, |b| b.describe());
        let labels = backends.first().map(|b| b.labels()).unwrap_or_default();
        let alike = backends
            .iter()
            .all(|b| b.describe() == detector && b.labels() == labels);
        let fault = match (backends.is_empty(), alike) {
            (true, _) => Some("no backend"),
            (_, false) => Some("backends differ"),
            _ => None,
        };
        let mut shared = Shared {
            detector,
            labels,
            limits,
            fault,
            room: Arc::new(Semaphore::new(limits.queue.min(Semaphore::MAX_PERMITS))),
            queue: Mutex::default(),
            wake: Condvar::new(),
        };
        if fault.is_some() {
            return Arc::new(Self {
                shared: Arc::new(shared),
                workers: Vec::new(),
            });
        }
        shared.limits.batch = limits.batch.max(1);
        let shared = Arc::new(shared);
        let workers: Vec<_> = backends
            .into_iter()
            .filter_map(|b| spawn(&shared, b))
            .collect();
        if workers.is_empty() {
            lock(&shared.queue).stopped = true;
        }
        Arc::new(Self { shared, workers })
    }

    /// Inspections that wait or are in progress.
    pub fn queued(&self) -> usize {
        self.shared
            .limits
            .queue
            .saturating_sub(self.shared.room.available_permits())
    }
}

fn spawn(shared: &Arc<Shared>, backend: Box<dyn Backend>) -> Option<JoinHandle<()>> {
    let theirs = Arc::clone(shared);
    let name = format!("model-{}", shared.detector.id);
    let started = std::thread::Builder::new()
        .name(name)
        .spawn(move || work(&theirs, backend));
    started
        .inspect_err(|error| tracing::error!(%error, "no thread for a model backend"))
        .ok()
}

impl fmt::Debug for ModelDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelDetector")
            .field("detector", &self.shared.detector)
            .field("workers", &self.workers.len())
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Drop for ModelDetector {
    fn drop(&mut self) {
        let waiting = {
            let mut queue = lock(&self.shared.queue);
            queue.stopped = true;
            std::mem::take(&mut queue.jobs)
        };
        self.shared.wake.notify_all();
        for job in waiting {
            job.finish(stopped());
        }
        for worker in self.workers.drain(..) {
            // A worker catches its backend's panics, so there is nothing to learn from the result.
            drop(worker.join());
        }
    }
}

impl Detector for ModelDetector {
    fn describe(&self) -> DetectorRef {
        self.shared.detector.clone()
    }

    fn labels(&self) -> Vec<String> {
        self.shared.labels.iter().map(|l| l.name.clone()).collect()
    }

    fn inspect(
        &self,
        texts: Arc<[String]>,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Inspection> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.inspect(texts, deadline).await })
    }
}

impl Shared {
    async fn inspect(self: Arc<Self>, texts: Arc<[String]>, deadline: Instant) -> Inspection {
        let began = Instant::now();
        if let Some(fault) = self.fault {
            return self.refused(
                Evaluation::Failed {
                    reason: fault.to_owned(),
                },
                began,
            );
        }
        if deadline <= began {
            return self.refused(Evaluation::TimedOut, began);
        }
        let Ok(_room) = self.room.try_acquire() else {
            return self.refused(
                Evaluation::Skipped {
                    reason: "overloaded".to_owned(),
                },
                began,
            );
        };
        let (job, done) = Job::new(texts, deadline);
        let submission = Submission {
            shared: &self,
            job: Arc::new(job),
        };
        if !submission.enqueue() {
            return self.refused(stopped(), began);
        }
        // Whether the workers or the clock came first is read from the job itself.
        drop(tokio::time::timeout_at(deadline.into(), done).await);
        submission
            .job
            .inspection(self.detector.clone(), &self.labels, began.elapsed())
    }

    fn refused(&self, evaluation: Evaluation, began: Instant) -> Inspection {
        let labels = self
            .labels
            .iter()
            .map(|l| (l.name.clone(), l.flag, l.block));
        let detector = self.detector.clone();
        Inspection::without_findings(detector, labels, evaluation, began.elapsed())
    }

    /// Waits for something to do; `None` when the detector stops.
    fn next(&self) -> Option<(Arc<Job>, Step)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped {
                return None;
            }
            while let Some(job) = queue.jobs.pop_front() {
                let Some(step) = job.next_step(self.limits.batch) else {
                    continue;
                };
                if job.has_more_steps() {
                    queue.jobs.push_back(Arc::clone(&job));
                    self.wake.notify_one();
                }
                return Some((job, step));
            }
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn requeue(&self, job: &Arc<Job>) {
        let mut queue = lock(&self.queue);
        if queue.stopped {
            drop(queue);
            job.finish(stopped());
        } else {
            queue.jobs.push_back(Arc::clone(job));
            drop(queue);
            self.wake.notify_one();
        }
    }
}

/// A job in the queue; dropping it, also by cancellation, takes the job out again.
struct Submission<'a> {
    shared: &'a Shared,
    job: Arc<Job>,
}

impl Submission<'_> {
    fn enqueue(&self) -> bool {
        let mut queue = lock(&self.shared.queue);
        if !queue.stopped {
            queue.jobs.push_back(Arc::clone(&self.job));
            self.shared.wake.notify_one();
        }
        !queue.stopped
    }
}

impl Drop for Submission<'_> {
    fn drop(&mut self) {
        self.job.abandon();
        lock(&self.shared.queue)
            .jobs
            .retain(|job| !Arc::ptr_eq(job, &self.job));
    }
}

fn work(shared: &Shared, mut backend: Box<dyn Backend>) {
    while let Some((job, step)) = shared.next() {
        match step {
            Step::Plan => {
                let windows_max = shared.limits.windows_max;
                let plan = guarded(|| Plan::of(&*backend, &job, windows_max));
                match plan {
                    Ok(plan) => {
                        job.planned(plan);
                        shared.requeue(&job);
                    }
                    Err(evaluation) => job.finish(evaluation),
                }
            }
            Step::Score { plan, batch } => {
                let windows: Vec<_> = plan.windows(&batch).collect();
                let answer = guarded(|| backend.score(&windows).map_err(failed));
                match answer.and_then(|rows| checked(rows, windows.len(), shared.labels.len())) {
                    Ok(rows) => job.scored(&batch, rows),
                    Err(evaluation) => job.finish(evaluation),
                }
            }
        }
    }
}

/// A panic of a backend costs one inspection, not the worker.
fn guarded<T>(call: impl FnOnce() -> Result<T, Evaluation>) -> Result<T, Evaluation> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_panic| {
        Err(Evaluation::Failed {
            reason: "backend panicked".to_owned(),
        })
    })
}

fn checked(
    rows: Vec<Vec<Score>>,
    windows: usize,
    labels: usize,
) -> Result<Vec<Vec<Score>>, Evaluation> {
    if rows.len() == windows && rows.iter().all(|row| row.len() == labels) {
        Ok(rows)
    } else {
        Err(Evaluation::Failed {
            reason: "backend answered in another shape".to_owned(),
        })
    }
}

fn failed(error: BackendError) -> Evaluation {
    Evaluation::Failed {
        reason: error.reason,
    }
}

fn stopped() -> Evaluation {
    Evaluation::Skipped {
        reason: "stopped".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
