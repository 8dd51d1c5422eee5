//! What one principal may use: requests and tokens per minute, requests at once.
//!
//! Requests are charged when they arrive; tokens when the vendor has reported them, so that a
//! budget can be overdrawn by the answers under way and is then refused until it is paid back.
//! Budgets are of one process and begin full.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_wire::RefusalKind;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};

use crate::refusal::Fault;

type Requests =
    governor::RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

const MINUTE: Duration = Duration::from_secs(60);
const REQUESTS: [&str; 3] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const TOKENS: [&str; 3] = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

/// What each principal may use. Nothing set is nothing limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests per minute; as many may come at once.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens per minute, of prompts and answers, as the vendor reports them.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests at once, streams included.
    pub concurrent: Option<usize>,
}

/// Most principals that are kept account of at once.
const PRINCIPALS_MAX: usize = 10_000;
/// How often accounts are looked through for ones to forget.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// The accounts of all principals.
#[derive(Debug, Default)]
pub struct Quota {
    allowance: Allowance,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    all: HashMap<String, Arc<Account>>,
    pruned: Option<Instant>,
}

#[derive(Debug)]
struct Account {
    used: Mutex<Instant>,
    requests: Option<Requests>,
    tokens: Option<Tokens>,
    open: AtomicUsize,
}

/// One request under way; its place is given back when dropped.
#[derive(Debug)]
pub struct Admission(Option<Arc<Account>>);

/// When to come back, and how the budgets stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// What ran out.
    pub what: &'static str,
    /// When it is worth trying again.
    pub after: Duration,
    /// The requests: limit, remaining, time until all are there again.
    pub requests: Option<(u32, u32, Duration)>,
    /// The tokens, likewise.
    pub tokens: Option<(u32, u32, Duration)>,
}

impl Quota {
    /// Accounts under `allowance`.
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            accounts: Mutex::default(),
        }
    }

    /// Admits one request of `principal`, a commitment or an address.
    ///
    /// # Errors
    /// [`Retry`] when a budget is used up.
    pub fn check(&self, principal: &str) -> Result<Admission, Retry> {
        if self.allowance == Allowance::default() {
            return Ok(Admission(None));
        }
        let account = self.account(principal).ok_or(Retry {
            what: "principals",
            after: MINUTE,
            requests: None,
            tokens: None,
        })?;
        account.admit(&self.allowance)?;
        Ok(Admission(Some(account)))
    }

    fn account(&self, principal: &str) -> Option<Arc<Account>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.all.get(principal) {
            return Some(Arc::clone(account));
        }
        let due = |pruned: Instant| pruned.elapsed() > PRUNE_EVERY;
        if accounts.all.len() >= PRINCIPALS_MAX && accounts.pruned.is_none_or(due) {
            accounts.pruned = Some(Instant::now());
            accounts.all.retain(|_name, account| !account.is_whole());
        }
        if accounts.all.len() >= PRINCIPALS_MAX {
            return None;
        }
        let account = Arc::new(Account::new(&self.allowance));
        accounts
            .all
            .insert(principal.to_owned(), Arc::clone(&account));
        Some(account)
    }
}

impl Account {
    fn new(allowance: &Allowance) -> Self {
        let limiter = |limit| {
            let quota = governor::Quota::per_minute(limit);
            governor::RateLimiter::direct(quota).with_middleware()
        };
        Self {
            used: Mutex::new(Instant::now()),
            requests: allowance.requests_per_minute.map(limiter),
            tokens: allowance.tokens_per_minute.map(Tokens::new),
            open: AtomicUsize::new(0),
        }
    }

    /// Takes a place and a request, unless the tokens are overdrawn.
    fn admit(&self, allowance: &Allowance) -> Result<(), Retry> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let tokens = self.tokens.as_ref().map(Tokens::state);
        if let Some((_, 0, _)) = tokens {
            let after = self.tokens.as_ref().map_or(MINUTE, Tokens::paid_back_in);
            return Err(self.retry("tokens per minute", after, None));
        }
        if let Some(max) = allowance.concurrent {
            let one_more = |open| (open < max).then_some(open + 1);
            let taken = self
                .open
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
            if taken.is_err() {
                return Err(self.retry("requests at once", Duration::from_secs(1), None));
            }
        } else {
            self.open.fetch_add(1, Ordering::AcqRel);
        }
        if let (Some(limiter), Some(limit)) = (&self.requests, allowance.requests_per_minute)
            && let Err(until) = limiter.check()
        {
            self.open.fetch_sub(1, Ordering::AcqRel);
            let after = until.wait_time_from(DefaultClock::default().now());
            let state = (limit.get(), 0, MINUTE);
            return Err(self.retry("requests per minute", after, Some(state)));
        }
        Ok(())
    }

    fn retry(
        &self,
        what: &'static str,
        after: Duration,
        requests: Option<(u32, u32, Duration)>,
    ) -> Retry {
        Retry {
            what,
            after,
            requests,
            tokens: self.tokens.as_ref().map(Tokens::state),
        }
    }

    /// Whether every budget is full again: then the account says nothing that a fresh one would
    /// not.
    fn is_whole(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens_whole = |tokens: &Tokens| tokens.missing().is_zero();
        let requests_whole = self.requests.is_none() || used.elapsed() > MINUTE;
        self.open.load(Ordering::Acquire) == 0
            && requests_whole
            && self.tokens.as_ref().is_none_or(tokens_whole)
    }
}

