//! Enums of which each variant has one stable word, in JSON, in the database or in the configuration.

/// Declares the enum with `ALL`, its word (`as_str`, or the method that is named) and `parse`.
macro_rules! string_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($body:tt)* }) => {
        $crate::domain::string_enum! { $(#[$meta])* $vis enum $name, word as_str { $($body)* } }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident, word $word:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every variant, in the order of their declaration.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            #[must_use]
            pub const fn $word(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The variant with this word; `None` if there is none.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|variant| variant.$word() == word)
            }
        }
    };
}
pub(crate) use string_enum;
