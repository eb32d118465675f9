//! Sample calls of each method, in Python over XML-RPC and with curl over JSON, with the method's own
//! parameter names. No sample contains a password: they come from the environment, and reach curl
//! through standard input.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::values::{Example, examples};
use crate::api::{Method, Namespace, SessionUse};
use crate::surface::docs::overloads;
use crate::surface::paths::JSON_ROOT;

/// The signatures whose samples the pages show.
pub fn shown(namespace: &Namespace) -> impl Iterator<Item = &Method> {
    let definitions = namespace.by_name().flat_map(overloads::definitions);
    definitions.filter_map(overloads::simplest)
}

/// The Python call; `origin` is the server's address.
pub fn python(namespace: &Namespace, method: &Method, origin: &str) -> String {
    let is_login = is_login(namespace, method);
    let examples = examples(namespace, method);
    let session = method.session() == SessionUse::Always;
    let needs_key = session || examples.iter().any(|(_, e)| matches!(e, Example::Session));
    let mut body = String::new();
    for (name, example) in &examples {
        line(&mut body, &format!("{name} = {}", python_literal(example)));
    }
    let names = examples.iter().map(|(name, _)| *name);
    let arguments: Vec<&str> = session.then_some("key").into_iter().chain(names).collect();
    let call = format!(
        "server.{}.{}({})",
        namespace.name(),
        method.name(),
        arguments.join(", ")
    );
    line(
        &mut body,
        &if is_login {
            format!("key = {call}")
        } else {
            format!("print({call})")
        },
    );
    let mut text = String::new();
    for module in ["datetime", "os"] {
        let needed = body.contains(&format!("{module}.")) || (module == "os" && needs_key);
        if needed {
            line(&mut text, &format!("import {module}"));
        }
    }
    line(&mut text, "import xmlrpc.client\n");
    line(
        &mut text,
        &format!("server = xmlrpc.client.ServerProxy(\"{origin}/rpc/api\")"),
    );
    if needs_key {
        line(
            &mut text,
            "key = server.auth.login(os.environ[\"LOGIN\"], os.environ[\"PASSWORD\"])",
        );
    }
    text.push_str(&body);
    if session {
        line(&mut text, "server.auth.logout(key)");
    }
    text
}

/// The curl call, with the session in `cookies.txt`; `origin` is the server's address.
pub fn curl(namespace: &Namespace, method: &Method, origin: &str) -> String {
    let examples = examples(namespace, method);
    if is_login(namespace, method) && examples.len() > 2 {
        return curl_xml(namespace, method, &examples, origin);
    }
    let path = format!("{}/{}", namespace.name(), method.name()).replace('.', "/");
    let url = format!("'{origin}{JSON_ROOT}/{path}'");
    let cookies = match (is_login(namespace, method), method.session()) {
        (true, _) => "-c cookies.txt ",
        (false, SessionUse::Never) if namespace.name() != "auth" => "",
        (false, _) => "-b cookies.txt ",
    };
    let mut text = String::new();
    if !method.is_read_only() {
        text.push_str(&escapes(&examples, JSON_ESCAPES));
    }
    if examples.iter().any(|(_, e)| matches!(e, Example::Session)) {
        line(
            &mut text,
            "KEY=$(awk '$6 == \"pxt-session-cookie\" { print $7 }' cookies.txt)",
        );
    }
    let _ = write!(text, "curl -sS {cookies}");
    if method.is_read_only() {
        let get = if examples.is_empty() { "" } else { "-G " };
        let _ = write!(text, "{get}{url}");
        for (name, example) in &examples {
            let _ = write!(
                text,
                " \\\n  --data-urlencode {}",
                query_part(name, example)
            );
        }
        text.push('\n');
    } else if examples.is_empty() {
        line(&mut text, &format!("-X POST {url}"));
    } else {
        let members: Vec<String> = examples
            .iter()
            .map(|(name, example)| format!("\"{name}\": {}", json_literal(example)))
            .collect();
        let members = format!("{{{}}}", members.join(", "));
        line(
            &mut text,
            "-H 'Content-Type: application/json' --data @- \\",
        );
        line(&mut text, &format!("  {url} <<JSON\n{members}\nJSON"));
    }
    text
}

