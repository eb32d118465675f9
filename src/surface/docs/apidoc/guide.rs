//! The pages that aren't about one method: how scripts log in, and common questions. The same text for
//! HTML and for `AsciiDoc`.

use std::fmt::Write as _;

use super::view::{Piece, pieces};
use crate::api::error::code;

/// The placeholder of the server in pages that don't know theirs.
pub const EXAMPLE_SERVER: &str = "https://sync.example.com";

/// A page.
pub struct Guide {
    /// The headline.
    pub title: &'static str,
    /// In reading order.
    pub(super) sections: Vec<Section>,
}

/// A part of a page.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A paragraph, or lines of code.
pub(super) enum Block {
    Text(&'static str),
    Code(&'static str, String),
}

impl Block {
    /// The paragraph, or nothing.
    pub(super) fn pieces(&self) -> Vec<Piece<'_>> {
        match self {
            Self::Text(text) => pieces(text),
            Self::Code(..) => Vec::new(),
        }
    }

    /// The code, or nothing.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Text(_) => "",
            Self::Code(_, code) => code,
        }
    }
}

impl Guide {
    /// As an `AsciiDoc` page.
    pub fn asciidoc(&self, anchor: &str) -> String {
        let mut page = format!("[#{anchor}]\n= {}\n", self.title);
        for section in &self.sections {
            let _ = write!(page, "\n== {}\n", section.title);
            for block in &section.blocks {
                let _ = match block {
                    Block::Text(text) => write!(page, "\n{text}\n"),
                    Block::Code(language, code) => {
                        write!(page, "\n[source,{language}]\n----\n{code}----\n")
                    }
                };
            }
        }
        page
    }
}

const PYTHON: &str = r#"import os
import xmlrpc.client

server = xmlrpc.client.ServerProxy("SERVER/rpc/api")
key = server.auth.login(os.environ["LOGIN"], os.environ["PASSWORD"])
try:
    for project in server.registrysync.listProjects(key):
        print(project["label"])
finally:
    server.auth.logout(key)
"#;

const PYTHON_CA: &str = r#"import ssl

context = ssl.create_default_context(cafile="ca.pem")
server = xmlrpc.client.ServerProxy("SERVER/rpc/api", context=context)
"#;

const CURL: &str = r#"python3 -c 'import json, os; print(json.dumps({"login": os.environ["LOGIN"],
    "password": os.environ["PASSWORD"]}))' |
  curl -sS -c cookies.txt -H 'Content-Type: application/json' --data @- \
    'SERVER/rhn/manager/api/auth/login'
curl -sS -b cookies.txt 'SERVER/rhn/manager/api/registrysync/listProjects'
curl -sS -b cookies.txt -X POST 'SERVER/rhn/manager/api/auth/logout'
rm cookies.txt
"#;

const SPACECMD: &str = r#"spacecmd -s HOST -u "$LOGIN" -- api registrysync.listProjects
spacecmd -s HOST -- api registrysync.listTags -A '["hub", "library/nginx"]'
"#;

const MGRCTL: &str = r#"mgrctl api login --api-server HOST --api-user "$LOGIN"
mgrctl api get registrysync/listProjects
mgrctl api get registrysync/listTags storeLabel=hub repository=library/nginx
mgrctl api post registrysync/addImage label=web repository=library/nginx tags=latest
mgrctl api post registrysync/run '{"label": "web"}'
mgrctl api logout
"#;

fn host_of(server: &str) -> &str {
    server.split_once("://").map_or(server, |(_, host)| host)
}

/// How scripts log in and call; `server` is the server's address.
pub fn scripts(server: &str) -> Guide {
    let host = host_of(server);
    let code = |language, text: &str| {
        Block::Code(
            language,
            text.replace("SERVER", server).replace("HOST", host),
        )
    };
    let section = |title, blocks| Section { title, blocks };
    // spacecmd uses https by default; mgrctl always does.
    let plain = server.starts_with("http://");
    let spacecmd = if plain {
        SPACECMD.replace("spacecmd -s", "spacecmd --nossl -s")
    } else {
        SPACECMD.to_owned()
    };
    let mgrctl = if plain {
        MGRCTL.replace("HOST", host_of(EXAMPLE_SERVER))
    } else {
        MGRCTL.to_owned()
    };
    let mgrctl_note = if plain {
        "This server uses plain http, which `mgrctl api` doesn't support. Give the server a certificate (`--tls-cert`, `--tls-key`), or put a proxy with https in front of it; `sync.example.com` below stands for its https address."
    } else {
        "If the system doesn't trust the server's certificate, add `--api-cacert ca.pem` with the file of its authority."
    };
    Guide {
        title: "Scripts",
        sections: vec![
            section(
                "Python",
                vec![
                    Block::Text(
                        "XML-RPC with the standard library. `auth.login` returns the session key, the first parameter of every method that needs a session. It is valid for an hour after its last use; the optional third parameter of `auth.login` sets another duration in seconds.",
                    ),
                    code("python", PYTHON),
                    Block::Text(
                        "If the system doesn't trust the server's certificate, give the file of its authority:",
                    ),
                    code("python", PYTHON_CA),
                ],
            ),
            section(
                "curl",
                vec![
                    Block::Text(
                        "JSON over HTTP. The dots of a method's name become slashes. Methods that only read are called by GET with the parameters in the query, all others by POST with one JSON object. The session is the cookie `pxt-session-cookie`, or `Authorization: Bearer KEY`. The password is passed on standard input, so that it doesn't show up in the process list. If the system doesn't trust the server's certificate, add `--cacert ca.pem` with the file of its authority.",
                    ),
                    code("bash", CURL),
                ],
            ),
            section(
                "spacecmd",
                vec![
                    Block::Text(
                        "`spacecmd api` calls any method over XML-RPC; it prompts for the password and keeps the session. The arguments after the session key follow `-A`.",
                    ),
                    code("bash", &spacecmd),
                ],
            ),
            section(
                "mgrctl",
                vec![
                    Block::Text(
                        "`mgrctl api` uses JSON over https only; it prompts for the password. Parameters are passed by name; a `post` with a single argument takes it as JSON. `get` sends a value as typed, so write a space as `%20`, a double quote as `%22`, `<` as `%3C`, `>` as `%3E`.",
                    ),
                    Block::Text(mgrctl_note),
                    code("bash", &mgrctl),
                ],
            ),
        ],
    }
}

