//! The whole way, through the real server: log in, stores, project, items, plan, run, results.

mod bodies;
mod cancel;
mod chaos;
mod clients;
mod clock;
mod commands;
mod commits;
mod events;
mod faults;
mod files;
mod flood;
mod image_sync;
mod listing;
mod many_tags;
mod mgrctl;
mod nodes;
mod notifications;
mod openapi;
mod retry;
mod scale;
mod schedules;
pub(crate) mod scripts;
mod server;
mod silence;
mod time_zone;
mod tls;
