//! Moving what runs from one node to another.

mod handover;
