//! One attack, and what becomes of it before each auditor.

use std::{fs, path::Path};

use countersign_ledger::{
    verify::{Fault, verify},
    witness::NotWitnessed,
};

use crate::{
    controls::{self, Change, Hand, HashChain, PlainLog},
    world::{Knowledge, World},
};

/// What the attacker has besides write access to every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Nothing.
    Files,
    /// A key of their own.
    OtherKey,
    /// The ledger's current private key.
    StolenKey,
}

/// What the verifier says of history that differs from what an auditor holds a checkpoint of.
pub(crate) const HISTORY: &str = "older checkpoint";

/// An attack on the honest ledger.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) power: Power,
    act: fn(&World, &Path),
    /// What the auditor is given: the data directory, or a part of it.
    target: &'static str,
    /// The least knowledge that must detect it; `None` when nothing listed can.
    pub(crate) needs: Option<Knowledge>,
    /// The attacked place, as a fault must name it; one of these.
    places: &'static [&'static str],
    /// Whether a checkpoint in it is cosigned although nobody else can tell what was done.
    cosigned: bool,
    control: Option<(Hand, Change)>,
    pub(crate) remark: &'static str,
}

impl Attack {
    pub(crate) fn new(name: &'static str, power: Power, act: fn(&World, &Path)) -> Self {
        Self {
            name,
            power,
            act,
            target: "",
            needs: None,
            places: &[],
            cosigned: true,
            control: None,
            remark: "",
        }
    }

    /// The auditor is given only this part of the directory.
    pub(crate) fn on(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    /// The key alone must detect it, at one of these places.
    pub(crate) fn found_at(mut self, places: &'static [&'static str]) -> Self {
        self.needs = Some(Knowledge::Key);
        self.places = places;
        self
    }

    /// An auditor who holds this must detect that history has changed; the attacker gets no
    /// cosignature for it.
    pub(crate) fn found_with(mut self, knowledge: Knowledge) -> Self {
        self.needs = Some(knowledge);
        self.places = &[HISTORY];
        self.not_cosigned()
    }

    /// Whoever demands a cosignature detects it.
    pub(crate) fn not_cosigned(mut self) -> Self {
        self.cosigned = false;
        self
    }

    /// What is shown was cosigned at its time.
    pub(crate) fn cosigned(mut self) -> Self {
        self.cosigned = true;
        self
    }

    /// The same attack on the controls.
    pub(crate) fn control(mut self, hand: Hand, change: Change) -> Self {
        self.control = Some((hand, change));
        self
    }

    /// What the table has to explain.
    pub(crate) fn remark(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }

    /// Attacks a copy of the honest ledger and asks every auditor.
    pub(crate) fn run(&self, world: &World) -> Row {
        let dir = world.copy();
        (self.act)(world, dir.path());
        if self.power == Power::StolenKey {
            // Whoever signs a checkpoint can ask for a cosignature as well.
            world.cosigner.clone().ask(dir.path());
        }
        let target = dir.path().join(self.target);
        let answers = Knowledge::ALL.map(|knowledge| {
            let since = world.since(knowledge);
            let found = verify(&target, world.name(), since.as_ref()).unwrap();
            Answer::of(&found.faults, self.places)
        });
        let control = |(hand, change)| {
            [
                controls::judge::<PlainLog>(hand, change),
                controls::judge::<HashChain>(hand, change),
            ]
        };
        Row {
            name: self.name,
            power: self.power,
            needs: self.needs,
            demanding: demand_cosignature(world, &target, &answers[0]),
            cosigned: self.cosigned,
            answers,
            controls: self.control.map(control),
            remark: self.remark,
        }
    }
}

/// What an auditor says who holds the key, and the witness's key.
fn demand_cosignature(world: &World, target: &Path, with_key: &Answer) -> Answer {
    let names = ["ledger/checkpoint", "checkpoint"];
    let note = names.map(|name| fs::read_to_string(target.join(name)).ok());
    let Some(note) = note
        .into_iter()
        .flatten()
        .next()
        .filter(|_| !with_key.detected())
    else {
        return with_key.clone();
    };
    let said = match world.cosigner.policy().open(&note) {
        Ok(_) => return Answer::Clean,
        Err(NotWitnessed::NoQuorum(_)) => "no cosignature",
        Err(NotWitnessed::Cosignature(_)) => "bad cosignature",
        Err(NotWitnessed::Log(_)) => "no signature of the known key",
    };
    Answer::Fault {
        said: format!("{said} in `ledger/checkpoint`"),
        located: true,
    }
}

/// What one auditor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Clean,
    Fault {
        /// The first fault that names the attacked place, else the first fault.
        said: String,
        /// Whether it names the attacked place.
        located: bool,
    },
}

impl Answer {
    pub(crate) fn of(faults: &[Fault], places: &[&str]) -> Self {
        let at = faults.iter().find(|f| places.contains(&place(f)));
        match at.or(faults.first()) {
            None => Self::Clean,
            Some(fault) => Self::Fault {
                said: format!("{} at `{}`", fault.kind, place(fault)),
                located: at.is_some(),
            },
        }
    }

    pub(crate) fn detected(&self) -> bool {
        *self != Self::Clean
    }
}

/// Where a fault is, without the byte offset.
pub(crate) fn place(fault: &Fault) -> &str {
    fault
        .place
        .split_once(" byte ")
        .map_or(fault.place.as_str(), |(place, _)| place)
}

/// An attack and its answers.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) power: Power,
    pub(crate) needs: Option<Knowledge>,
    /// In the order of [`Knowledge::ALL`].
    pub(crate) answers: [Answer; 4],
    /// Of the auditor who demands a cosignature.
    pub(crate) demanding: Answer,
    /// Whether it bears a cosignature although nobody else can tell what was done.
    pub(crate) cosigned: bool,
    /// The plain log and the hash chain, where the attack has a counterpart there.
    pub(crate) controls: Option<[[Option<usize>; 4]; 2]>,
    pub(crate) remark: &'static str,
}

impl Row {
    /// The bar: detected and located exactly from the stated knowledge on, and never silently
    /// undetectable.
    pub(crate) fn holds(&self) {
        for (knowledge, answer) in Knowledge::ALL.into_iter().zip(&self.answers) {
            let due = self.needs.is_some_and(|needs| knowledge >= needs);
            assert_eq!(
                answer.detected(),
                due,
                "{}, {knowledge:?}: {answer:?}",
                self.name
            );
            if let Answer::Fault { located, said } = answer {
                assert!(located, "{}, {knowledge:?}: only {said}", self.name);
            }
        }
        let due = self.needs == Some(Knowledge::Key) || !self.cosigned;
        assert_eq!(self.demanding.detected(), due, "{}", self.name);
        assert!(
            self.needs.is_some() || !self.remark.is_empty(),
            "{}: what cannot be detected must be explained",
            self.name
        );
    }
}
