//! Parses arguments and starts the role.
fn main() {}
