//! Things that move between nodes.

mod actors;
mod cuts;
mod functions;
mod golden;
mod left_behind;
mod listeners;
mod nodes;
mod on_move;
mod room;
mod saves;
mod ways;
