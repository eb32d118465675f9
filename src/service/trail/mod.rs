//! What is known afterwards: [`audit`] (who did what), [`statistics`] (numbers for dashboards), [`notification`]
//! (what people are told of runs).

pub mod audit;
pub mod notification;
pub mod statistics;
