//! What the documents say is what the program does.

mod book;
mod figures;
mod metrics;
mod predictions;
mod published;
mod regression_testing;
mod review;
mod shapes;
mod tutorial;
mod validation;
