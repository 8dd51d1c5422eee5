//! Simulated crashes: every fault at every operation, then pairs of them, then chance.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    chance::Chance,
    faults::{Fault, Kind, Plan, Planned},
    judge,
    machine::Machine,
    script::{Run, Step},
    setting,
};

/// Cases that are tried unless the environment says otherwise: all with one fault, and some more.
const CASES: u64 = 6_500;
/// Threads: a case waits for timers more than it works.
const THREADS: usize = 8;
/// Failures that are told.
const TOLD: usize = 30;

/// What is played, on which ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Play {
    Plain,
    Rotations,
    Prunings,
}

const PLAYS: [Play; 3] = [Play::Plain, Play::Rotations, Play::Prunings];

impl Play {
    fn steps(self) -> &'static [Step] {
        use Step::{Append, Close, Leave, Open, Prune, Publish, Rotate};
        match self {
            Self::Plain => &[
                Open,
                Append(1),
                Publish,
                Append(12),
                Publish,
                Append(3),
                Leave,
                Open,
                Append(2),
                Close,
                Open,
                Append(1),
                Publish,
                Append(2),
                Leave,
            ],
            Self::Rotations => &[
                Open,
                Append(2),
                Rotate,
                Append(3),
                Publish,
                Close,
                Open,
                Append(2),
                Rotate,
                Append(1),
                Leave,
                Open,
                Append(1),
                Publish,
                Close,
            ],
            Self::Prunings => &[
                Open,
                Append(4),
                Publish,
                Prune(300),
                Append(1),
                Leave,
                Open,
                Append(2),
                Prune(512),
                Append(1),
                Close,
            ],
        }
    }

    fn run(self, plan: Plan) -> Run {
        let mut run = match self {
            Self::Plain | Self::Rotations => Run::new(Machine::new(plan)),
            Self::Prunings => {
                let grown = grown();
                grown.on(Machine::with(grown.machine.files(), plan))
            }
        };
        run.second_guard = self == Self::Rotations;
        run
    }

    /// From where on entries are read; those before were there before anything went wrong.
    fn from(self) -> u64 {
        match self {
            Self::Plain | Self::Rotations => 0,
            Self::Prunings => 505,
        }
    }
}

/// A ledger of 510 published entries.
fn grown() -> &'static Run {
    static GROWN: OnceLock<Run> = OnceLock::new();
    GROWN.get_or_init(|| {
        let mut run = Run::new(Machine::new(Plan::new(&[], Chance::new(0))));
        let steps = [Step::Open, Step::Append(510), Step::Close];
        // Another runtime than the caller's, which is at work.
        let thread = std::thread::spawn(move || {
            runtime().block_on(run.go(&steps)).unwrap();
            run.machine.lose_power(&mut Chance::new(0));
            run
        });
        thread.join().unwrap()
    })
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

#[derive(Debug, Clone)]
struct Case {
    play: Play,
    planned: Vec<Planned>,
    seed: u64,
}

impl Case {
    /// Gives which faults came.
    async fn play(&self) -> Result<Vec<(Fault, Kind)>, String> {
        let mut chance = Chance::new(self.seed);
        let plan = Plan::new(&self.planned, Chance::new(chance.next()));
        let mut run = self.play.run(plan);
        let steps = self.play.steps();
        run.go(steps).await?;
        for _ in 0..self.planned.len() {
            end_process(&mut run, &mut chance)?;
            run.go(&[Step::Open]).await?;
            if run.is_dead() {
                continue;
            }
            run.machine.inside().plan.held = true;
            let kept = judge::kept(&run, self.play.from()).await;
            run.machine.inside().plan.held = false;
            kept.map_err(|error| format!("opened again: {error}"))?;
            // Or the next crash comes right after the repair.
            if !chance.one_in(3) {
                run.go(&[Step::Append(2), Step::Publish]).await?;
            }
        }
        let came = run.machine.inside().plan.came.clone();
        run.machine.inside().plan.calm();
        // What was promised to a process that came after the fault survives the next crash too.
        end_process(&mut run, &mut chance)?;
        run.leave();
        run.machine.lose_power(&mut chance);
        look(&run, "after the second crash")?;
        run.go(&[Step::Open]).await?;
        judge::kept(&run, self.play.from()).await?;
        run.go(&[Step::Append(1), Step::Close]).await?;
        run.machine.lose_power(&mut chance);
        look(&run, "after a clean stop")?;
        run.go(&[Step::Open]).await?;
        judge::kept(&run, self.play.from()).await?;
        Ok(came)
    }
}

