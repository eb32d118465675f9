//! The pages that aren't about one method: how scripts log in, and questions that come up. One
//! text for HTML and for `AsciiDoc`.

use std::fmt::Write as _;

use super::view::{Piece, pieces};
use crate::api::error::code;

/// The server in the pages that don't know theirs.
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

/// How scripts log in and call; `server` is the server's address.
pub fn scripts(server: &str) -> Guide {
    let host = server.split_once("://").map_or(server, |(_, host)| host);
    let code = |language, text: &str| {
        Block::Code(
            language,
            text.replace("SERVER", server).replace("HOST", host),
        )
    };
    let section = |title, blocks| Section { title, blocks };
    // spacecmd speaks https unless it is told otherwise; mgrctl always does.
    let plain = server.starts_with("http://");
    let spacecmd = if plain {
        SPACECMD.replace("spacecmd -s", "spacecmd --nossl -s")
    } else {
        SPACECMD.to_owned()
    };
    let mgrctl_note = if plain {
        "This server is asked by plain http, which `mgrctl api` doesn't speak: the calls below work once it is reached by https."
    } else {
        "The server's certificate has to be one that the system trusts, or be named by `--api-cacert`."
    };
    Guide {
        title: "Scripts",
        sections: vec![
            section(
                "Python",
                vec![
                    Block::Text(
                        "XML-RPC with the standard library. `auth.login` gives the session key, which is the first parameter of all that needs a session. It is valid for an hour after its last use; a third parameter of `auth.login` asks for other seconds.",
                    ),
                    code("python", PYTHON),
                    Block::Text(
                        "Where the server's certificate isn't one that the system trusts, name the file of its authority:",
                    ),
                    code("python", PYTHON_CA),
                ],
            ),
            section(
                "curl",
                vec![
                    Block::Text(
                        "JSON over HTTP. A method's dots become slashes; methods that only read are GETs with the parameters in the query, all others are POSTs with one JSON object. The session is the cookie `pxt-session-cookie`, or `Authorization: Bearer KEY`. The password goes in by standard input, so that no list of processes shows it. `--cacert ca.pem` names the certificate's authority.",
                    ),
                    code("bash", CURL),
                ],
            ),
            section(
                "spacecmd",
                vec![
                    Block::Text(
                        "`spacecmd api` calls any method over XML-RPC; it asks for the password, and keeps the session. The arguments after the session key follow `-A`.",
                    ),
                    code("bash", &spacecmd),
                ],
            ),
            section(
                "mgrctl",
                vec![
                    Block::Text(
                        "`mgrctl api` speaks JSON, over https only; it asks for the password. Parameters go by name; a `post` with one parameter alone takes it as JSON. `get` sends a value as it is typed, so a space is written `%20`, a double quote `%22`, `<` `%3C`, `>` `%3E`. `--api-cacert ca.pem` names the certificate's authority.",
                    ),
                    Block::Text(mgrctl_note),
                    code("bash", MGRCTL),
                ],
            ),
        ],
    }
}

/// Questions that come up.
pub fn faq() -> Guide {
    let entries = [
        (
            "`listTags` or `list_tags`?",
            "Both, on XML-RPC and on JSON. The pages name methods in camelCase.",
        ),
        (
            "Fault -1, `Could not find method`?",
            "There is no method of that name with so many parameters of these types. The text goes on with the signatures of the name, what was expected and what came. Usual reasons: the session key is missing as first parameter; a number was sent as array or struct; a parameter is left out. `api.getApiNamespaceCallList` lists what there is.",
        ),
        (
            "Fault -1, `Could not find session with id`; or HTTP 401 without a body?",
            "The session has ended: an hour without a call, or a logout. Log in again.",
        ),
        (
            "Fault -23?",
            "The account lacks the role that the method needs; the text and the method's page name it.",
        ),
        (
            "Fault 2801?",
            "A struct has keys that the method doesn't know; the text names them. Nothing is accepted and ignored, and nothing was changed.",
        ),
        (
            "HTTP 405?",
            "Methods that only read are GETs, all others POSTs; the header `Allow` says which.",
        ),
        (
            "HTTP 400, `this port speaks https only`?",
            "The request came over plain http. Use the address that the answer names. There is no redirect, since that would send a password in the open before each call.",
        ),
        (
            "Why is a size text?",
            "XML-RPC's integers end at 2147483647. Byte counts may not fit, so they are decimal digits in a text, on both wires.",
        ),
        (
            "Why does a struct lack a member?",
            "A member without a value is left out, on both wires; `nil` and `null` are never sent.",
        ),
        (
            "Why is my tag refused as a date?",
            "Some clients make a date of text that looks like one, `spacecmd` among them, and the original text is lost on the way. Such a call is fault 2800. Send the value as text: over JSON, or from a script.",
        ),
        (
            "Which time is it?",
            "On JSON all dates are UTC, with `Z`. On XML-RPC, which knows no zones, they are in the server's own zone.",
        ),
        (
            "Can a list be too long for a client?",
            "Some clients read at most 512 KiB of an answer (xmlrpc-c does, unless told otherwise). Methods that list take `limit` and `offset`: ask for a thousand at a time until an answer is shorter.",
        ),
        (
            "How do clients trust a certificate made by `--tls-self-signed`?",
            "Give them the file `tls-self-signed.crt` of the server's data directory as certificate authority. It is made once, and meant for a trial.",
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
            Block::Text("These, on both wires; JSON answers have them as `code`."),
            Block::Code("text", table),
            Block::Text(
                "A call that ends in a fault has changed nothing, with three exceptions. Where the connection to PostgreSQL is lost while a change is being written, nobody knows whether it was made: the fault (2802) says so, and you have to look. The same goes for an unexpected error (-1): its text has an id, under which the server's log has the reason. And a project, an organisation or an image store is deleted in steps: ask again, and what is left of it goes.",
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
        assert!(plain.contains("once it is reached by https"), "{plain}");
        let tls = scripts("https://a").asciidoc("x");
        assert!(
            tls.contains("spacecmd -s a -u") && !tls.contains("--nossl"),
            "{tls}"
        );
    }
}
