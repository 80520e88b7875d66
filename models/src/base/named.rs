//! Enums whose values have words: one declaration holds what a scenario file may say, what it means,
//! what the published schema says of it, and what goes into the hash of a scenario.

/// An enum each of whose values has a word of its own.
pub trait Named: Copy + 'static {
    /// All values, in the order of their declaration.
    const ALL: &'static [Self];

    /// The word used in files, tables and hashes.
    fn word(self) -> &'static str;
}

/// Declares enums with the words of their values. The docs become the descriptions of the schema.
macro_rules! named {
    ($(
        $(#[$($meta:tt)*])*
        $name:ident { $($(#[$($vmeta:tt)*])* $variant:ident => $word:literal,)* }
    )*) => {$(
        $(#[$($meta)*])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize,
            schemars::JsonSchema,
        )]
        pub enum $name { $($(#[$($vmeta)*])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// The word used in files, tables and hashes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::base::named::Named for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn word(self) -> &'static str { self.name() }
        }
    )*};
}
pub(crate) use named;
