//! The single-leader specimen as nodes and clients over TCP, inside this process. One module per claim.

mod catching_up;
mod cluster;
mod crashes;
mod failover;
mod operations;
mod reads;
mod synchronous;
