//! Version and build of the program.

/// Version of the program, as results name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version and build, on two lines.
pub const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nbuild ", env!("APFSIM_BUILD"));

/// The build of the program: a hash over the sources that decide results, 32 hexadecimal digits.
/// Stored runs of another build are not believed.
pub const BUILD: &str = env!("APFSIM_BUILD");
