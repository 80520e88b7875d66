//! All tests of this crate's public side in one program, as linking one for each file takes longer
//! than running most of them. `cargo test -p models --test it machine::closed_form` runs one module.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apf;
mod explore;
mod machine;
mod monitors;
