//! The payload, as it is written and read. The table is in the [module above](super).

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::traits::Snapshot;
use crate::actor::{Actor, MissedTicks, Period};
use crate::image::Head;

/// What images of an `A` are called.
pub(super) fn name_of<A: Actor>() -> &'static str {
    let name = A::OPTIONS.type_name().unwrap_or(std::any::type_name::<A>());
    &name[..name.floor_char_boundary(Head::MAX_NAME)]
}

/// A state, to be written.
pub(super) struct State<'a, A>(pub(super) &'a A);

impl<A: Snapshot> Serialize for State<'_, A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.save(to)
    }
}

/// Lanes, as the payload numbers them.
pub(super) const URGENT: u8 = 0;
pub(super) const QUEUE: u8 = 1;
pub(super) const STASH: u8 = 2;

/// Which lane, and which place in it.
pub(super) type Place = (u8, u32);

#[derive(Serialize)]
#[serde(bound = "A: Snapshot")]
pub(super) struct Written<'a, A: Snapshot> {
    pub(super) state: State<'a, A>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) urgent: Vec<&'a A::Msg>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) queue: Vec<&'a A::Msg>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stash: Vec<&'a A::Msg>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) timers: Vec<Timer<&'a A::Msg>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) asks: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Role<&'a str>>,
}

#[derive(Deserialize)]
#[serde(bound = "S: Deserialize<'de>, M: Deserialize<'de>")]
pub(super) struct Read<S, M> {
    pub(super) state: S,
    #[serde(default = "Vec::new")]
    pub(super) urgent: Vec<M>,
    #[serde(default = "Vec::new")]
    pub(super) queue: Vec<M>,
    #[serde(default = "Vec::new")]
    pub(super) stash: Vec<M>,
    #[serde(default = "Vec::new")]
    pub(super) timers: Vec<Timer<M>>,
    #[serde(default)]
    pub(super) asks: Vec<Place>,
    #[serde(default)]
    pub(super) names: Vec<String>,
    #[serde(default)]
    pub(super) role: Option<Role<String>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Timer<M> {
    left: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    missed: Option<Missed>,
    pub(super) msg: M,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Missed {
    Skip,
    Delay,
    Burst,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Role<T> {
    pub(super) child: T,
    pub(super) restart: T,
}

impl<M> Timer<M> {
    pub(super) fn new(left: Duration, period: Option<Period>, msg: M) -> Self {
        let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        Timer {
            left: nanos(left),
            every: period.map(|it| nanos(it.period)),
            missed: period.map(|it| match it.missed {
                MissedTicks::Skip => Missed::Skip,
                MissedTicks::Delay => Missed::Delay,
                MissedTicks::Burst => Missed::Burst,
            }),
            msg,
        }
    }

    pub(super) fn left(&self) -> Duration {
        Duration::from_nanos(self.left)
    }

    /// `None` as well if it is zero, which no timer's is.
    pub(super) fn period(&self) -> Option<Period> {
        let every = self.every.filter(|every| *every > 0)?;
        let missed = match self.missed {
            None | Some(Missed::Skip) => MissedTicks::Skip,
            Some(Missed::Delay) => MissedTicks::Delay,
            Some(Missed::Burst) => MissedTicks::Burst,
        };
        Some(Period::new(Duration::from_nanos(every)).missed(missed))
    }
}

/// Names as the registry has them.
pub(super) fn names(read: &[String]) -> Vec<Arc<str>> {
    read.iter().map(|name| Arc::from(&**name)).collect()
}
