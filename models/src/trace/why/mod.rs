//! Why a request or a fault took so long: what it waited for when, and who held that.
//!
//! The links of a [`Chain`] are the stretches of a request as [`requests`](super::requests) has them; where it
//! waits for a page of its own they are those of the fault as [`anatomy`](super::anatomy) has them. So they add
//! up to the latency to the picosecond. What is new is who is behind each link, from the [`Scene`].

mod cause;
mod chain;
mod scene;

pub use self::cause::{Cause, Doing};
pub use self::chain::{Chain, Link, of_fault, of_request};
pub use self::scene::{Reclaimed, Scene, SceneLog};
