//! Checks responses of the JSON surface against the `OpenAPI` document that the server itself serves.

use std::collections::HashMap;
use std::sync::Mutex;

use jsonschema::Validator;
use registrysync::api::catalog::{camel_case, snake_case};
use serde_json::{Value, json};

use super::images::client;

pub(crate) struct Contract {
    document: Value,
    validators: Mutex<HashMap<String, Validator>>,
}

impl Contract {
    /// The description served at `url` (`http://host:port`).
    pub(crate) async fn of(url: &str) -> Contract {
        let url = format!("{url}/rhn/manager/api/openapi.json");
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "application/json; charset=utf-8"
        );
        Contract {
            document: serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
            validators: Mutex::default(),
        }
    }

    /// Panics if the response to `verb` at `path` (below the root, with or without query) doesn't
    /// match the document.
    pub(crate) fn check(&self, verb: &str, path: &str, status: u16, body: &str) {
        let asked = format!("{verb} {path}: {status} {body:.2000}");
        assert!(status < 500, "{asked}");
        let described = self.operation(verb, path);
        let responses = described.map(|operation| &operation["responses"]);
        let schema = match responses.and_then(|all| all.get(status.to_string())) {
            Some(response) => &response["content"]["application/json"]["schema"],
            // Nonexistent paths and verbs.
            None if responses.is_none() && status == 401 => &Value::Null,
            None if responses.is_none() && matches!(status, 400 | 403 | 404 | 405) => {
                &json!({"$ref": "#/components/schemas/Refusal"})
            }
            None => panic!("a status that isn't documented: {asked}"),
        };
        if schema.is_null() {
            assert_eq!(body, "", "{asked}");
            return;
        }
        let parsed: Value = serde_json::from_str(body).expect(&asked);
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut root = schema.clone();
            root["components"] = self.document["components"].clone();
            jsonschema::validator_for(&root).expect(&asked)
        });
        let errors: Vec<String> = validator
            .iter_errors(&parsed)
            .map(|error| format!("{:.300}", error.to_string()))
            .collect();
        assert!(errors.is_empty(), "{asked}\n{errors:?}");
    }

    fn operation(&self, verb: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next()?.trim_matches('/');
        let item = self.document["paths"].get(format!("/{path}")).or_else(|| {
            let (namespace, name) = path.rsplit_once('/')?;
            let camel = camel_case(name);
            let path = format!("/{namespace}/{camel}");
            let known = snake_case(&camel) == name;
            known.then(|| self.document["paths"].get(path)).flatten()
        })?;
        let verb = if verb == "HEAD" { "GET" } else { verb };
        item.get(verb.to_lowercase())
    }
}
