//! Setting a mechanism by name.

use std::fmt;

use super::mechanism::{Mechanism, Rules, Setting};
use super::token::{TokenRule, bits, vcpu_number};

/// Names that set a part of a mechanism.
pub const PARTS: [&str; 3] = ["token_id_bits", "token_vcpu_bits", "token_first_vcpu"];

/// Why a mechanism cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is none of that name.
    Mechanism {
        /// The name.
        name: String,
    },
    /// It has no such value.
    Value {
        /// Its name.
        name: &'static str,
        /// What it was to be set to.
        value: String,
        /// The values there are; none where it is a number.
        valid: Vec<String>,
        /// What a value looks like, where they are not listed.
        form: &'static str,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mechanism { name } => write!(f, "there is no mechanism `{name}`"),
            Self::Value { name, value, .. } => write!(f, "`{name}` cannot be `{value}`"),
        }
    }
}

impl std::error::Error for SetError {}

impl Rules {
    /// Gives a mechanism, or a part of it, the value that is written so.
    ///
    /// # Errors
    /// When there is no such mechanism, or when it cannot have that value. Whether they can
    /// be combined is asked by [`Rules::incompatible`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SetError> {
        if let Some(part) = PARTS.into_iter().find(|part| *part == name) {
            return self.set_token_part(part, value);
        }
        let mechanism = Mechanism::ALL.iter().copied().find(|known| known.name() == name);
        let mechanism = mechanism.ok_or_else(|| SetError::Mechanism { name: name.to_owned() })?;
        let setting = mechanism.read(value).ok_or_else(|| SetError::Value {
            name: mechanism.name(),
            value: value.to_owned(),
            valid: mechanism.values().iter().map(Setting::to_string).collect(),
            form: form(mechanism),
        })?;
        setting.apply(self);
        Ok(())
    }

    fn set_token_part(&mut self, name: &'static str, value: &str) -> Result<(), SetError> {
        let token = self.token;
        let (changed, form) = match name {
            "token_id_bits" => (
                bits(value, 31).map(|id_bits| TokenRule { id_bits, ..token }),
                "a number of bits from 1 to 31",
            ),
            "token_vcpu_bits" => (
                bits(value, 16).map(|vcpu_bits| TokenRule { vcpu_bits, ..token }),
                "a number of bits from 1 to 16",
            ),
            _ => (
                vcpu_number(value).map(|first_vcpu| TokenRule { first_vcpu, ..token }),
                "the number of a vCPU, 0 to 16383",
            ),
        };
        let error = || SetError::Value { name, value: value.to_owned(), valid: Vec::new(), form };
        self.token = changed.ok_or_else(error)?;
        Ok(())
    }
}

/// What a value looks like that is a number.
const fn form(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Cap => "a whole number from 1 to 65536",
        Mechanism::Ring => "a power of two from 1 to 128",
        Mechanism::Token => "bits of the counter and of the vCPU's number, such as `id:20 vcpu:12`",
        _ => "one of the values listed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::{Announce, Workers, generation, generations};

    fn rules() -> Rules {
        generation("v7-2010").expect("a known generation")
    }

    #[test]
    fn every_value_of_every_generation_is_read_as_it_is_written() {
        for generation in generations() {
            let rules = generation.rules();
            for &mechanism in Mechanism::ALL {
                let setting = rules.get(mechanism);
                assert_eq!(mechanism.read(&setting.to_string()), Some(setting), "{setting}");
            }
        }
    }

    #[test]
    fn listed_values_are_read_as_they_are_written() {
        for &mechanism in Mechanism::ALL {
            for setting in mechanism.values() {
                assert_eq!(mechanism.read(&setting.to_string()), Some(setting));
                assert_eq!(setting.mechanism(), mechanism);
            }
        }
    }

    #[test]
    fn mechanisms_are_set_by_name() {
        let mut rules = rules();
        for (name, value) in [
            ("cap", "16"),
            ("announce", "at-entry-if-missing"),
            ("workers", "four-threads"),
            ("token_id_bits", "4"),
            ("wake_all_on_enable", "false"),
        ] {
            rules.set(name, value).expect("a valid setting");
        }
        assert_eq!((rules.cap, rules.announce), (16, Announce::AtEntryIfMissing));
        assert_eq!(rules.workers, Workers::FourThreads);
        assert_eq!(rules.token, TokenRule { id_bits: 4, vcpu_bits: 12, first_vcpu: 0 });
        assert!(!rules.wake_all_on_enable);
        rules.set("token", "id:16 vcpu:16").expect("a valid setting");
        assert_eq!(rules.token, TokenRule { id_bits: 16, vcpu_bits: 16, first_vcpu: 0 });
        rules.set("token_first_vcpu", "4095").expect("a valid setting");
        let token = TokenRule { id_bits: 16, vcpu_bits: 16, first_vcpu: 4095 };
        assert_eq!(rules.token, token);
        rules.set("token_vcpu_bits", "8").expect("a valid setting");
        assert_eq!(rules.token, TokenRule { vcpu_bits: 8, ..token });
        rules.set("token", "id:20 vcpu:12").expect("a valid setting");
        rules.set("token", &token.to_string()).expect("read as it is written");
        assert_eq!(rules.token, token);
    }

    #[test]
    fn what_cannot_be_set_is_told() {
        let told = |name: &str, value: &str| match rules().set(name, value) {
            Ok(()) => panic!("{name}={value} was set"),
            Err(error) => error,
        };
        assert_eq!(told("caps", "1").to_string(), "there is no mechanism `caps`");
        for (name, value) in [
            ("cap", "0"),
            ("cap", "65537"),
            ("token", "20"),
            ("token_id_bits", "0"),
            ("token_vcpu_bits", "17"),
            ("token_first_vcpu", "16384"),
        ] {
            let error = told(name, value);
            assert_eq!(error.to_string(), format!("`{name}` cannot be `{value}`"));
            assert!(matches!(error, SetError::Value { valid, form, .. }
                if valid.is_empty() && !form.is_empty()));
        }
        for (name, expected) in [
            ("cap", "a whole number from 1 to 65536"),
            ("token", "bits of the counter and of the vCPU's number, such as `id:20 vcpu:12`"),
            ("token_id_bits", "a number of bits from 1 to 31"),
            ("token_vcpu_bits", "a number of bits from 1 to 16"),
            ("kick", "one of the values listed"),
        ] {
            let SetError::Value { form, .. } = told(name, "nothing") else { panic!("{name}") };
            assert_eq!(form, expected, "{name}");
        }
        let error = told("kick", "everybody");
        assert!(matches!(error, SetError::Value { valid, .. }
            if valid == ["wake-blocked-only", "request-and-kick"]));
    }
}
