//! Values of options that have a form of their own.
//!
//! - [`count`]: numbers that can be unset; [`referrer_words`]: types of referrers.

pub mod count;
pub mod referrer_words;