/// Ends the process as the faults have it, or as chance has it.
fn end_process(run: &mut Run, chance: &mut Chance) -> Result<(), String> {
    let last = run.machine.inside().plan.came.last().copied();
    let dead = run.is_dead();
    match last {
        Some((Fault::Power | Fault::PowerInSync, _)) if dead => {
            run.leave();
            run.machine.lose_power(chance);
        }
        Some((Fault::Kill, _)) if dead => {
            run.leave();
            run.machine.kill();
        }
        _ if chance.one_in(2) => {
            run.machine.kill();
            run.leave();
            run.machine.lose_power(chance);
        }
        _ => run.leave(),
    }
    look(run, "before it is opened again")
}

fn look(run: &Run, when: &str) -> Result<(), String> {
    judge::verified(run).map_err(|error| format!("{when}: {error}"))
}

/// How many operations each fault fits in a run without any.
fn operations(play: Play) -> Vec<(Fault, u64)> {
    let mut run = play.run(Plan::new(&[], Chance::new(0)));
    runtime().block_on(run.go(play.steps())).unwrap();
    run.leave();
    run.machine.inside().plan.counted.clone()
}

/// Every fault at every operation.
fn singles(chance: &mut Chance) -> Vec<Case> {
    let mut cases = Vec::new();
    for play in PLAYS {
        for (fault, count) in operations(play) {
            // What a sync leaves when it is cut short has many forms.
            let times = if fault == Fault::PowerInSync { 3 } else { 1 };
            for at in (0..count).cycle().take((count * times) as usize) {
                let planned = vec![Planned { fault, at }];
                let seed = chance.next();
                cases.push(Case {
                    play,
                    planned,
                    seed,
                });
            }
        }
    }
    cases
}

/// One to three faults where chance puts them.
fn drawn(chance: &mut Chance, reach: &BTreeMap<(Play, Fault), u64>) -> Case {
    let play = PLAYS[chance.below(10).saturating_sub(7) as usize];
    let count = [1, 2, 2, 2, 3][chance.below(5) as usize];
    let planned = (0..count).map(|_| {
        let fault = Fault::ALL[chance.below(9) as usize];
        let at = chance.below(reach[&(play, fault)] * 5 / 4);
        Planned { fault, at }
    });
    Case {
        play,
        planned: planned.collect(),
        seed: chance.next(),
    }
}

fn try_all(cases: &[Case]) -> (u64, BTreeMap<(Fault, Kind), u64>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let told = Mutex::new((0, BTreeMap::new(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let runtime = runtime();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(case.play())));
                    let played = played.unwrap_or_else(|_| Err("it panicked".to_owned()));
                    let mut told = told.lock().unwrap();
                    match played {
                        Ok(came) => {
                            told.0 += u64::from(!came.is_empty());
                            for pair in came {
                                *told.1.entry(pair).or_insert(0) += 1;
                            }
                        }
                        Err(error) => told.2.push(format!("{case:?}: {error}")),
                    }
                }
            });
        }
    });
    told.into_inner().unwrap()
}

#[test]
fn whatever_fails_or_crashes_acknowledged_entries_stay_and_one_history_is_signed() {
    let seed = setting("COUNTERSIGN_SEED", 1);
    let wanted = setting("COUNTERSIGN_CRASH_CASES", CASES) as usize;
    let mut chance = Chance::new(seed);
    let reach = PLAYS
        .into_iter()
        .flat_map(|play| {
            let counts = operations(play).into_iter();
            counts.map(move |(fault, count)| ((play, fault), count))
        })
        .collect();
    let mut cases = singles(&mut chance);
    let singles = cases.len();
    while cases.len() < wanted {
        cases.push(drawn(&mut chance, &reach));
    }
    let (came, kinds, failures) = try_all(&cases);
    println!(
        "seed {seed}: {} cases, {singles} with every fault at every operation",
        cases.len()
    );
    println!("a fault came in {came} of them, by kind and operation: {kinds:?}");
    for failure in failures.iter().take(TOLD) {
        println!("{failure}");
    }
    assert_eq!(failures.len(), 0, "of {} cases", cases.len());
    assert!(
        came * 10 > cases.len() as u64 * 8,
        "too many faults never came"
    );
}
