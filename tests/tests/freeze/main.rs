//! Functions that are frozen where they wait, and continued.
//!
//! Each program is run uncut, then cut at each of its suspension points in turn, then at all of them: everything that takes
//! part is made an image of, dropped, and made again from it. The outcomes must be the same.

mod accepts;
mod asks;
mod choices;
mod cuts;
mod drops;
mod durable;
mod golden;
mod guide;
mod images;
mod killed;
mod local;
mod moves;
mod ordinary;
mod processes;
mod programs;
mod tasks;
mod turns;
