//! A measured guest against its simulation.

mod compressed;
mod lab;
mod lessons;
mod measured;
mod two_vms;
mod userfault;
