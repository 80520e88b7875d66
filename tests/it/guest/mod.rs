//! A measured guest against its simulation.

mod lab;
mod lessons;
mod measured;