/// Common questions.
pub fn faq() -> Guide {
    let entries = [
        (
            "`listTags` or `list_tags`?",
            "Both work, over XML-RPC and JSON. This documentation uses camelCase.",
        ),
        (
            "Fault -1, `Could not find method`?",
            "No overload takes these parameters. The text continues with the existing signatures, the expected type and the type received. Common causes: the session key is missing as first parameter; a number was sent as an array or struct; a parameter is missing. `api.getApiNamespaceCallList` lists all methods.",
        ),
        (
            "Fault -1, `Could not find session with id`; or HTTP 401 without a body?",
            "The session has expired (an hour without a call) or was ended by a logout. Log in again.",
        ),
        (
            "Fault -1 or HTTP 403, `not available to read-only API users`?",
            "The account is read-only, and the method changes something. An administrator can change that with `user.setReadOnly`.",
        ),
        (
            "Fault -23?",
            "The account lacks the required role; the text and the method's page name it.",
        ),
        (
            "Fault 2801?",
            "A struct has unknown keys; the text names them. Unknown keys are never ignored, and nothing was changed.",
        ),
        (
            "HTTP 405?",
            "Methods that only read are called by GET, all others by POST; the header `Allow` names the verb.",
        ),
        (
            "HTTP 400, `this port speaks https only`?",
            "The request used plain http. Use the address in the response. There is no redirect, since clients would then send passwords in clear text before each call.",
        ),
        (
            "Why is a size a string?",
            "XML-RPC integers can't exceed 2147483647, too small for many byte counts. So sizes are strings of decimal digits, over XML-RPC and JSON.",
        ),
        (
            "Why does a struct lack a member?",
            "A member without a value is omitted, over XML-RPC and JSON; `nil` and `null` are never sent.",
        ),
        (
            "Why is my tag refused as a date?",
            "Some clients, such as `spacecmd`, turn text that looks like a date into a date, and the original text is lost. Such a call ends in fault 2800. Send the value as a string, over JSON or from a script.",
        ),
        (
            "Which time zone do dates have?",
            "Over JSON all dates are UTC, with `Z`. Over XML-RPC, which has no time zones, they are in the server's time zone.",
        ),
        (
            "Can a list be too long for a client?",
            "Some clients read at most 512 KiB of a response (xmlrpc-c by default). Methods that list take `limit` and `offset`: request 1000 entries at a time until a page is shorter.",
        ),
        (
            "How do clients trust a certificate made by `--tls-self-signed`?",
            "Give them the file `tls-self-signed.crt` from the server's data directory as certificate authority. It is meant for testing.",
        ),
    ];
    let entries = entries.into_iter().map(|(title, text)| Section {
        title,
        blocks: vec![Block::Text(text)],
    });
    Guide {
        title: "Questions",
        sections: entries.chain([fault_codes()]).collect(),
    }
}

fn fault_codes() -> Section {
    let mut table = String::new();
    for (code, meaning) in code::ALL {
        let _ = writeln!(table, "{code:>5}  {meaning}");
    }
    Section {
        title: "Which fault codes are there?",
        blocks: vec![
            Block::Text(
                "The same codes are used over XML-RPC and JSON; JSON responses have them in `code`.",
            ),
            Block::Code("text", table),
            Block::Text(
                "A call that ends in a fault has changed nothing, with three exceptions. If the connection to PostgreSQL is lost during a commit, it is unknown whether the change was saved: the fault (2802) says so, and you have to check. The same applies to an unexpected error (-1): its text has an id under which the server's log has the reason. And projects, organisations and image stores are deleted in steps: repeat the call to delete the rest.",
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::scripts;

    #[test]
    fn samples_know_whether_the_server_speaks_tls() {
        let plain = scripts("http://a:8080").asciidoc("x");
        assert!(plain.contains("spacecmd --nossl -s a:8080 -u"), "{plain}");
        assert!(
            plain.contains("--api-server sync.example.com --api-user"),
            "{plain}"
        );
        let tls = scripts("https://a").asciidoc("x");
        assert!(
            tls.contains("spacecmd -s a -u") && !tls.contains("--nossl"),
            "{tls}"
        );
    }
}
