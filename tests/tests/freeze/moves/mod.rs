//! Things that move between nodes.

mod actors;
mod cuts;
mod functions;
mod listeners;
mod nodes;
mod saves;
mod ways;
