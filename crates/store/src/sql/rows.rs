//! Row types, read by column name from either engine.

use killick_model::digest::Digest;

/// How a field is kept in a column.
pub(crate) trait Column: Sized {
    /// The type the driver decodes.
    type Stored;
    /// Reads the field, or says why the column is wrong.
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::error::BoxDynError>;
}

macro_rules! plain_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            type Stored = Self;
            fn from_stored(stored: Self) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(stored)
            }
        }
    )*};
}
plain_columns!(String, i64, bool, Vec<u8>);

impl Column for Digest {
    type Stored = String;
    fn from_stored(stored: String) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(stored.parse::<Self>()?)
    }
}

impl<T: Column> Column for Option<T> {
    type Stored = Option<T::Stored>;
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::error::BoxDynError> {
        stored.map(T::from_stored).transpose()
    }
}

/// Declares a row type and reads it, by column name, from either engine.
macro_rules! row {
    ($(#[$meta:meta])* $visible:vis struct $name:ident { $($(#[$field_meta:meta])* $seen:vis $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $visible struct $name { $($(#[$field_meta])* $seen $field: $type,)* }
        row!(@engine sqlx::sqlite::SqliteRow, $name, $($field: $type),*);
        row!(@engine sqlx::postgres::PgRow, $name, $($field: $type),*);
    };
    (@engine $row:ty, $name:ident, $($field:ident: $type:ty),*) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                $(
                    let stored: <$type as $crate::sql::Column>::Stored =
                        sqlx::Row::try_get(row, stringify!($field).trim_start_matches("r#"))?;
                    let $field = <$type as $crate::sql::Column>::from_stored(stored).map_err(|source| {
                        sqlx::Error::ColumnDecode { index: stringify!($field).to_owned(), source }
                    })?;
                )*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Declares an enum kept as text.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// The stored word, which is also the one of the v1 API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of a word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::sql::Column for $name {
            type Stored = String;
            fn from_stored(stored: String) -> std::result::Result<Self, sqlx::error::BoxDynError> {
                Self::parse(&stored).ok_or_else(|| format!("unknown word `{stored}`").into())
            }
        }
    };
}