impl Admission {
    /// Charges tokens that the vendor reported.
    pub fn charge(&self, tokens: u64) {
        if let Some(account) = &self.0
            && let Some(budget) = &account.tokens
        {
            budget.charge(tokens);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(account) = &self.0 {
            account.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A budget that refills evenly and can be overdrawn: the instant at which it is full again.
#[derive(Debug)]
struct Tokens {
    per_minute: NonZeroU32,
    full_at: Mutex<Instant>,
}

impl Tokens {
    fn new(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            full_at: Mutex::new(Instant::now()),
        }
    }

    fn missing(&self) -> Duration {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        full_at.saturating_duration_since(Instant::now())
    }

    /// Limit, remaining, time until full.
    fn state(&self) -> (u32, u32, Duration) {
        let missing = self.missing();
        let left = MINUTE.saturating_sub(missing).as_millis();
        let remaining = left * u128::from(self.per_minute.get()) / MINUTE.as_millis();
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        (self.per_minute.get(), remaining, missing)
    }

    fn paid_back_in(&self) -> Duration {
        self.missing().saturating_sub(MINUTE) + MINUTE / self.per_minute.get()
    }

    fn charge(&self, tokens: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let cost = MINUTE.mul_f64(f64::from(tokens) / f64::from(self.per_minute.get()));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*full_at).max(Instant::now());
        // A debt longer than an hour is none that anybody waits for.
        let most = Instant::now() + MINUTE * 60;
        *full_at = from.checked_add(cost).unwrap_or(most).min(most);
    }
}

impl Retry {
    /// The refusal: 429 with the headers that clients of the vendors read.
    pub fn fault(&self) -> Fault {
        let seconds = self.after.as_millis().div_ceil(1000).max(1);
        let message = format!(
            "The limit of {} is reached. Try again in {seconds} s.",
            self.what
        );
        let mut fault = Fault::new(RefusalKind::RateLimited, message);
        let mut say = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                fault.headers.push((name, value));
            }
        };
        say(RETRY_AFTER, seconds.to_string());
        for (names, state) in [(REQUESTS, self.requests), (TOKENS, self.tokens)] {
            if let Some((limit, remaining, reset)) = state {
                let [of_limit, of_remaining, of_reset] = names.map(HeaderName::from_static);
                say(of_limit, limit.to_string());
                say(of_remaining, remaining.to_string());
                say(of_reset, format!("{:.3}s", reset.as_secs_f64()));
            }
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(requests: u32, tokens: u32, concurrent: usize) -> Quota {
        Quota::new(Allowance {
            requests_per_minute: NonZeroU32::new(requests),
            tokens_per_minute: NonZeroU32::new(tokens),
            concurrent: Some(concurrent).filter(|n| *n > 0),
        })
    }

    #[test]
    fn requests_beyond_the_limit_are_refused_for_that_principal_only() {
        let quota = quota(3, 0, 0);
        for _request in 0..3 {
            assert!(quota.check("a").is_ok());
        }
        let retry = quota.check("a").unwrap_err();
        assert!(retry.after > Duration::from_secs(10) && retry.after <= Duration::from_secs(20));
        assert!(quota.check("b").is_ok());
    }

    #[test]
    fn overdrawn_tokens_refuse_the_next_request_until_they_are_paid_back() {
        let quota = quota(0, 600, 0);
        let admission = quota.check("a").unwrap();
        admission.charge(601);
        let retry = quota.check("a").unwrap_err();
        assert_eq!(
            retry.tokens.map(|(limit, left, _)| (limit, left)),
            Some((600, 0))
        );
        assert!(retry.after <= Duration::from_millis(200));
        std::thread::sleep(retry.after + Duration::from_millis(5));
        assert!(quota.check("a").is_ok());
    }

    #[test]
    fn a_place_at_once_is_given_back() {
        let quota = quota(0, 0, 1);
        let first = quota.check("a").unwrap();
        assert_eq!(quota.check("a").unwrap_err().what, "requests at once");
        drop(first);
        assert!(quota.check("a").is_ok());
    }

    #[test]
    fn accounts_are_bounded_and_untouched_ones_make_room() {
        let quota = quota(5, 5, 1);
        let mut under_way = Vec::new();
        for number in 0..PRINCIPALS_MAX {
            under_way.push(quota.check(&number.to_string()).unwrap());
        }
        assert_eq!(quota.check("one more").unwrap_err().what, "principals");
        drop(under_way);
        // Each has spent one request, which is not yet back.
        assert_eq!(quota.check("one more").unwrap_err().what, "principals");
        let idle = Quota::new(Allowance {
            concurrent: Some(1),
            ..Allowance::default()
        });
        for number in 0..=PRINCIPALS_MAX {
            assert!(idle.check(&number.to_string()).is_ok());
        }
        assert!(idle.accounts.lock().unwrap().all.len() <= PRINCIPALS_MAX);
    }
}
