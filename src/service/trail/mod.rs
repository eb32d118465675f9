//! What is recorded and reported: [`audit`] (who did what), [`statistics`] (numbers for dashboards),
//! [`notification`] (messages about runs).

pub mod audit;
pub mod notification;
pub mod statistics;
