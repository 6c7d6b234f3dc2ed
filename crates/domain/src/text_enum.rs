//! One way to write an enumeration that has a text for each value.

/// The text is none of an enumeration's values; written to stand after `field: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {0}")]
pub struct NotOneOf(
    /// The accepted values, separated by a comma and a space.
    pub String,
);

/// Declares an enumeration whose values have fixed texts, with `parse`, `as_str` and `ALL`.
#[macro_export]
#[doc(hidden)]
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// The value's text in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),* }
            }

            /// The value of a text, or a list of the accepted ones.
            pub fn parse(text: &str) -> Result<Self, $crate::text_enum::NotOneOf> {
                match text {
                    $($text => Ok(Self::$value),)*
                    _ => Err($crate::text_enum::NotOneOf([$($text),*].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
