//! The data files of devices and guest kernels, and how built-in data is read.

pub(super) const DEVICES: &str = include_str!("data/devices.json");
pub(super) const COMPRESSORS: &str = include_str!("data/compressors.json");
pub(super) const GUEST_KERNELS: &str = include_str!("data/guest-kernels.json");

/// Built-in data is checked by a test; a broken file is a mistake of ours, not of a user.
pub(super) fn builtin<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("built-in preset {what} is broken: {error}"),
    }
}
