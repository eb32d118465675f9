//! taskomatic
