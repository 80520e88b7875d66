//! `apfsim check` on logs of real kernels, of tools and of runs.

mod binary;
mod forms;
mod hosts;
mod recorded;
mod scripts;
mod tools;
mod userfaultfd;
