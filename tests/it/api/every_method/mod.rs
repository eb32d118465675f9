//! Every method of the registry, on both wires: valid calls are accepted, everything else is refused
//! properly, and there are no other methods.
//!
//! - `values`: arguments.
//! - `world`: a server with every kind of object, and the rules for each answer.
//! - `walk`: each method works, and is documented everywhere; nothing else can be called.
//! - `bad_input`: wrong numbers of arguments, wrong types, empty and huge values.
//! - `breakage`: the database fails during a change.

mod bad_input;
mod breakage;
mod values;
mod walk;
mod world;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use dxr::Value;
use futures_util::FutureExt as _;
use registrysync::api::{Method, SessionUse, namespaces};
use serde_json::{Value as Json, json};

use values::{all_fitting, as_json};
use world::{Outcome, World};

use super::server::text;

/// A signature under test.
struct Subject<'m> {
    /// With namespace.
    name: String,
    method: &'m Method,
    fitting: Vec<Value>,
}

impl Subject<'_> {
    /// The valid arguments with another one at this position.
    fn with(&self, place: usize, other: Value) -> Vec<Value> {
        let mut args = self.fitting.clone();
        args[place] = other;
        args
    }

    /// Shortened, for a failure's message.
    fn shown(&self, wire: &str, args: &impl std::fmt::Debug) -> String {
        let args: String = format!("{args:?}").chars().take(300).collect();
        format!("{wire} {} {args}", self.name)
    }

    /// With the session key if one is needed.
    fn params(&self, world: &World, args: &[Value]) -> Vec<Value> {
        let session = self.method.session() == SessionUse::Always;
        let key = session.then(|| text(&world.key));
        key.into_iter().chain(args.iter().cloned()).collect()
    }

    async fn by_position(&self, world: &World, args: &[Value]) -> Outcome {
        let outcome = world.xml(&self.name, self.params(world, args)).await;
        let call = self.shown("xml", &args);
        world
            .judge(&call, self.method.is_read_only(), &outcome)
            .await;
        outcome
    }

    async fn by_name(&self, world: &World, args: &[Value]) -> Outcome {
        let names = self.method.parameters().iter().map(|p| p.name.to_owned());
        let body: BTreeMap<String, Json> = names.zip(args.iter().map(as_json)).collect();
        self.by_body(world, &json!(body).to_string()).await
    }

    async fn by_body(&self, world: &World, body: &str) -> Outcome {
        let reads = self.method.is_read_only();
        let verb = if reads { "GET" } else { "POST" };
        let path = self.name.replace('.', "/");
        let outcome = world.json(verb, &path, body).await;
        world
            .judge(&self.shown("json", &body), reads, &outcome)
            .await;
        outcome
    }

    /// On both wires; with PostgreSQL only on JSON, since the database doesn't know the wire.
    async fn both_ways(&self, world: &World, args: &[Value]) {
        if !world.is_postgres {
            self.by_position(world, args).await;
        }
        self.by_name(world, args).await;
    }
}

/// Calls `probe` with every signature of the `wanted` namespaces. A failing one doesn't hide the
/// others.
async fn sweep(
    world: &World,
    wanted: impl Fn(&str) -> bool,
    probe: impl AsyncFn(&World, &Subject<'_>),
) {
    let registry = namespaces::registry();
    let mut failed = Vec::new();
    for namespace in registry
        .catalog()
        .namespaces()
        .filter(|ns| wanted(ns.name()))
    {
        for method in namespace.methods() {
            let name = format!("{}.{}", namespace.name(), method.name());
            let fitting = all_fitting(world, &name, method);
            let subject = Subject {
                name,
                method,
                fitting,
            };
            let probed = AssertUnwindSafe(probe(world, &subject))
                .catch_unwind()
                .await;
            if probed.is_err() {
                failed.push(subject.name);
                world.restore().await;
            }
        }
    }
    assert!(failed.is_empty(), "see above: {failed:?}");
}
