//! The fields of a kind of device in both forms: whole, and as changes to a preset.

/// Declares the fields of a kind once. In the whole description those under `optional` may be left
/// out; in changes to a preset all may.
macro_rules! fields {
    (
        $(#[$meta:meta])*
        $whole:ident, $changes:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }
        optional { $($(#[$may:meta])* $default:ident: $default_type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, expecting = "an object that describes a device")]
        pub struct $whole {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$may])* pub $default: Option<$default_type>,)*
        }

        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, expecting = "an object that describes a device")]
        pub struct $changes {
            $($(#[$doc])* pub $field: Option<$type>,)*
            $($(#[$may])* pub $default: Option<$default_type>,)*
        }

        impl From<$whole> for $changes {
            fn from(whole: $whole) -> Self {
                Self { $($field: Some(whole.$field),)* $($default: whole.$default,)* }
            }
        }
    };
}
pub(super) use fields;
