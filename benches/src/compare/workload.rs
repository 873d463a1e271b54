//! The table of workloads: what each does, how large it is, and what is measured.

use serde::{Deserialize, Serialize};

/// How large a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Actors that take part.
    pub actors: u64,
    /// Messages (round trips, hops, ..) altogether, or for each actor: see [`Workload::about`].
    pub messages: u64,
}

const fn size(actors: u64, messages: u64) -> Size {
    Size { actors, messages }
}

/// What a workload's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Bytes => "bytes",
        }
    }
}

macro_rules! workloads {
    ($($variant:ident $name:literal $unit:ident per $per:literal, $about:literal, bound $bound:expr,
       $sizes:expr, short $short:expr;)*) => {
        /// One thing to measure. Each peer does it as its authors advise, and checks its own answer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Workload {
            $(#[doc = $about] $variant,)*
        }

        impl Workload {
            /// All of them, in the order in which they are run and shown.
            pub const ALL: &[Workload] = &[$(Workload::$variant),*];

            /// Its name on the command line and in tables.
            pub fn name(self) -> &'static str {
                match self { $(Workload::$variant => $name),* }
            }

            /// What is done, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Workload::$variant => $about),* }
            }

            /// What the value is.
            pub fn unit(self) -> Unit {
                match self { $(Workload::$variant => Unit::$unit),* }
            }

            /// What the value is divided by.
            pub fn per(self) -> &'static str {
                match self { $(Workload::$variant => $per),* }
            }

            /// The bound of the mailbox that messages pile up in. `None`: it has none.
            pub fn bound(self) -> Option<usize> {
                match self { $(Workload::$variant => $bound),* }
            }

            /// The sizes, the last of which is the one in the table; several make a plot.
            pub fn sizes(self, short: bool) -> &'static [Size] {
                match self { $(Workload::$variant => if short { const { $short } } else { const { $sizes } }),* }
            }
        }
    };
}

const POPULATIONS: &[Size] = &[
    size(1_000, 0),
    size(10_000, 0),
    size(100_000, 0),
    size(1_000_000, 0),
];
const FEW: &[Size] = &[size(1_000, 0), size(2_000, 0)];

workloads! {
    Spawn "spawn" Nanoseconds per "actor",
        "Actors are created until each is in service, stay idle, and are stopped until each is gone.",
        bound None, POPULATIONS, short FEW;
    IdleMemory "idle_memory" Bytes per "actor",
        "What an idle actor occupies, with the address of it that its creator holds.",
        bound None, POPULATIONS, short FEW;
    PingPong "ping_pong" Nanoseconds per "round trip",
        "Two actors send one message to and fro.",
        bound None, &[size(2, 2_000_000)], short &[size(2, 2_000)];
    Counting "counting" Nanoseconds per "message",
        "One sender tells a counter a number of messages, then asks it how many came. Mailboxes have no bound.",
        bound None, &[size(2, 5_000_000)], short &[size(2, 5_000)];
    CountingBounded "counting_bounded" Nanoseconds per "message",
        "As `counting`, with a mailbox of 1,024 messages: the sender waits while it is full.",
        bound Some(1_024), &[size(2, 5_000_000)], short &[size(2, 5_000)];
    ManyToOne "many_to_one" Nanoseconds per "message",
        "Eight senders tell one counter. Mailboxes have no bound.",
        bound None, &[size(8, 4_000_000)], short &[size(8, 4_000)];
    ManyToOneBounded "many_to_one_bounded" Nanoseconds per "message",
        "As `many_to_one`, with a mailbox of 1,024 messages.",
        bound Some(1_024), &[size(8, 4_000_000)], short &[size(8, 4_000)];
    Ask "ask" Nanoseconds per "ask",
        "One actor asks another, and waits for each answer.",
        bound None, &[size(2, 2_000_000)], short &[size(2, 2_000)];
    AskLoaded "ask_loaded" Nanoseconds per "ask",
        "A hundred actors ask one, each waiting for its answer; how long that takes is measured of one ask in seventeen.",
        bound None, &[size(100, 1_000_000)], short &[size(100, 2_000)];
    ThreadRing100 "thread_ring_100" Nanoseconds per "hop",
        "A token goes round in a ring of 100 actors.",
        bound None, &[size(100, 5_000_000)], short &[size(100, 5_000)];
    ThreadRing10k "thread_ring_10k" Nanoseconds per "hop",
        "A token goes round in a ring of 10,000 actors.",
        bound None, &[size(10_000, 5_000_000)], short &[size(1_000, 5_000)];
    ForkJoin "fork_join" Nanoseconds per "message",
        "One sender tells 10,000 actors 1,000 messages each, in turn, then asks each how many came. No bounds.",
        bound None, &[size(10_000, 1_000)], short &[size(100, 10)];
    ForkJoinBounded "fork_join_bounded" Nanoseconds per "message",
        "As `fork_join`, with mailboxes of 64 messages.",
        bound Some(64), &[size(10_000, 1_000)], short &[size(100, 10)];
    Skynet "skynet" Nanoseconds per "leaf",
        "An actor creates ten, and each of them ten, down to a million leaves; sums go back up.",
        bound None, &[size(1_000_000, 0)], short &[size(1_000, 0)];
    BlockedMemory "blocked_memory" Bytes per "stack",
        "What one occupies that is blocked in the midst of a function, on a stack.",
        bound None, POPULATIONS, short FEW;
    AskParallel "ask_parallel" Nanoseconds per "ask",
        "One actor asks sixteen others at once, and waits for all answers.",
        bound None, &[size(16, 1_600_000)], short &[size(16, 1_600)];
    Chameneos "chameneos" Nanoseconds per "meeting",
        "A hundred creatures meet in pairs at a mall, and change their colours.",
        bound None, &[size(100, 500_000)], short &[size(100, 500)];
    Big "big" Nanoseconds per "ping",
        "A hundred actors each ping others, one after the other, and wait for the pong, while they answer pings.",
        bound None, &[size(100, 1_000_000)], short &[size(100, 1_000)];
    BoundedBuffer "bounded_buffer" Nanoseconds per "item",
        "Ten producers and ten consumers wait at a buffer of 50 places.",
        bound Some(50), &[size(20, 500_000)], short &[size(20, 500)];
    BankTransaction "bank_transaction" Nanoseconds per "transfer",
        "A teller has accounts pay each other: one asks the other, and handles nothing else until it has the answer.",
        bound None, &[size(1_000, 300_000)], short &[size(1_000, 300)];
    DiningPhilosophers "dining_philosophers" Nanoseconds per "meal",
        "Twenty philosophers ask one arbiter for their forks, until they get them.",
        bound None, &[size(20, 200_000)], short &[size(20, 200)];
    SupervisedRestart "supervised_restart" Nanoseconds per "crash",
        "A supervised actor panics; until it answers again.",
        bound None, &[size(1, 10_000)], short &[size(1, 10)];
    EchoServer "echo_server" Nanoseconds per "echo",
        "2,000 connections over loopback send 64 bytes and wait for them; the load is the same program for all.",
        bound None, &[size(2_000, 200_000)], short &[size(50, 500)];
}

impl Workload {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Workload> {
        Workload::ALL.iter().copied().find(|it| it.name() == name)
    }
}
