use super::{ConfigError, LogFormat, LogLevel, LogRules, Settings, TlsSource, ValueSource};
use crate::notify::Receivers;

fn collect(
    flags: &[(&'static str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registrysync.toml");
    std::fs::write(&path, file).unwrap();
    let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::collect(&flags, variable, Some(&path))
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let settings = collect(
        &[("listen", "127.0.0.1:1")],
        &[
            ("REGISTRYSYNC_LISTEN", "127.0.0.1:2"),
            ("REGISTRYSYNC_DATA_DIR", "/d/"),
        ],
        "listen = '127.0.0.1:3'\ndata_dir = '/e'\nworker_slots = 7\n",
    )
    .unwrap();
    let config = settings.read().unwrap();
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.database, "sqlite:/d/registrysync.db");
    assert_eq!(config.worker_slots, 7);
    let origins: Vec<ValueSource> = settings.shown().map(|(_, _, origin)| origin).collect();
    let given = |origin| origins.iter().filter(|found| **found == origin).count();
    for origin in [ValueSource::Flag, ValueSource::Variable, ValueSource::File] {
        assert_eq!(given(origin), 1, "{origin}");
    }
    assert_eq!(given(ValueSource::Default), origins.len() - 3);
}

#[test]
fn errors_name_the_line_and_the_key() {
    for (file, wanted) in [
        (
            "\nlissten = 'x'",
            "line 2: unknown key `lissten`; did you mean `listen`?",
        ),
        (
            "listen = true",
            "line 1: `listen`: expected text or a number",
        ),
        ("listen = ", "line 1"),
    ] {
        let error = collect(&[], &[], file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    for (key, value) in [
        ("listen", "here"),
        ("worker_slots", "0"),
        ("worker_slots", "x"),
        ("time_zone", "Mars/Base"),
    ] {
        let error = collect(&[(key, value)], &[], "")
            .unwrap()
            .read()
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("`{key}`: `{value}` (from the flag)")),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_comes_from_two_files_or_is_made() {
    let tls = |file: &str| collect(&[], &[], file).unwrap().read().map(|c| c.tls);
    assert_eq!(tls("tls_self_signed = false").unwrap(), None);
    assert_eq!(
        tls("tls_self_signed = true").unwrap(),
        Some(TlsSource::SelfSigned)
    );
    let (certificate, key) = ("/c.pem".into(), "/k.pem".into());
    assert_eq!(
        tls("tls_cert = '/c.pem'\ntls_key = '/k.pem'").unwrap(),
        Some(TlsSource::Files { certificate, key })
    );
    for (file, wanted) in [
        ("tls_cert = '/c.pem'", "`tls_key` is missing"),
        ("tls_key = '/k.pem'", "`tls_cert` is missing"),
        (
            "tls_self_signed = true\ntls_cert = '/c.pem'",
            "set either this or",
        ),
        ("tls_self_signed = 'maybe'", "expected `true` or `false`"),
    ] {
        let error = tls(file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_public_url_is_scheme_and_host() {
    let url = |text| {
        let settings = collect(&[("public_url", text)], &[], "").unwrap();
        settings.read().map(|config| config.public_url)
    };
    for (text, read) in [
        ("https://Sync.example.com/", "https://sync.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(url(text).unwrap().as_deref(), Some(read));
    }
    for text in [
        "sync.example.com",
        "ftp://a",
        "https://a/b",
        "https://u@a",
        "https://a?b",
    ] {
        assert!(url(text).is_err(), "{text}");
    }
}

#[test]
fn mail_needs_server_sender_and_receivers() {
    let receivers = |file: &str| collect(&[], &[], file).unwrap().read().map(|c| c.receivers);
    assert_eq!(receivers("").unwrap(), Receivers::default());
    let whole = "smtp_url = 'smtp://h'\nmail_from = 'a@x'\nmail_to = 'b@x, c@x'";
    let mail = receivers(whole).unwrap().mail.unwrap();
    assert_eq!(mail.to, ["b@x", "c@x"]);
    for line in [
        "smtp_url = 'smtp://h'",
        "mail_from = 'a@x'",
        "mail_to = 'b@x'",
    ] {
        let error = receivers(line).unwrap_err().to_string();
        assert!(error.contains("` is missing: e-mail needs"), "{error}");
    }
}

#[test]
fn passwords_are_hidden() {
    let settings = collect(&[("database", "postgres://u:swordfish@h/d")], &[], "").unwrap();
    let shown: Vec<String> = settings.shown().map(|(_, value, _)| value).collect();
    assert!(
        shown.contains(&"postgres://u:…@h/d".to_owned()),
        "{shown:?}"
    );
    for url in [
        "postgres://h/d?user=u&password=swordfish",
        "postgresql://u:swordfish@h/d?x=y&sslpassword=swordfish",
        "postgres://u:sword@fish/swordfish@h/d",
        "host=h password=swordfish user=u",
        "host=h PASSWORD = 'a swordfish' user=u",
    ] {
        let settings = collect(&[("database", url)], &[], "").unwrap();
        for (_, value, _) in settings.shown().filter(|(key, ..)| *key != "key_file") {
            assert!(
                !value.contains("swordfish") && !value.contains("fish/"),
                "{value}"
            );
        }
    }
    let settings = collect(&[("webhook_url", "https://chat/T0/swordfish")], &[], "").unwrap();
    let shown: Vec<String> = settings.shown().map(|(_, value, _)| value).collect();
    assert!(shown.contains(&"https://chat/…".to_owned()), "{shown:?}");
}

#[test]
fn lists_of_hosts_name_what_is_wrong_with_them() {
    let read = |file: &str| collect(&[], &[], file).unwrap().read();
    assert!(
        read("registry_allow = '*.example.com, 10.0.0.0/8'\nregistry_deny = 'fd00::/8'").is_ok()
    );
    for key in ["registry_allow", "registry_deny"] {
        let error = read(&format!("{key} = 'a.example, 10.0.0.0/99'"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("`{key}`")) && error.contains("`10.0.0.0/99`"),
            "{error}"
        );
    }
}

#[test]
fn log_level_and_format_accept_fixed_words() {
    let log = |file: &str| collect(&[], &[], file).unwrap().read().map(|c| c.log);
    assert_eq!(log("").unwrap(), LogRules::default());
    let debug = log("log_level = 'debug'\nlog_format = 'json'").unwrap();
    let (level, format) = (LogLevel::Debug, LogFormat::Json);
    assert_eq!(debug, LogRules { level, format });
    for (file, wanted) in [
        ("log_level = 'loud'", "expected `error`, `warn`"),
        ("log_level = ''", "expected `error`, `warn`"),
        ("log_format = 'xml'", "expected `text` or `json`"),
    ] {
        let error = log(file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn every_key_is_shown_with_its_default_and_what_holds() {
    let file = "webhook_url = 'https://chat/T0/secret'\nlisten = '127.0.0.1:1'";
    let all = collect(&[("data_dir", "/d")], &[], file).unwrap().all();
    let names: Vec<&str> = all.iter().map(|key| key.name).collect();
    let known: Vec<&str> = super::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names, known);
    let key = |name: &str| all.iter().find(|key| key.name == name).unwrap().clone();
    let listen = key("listen");
    assert_eq!(listen.default.as_deref(), Some("127.0.0.1:8080"));
    assert_eq!(
        listen.value,
        Some(("127.0.0.1:1".into(), ValueSource::File))
    );
    assert_eq!(
        key("data_dir").default.as_deref(),
        Some("./registrysync-data")
    );
    let database = Some("sqlite:/d/registrysync.db");
    assert_eq!(key("database").default.as_deref(), database);
    assert_eq!(key("webhook_url").default, None);
    assert_eq!(
        key("webhook_url").value,
        Some(("https://chat/…".into(), ValueSource::File))
    );
    assert_eq!(key("mail_to").value, None);
}

#[test]
fn errors_of_a_malformed_file_never_quote_it() {
    for (file, place) in [
        (
            "listen = 'x'\ndatabase = \"postgres://u:swordfish@h/db",
            "line 2, column ",
        ),
        ("database = postgres://u:swordfish@h/db", "line 1, column "),
        ("webhook_token = 'a' swordfish = ", "line 1, column "),
        ("database = 'a'\ndatabase = 'swordfish'", "line 2, column "),
    ] {
        let told = collect(&[], &[], file).unwrap_err().to_string();
        assert!(told.contains(place), "{told}");
        assert!(!told.contains("swordfish"), "{told}");
    }
}
