//! Small macros of this layer.

/// Runs one expression on the connection's backend. For what Diesel's derived multi-connection
/// can't express: `RETURNING`, `ON CONFLICT`, multi-row inserts, row locks.
macro_rules! on_backend {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::DbConnection::Postgres($c) => $body,
            $crate::store::DbConnection::Sqlite($c) => $body,
        }
    };
}

/// An enum that the database keeps as text.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The text that the database and the API use.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }

            /// Parses the text; `None` if there is no such value.
            pub fn parse(text: &str) -> Option<$name> {
                match text {
                    $($text => Some($name::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<DB> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, DB>,
            ) -> diesel::serialize::Result {
                self.as_str().to_sql(out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let text = String::from_sql(bytes)?;
                $name::parse(&text).ok_or_else(|| {
                    format!("`{text}` is not a valid {}", stringify!($name)).into()
                })
            }
        }
    };
}

/// The columns of a part's totals and their values, for an insert or an update.
macro_rules! totals_set {
    ($totals:expr) => {{
        let totals = $totals;
        (
            run_part::selected.eq(totals.selected),
            run_part::copied.eq(totals.copied),
            run_part::updated.eq(totals.updated),
            run_part::skipped.eq(totals.skipped),
            run_part::deleted.eq(totals.deleted),
            run_part::blocked.eq(totals.blocked),
            run_part::failed.eq(totals.failed),
            run_part::bytes.eq(totals.bytes),
            run_part::blobs_copied.eq(totals.blobs_copied),
            run_part::blobs_mounted.eq(totals.blobs_mounted),
            run_part::warnings.eq(totals.warnings),
        )
    }};
}