/// What JSON can't express uses XML-RPC.
fn curl_xml(
    namespace: &Namespace,
    method: &Method,
    examples: &[(&str, Example)],
    origin: &str,
) -> String {
    let values = examples.iter().map(|(_, example)| match example {
        Example::Plain(number) if number.is_i64() => format!("<int>{number}</int>"),
        other => format!("<string>{}</string>", json_literal(other).trim_matches('"')),
    });
    let params: Vec<String> = values
        .map(|value| format!("  <param><value>{value}</value></param>\n"))
        .collect();
    let (params, escapes) = (params.concat(), escapes(examples, XML_ESCAPES));
    format!(
        "{escapes}curl -sS -H 'Content-Type: text/xml' --data @- '{origin}/rpc/api' <<XML\n\
         <methodCall><methodName>{}.{}</methodName><params>\n{params}</params></methodCall>\nXML\n",
        namespace.name(),
        method.name(),
    )
}

fn is_login(namespace: &Namespace, method: &Method) -> bool {
    namespace.name() == "auth" && method.name() == "login"
}

fn python_literal(example: &Example) -> String {
    match example {
        Example::Plain(Json::Bool(true)) => "True".into(),
        Example::Plain(Json::Bool(false)) => "False".into(),
        // JSON escapes mean the same in Python.
        Example::Plain(json) => json.to_string(),
        Example::Date(year) => format!("datetime.datetime({year}, 1, 2, 3, 4, 5)"),
        Example::Bytes => "xmlrpc.client.Binary(b\"content\")".into(),
        Example::Variable(name) => format!("os.environ[\"{name}\"]"),
        Example::Session => "key".into(),
        Example::Struct(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("\"{name}\": {}", python_literal(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Example::Array(items) => {
            let items: Vec<String> = items.iter().map(python_literal).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// How `sed` escapes a text for JSON or XML.
const JSON_ESCAPES: &str = r#"s/["\\]/\\&/g"#;
const XML_ESCAPES: &str = r"s/&/\&amp;/g; s/</\&lt;/g";

/// Lines that set escaped copies of variables, so that passwords with `"` or `&` work as well. They
/// have the same names in lower case.
fn escapes(examples: &[(&str, Example)], how: &str) -> String {
    let mut names = Vec::new();
    for (_, example) in examples {
        variables(example, &mut names);
    }
    let line = |name: &&str| {
        let kept = name.to_lowercase();
        format!("{kept}=$(printf %s \"${name}\" | sed '{how}')\n")
    };
    names.iter().map(line).collect()
}

/// The variables of a sample, each once.
fn variables(example: &Example, names: &mut Vec<&'static str>) {
    match example {
        Example::Variable(name) if !names.contains(name) => names.push(*name),
        Example::Struct(members) => members.iter().for_each(|(_, one)| variables(one, names)),
        Example::Array(items) => items.iter().for_each(|one| variables(one, names)),
        _ => {}
    }
}

/// JSON in a here-document, where the shell replaces variables.
fn json_literal(example: &Example) -> String {
    match example {
        Example::Plain(json) => json.to_string().replace('\\', "\\\\").replace('$', "\\$"),
        Example::Date(year) => format!("\"{year}-01-02T03:04:05Z\""),
        Example::Bytes => "\"Y29udGVudA==\"".into(),
        // As set by `escapes`.
        Example::Variable(name) => format!("\"${}\"", name.to_lowercase()),
        Example::Session => "\"$KEY\"".into(),
        Example::Struct(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("\"{name}\": {}", json_literal(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Example::Array(items) => {
            let items: Vec<String> = items.iter().map(json_literal).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// `name=value`, quoted for the shell.
fn query_part(name: &str, example: &Example) -> String {
    let value = match example {
        Example::Plain(Json::String(text)) => text.clone(),
        Example::Variable(variable) => return format!("\"{name}=${variable}\""),
        Example::Session => return format!("\"{name}=$KEY\""),
        // Without the here-document's escapes.
        other => json_literal(other)
            .replace("\\\\", "\\")
            .replace("\\$", "$"),
    };
    format!("'{name}={}'", value.replace('\'', "'\\''"))
}

/// Writing into a `String` can't fail.
fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}
