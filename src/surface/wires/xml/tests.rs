//! Calls that are read, and what is said of the others.

use super::{NoCall, read};
use dxr::Value;

type Check = fn(&NoCall) -> bool;

fn with_value(value: &str) -> String {
    format!(
        "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params><param>{value}</param></params></methodCall>"
    )
}

#[test]
fn every_form_of_a_value_is_read() {
    let cases = [
        ("<value>bare</value>", Value::String("bare".into())),
        ("<value></value>", Value::String(String::new())),
        ("<value/>", Value::String(String::new())),
        ("<value><string/></value>", Value::String(String::new())),
        (
            "<value><string> a &lt;&amp;&#x20AC; </string></value>",
            Value::String(" a <&€ ".into()),
        ),
        (
            "<value><string><![CDATA[<b>]]></string></value>",
            Value::String("<b>".into()),
        ),
        ("<value><int>-5</int></value>", Value::Integer(-5)),
        ("<value>\n <i4>7</i4>\n</value>", Value::Integer(7)),
        (
            "<value><i8>5000000000</i8></value>",
            Value::Long(5_000_000_000),
        ),
        (
            "<value><ex:i8>5000000000</ex:i8></value>",
            Value::Long(5_000_000_000),
        ),
        ("<value><nil/></value>", Value::Nil),
        ("<value><ex:nil/></value>", Value::Nil),
        ("<value><boolean>1</boolean></value>", Value::Boolean(true)),
        ("<value><double>1.5</double></value>", Value::Double(1.5)),
        (
            "<value><base64>AP8=</base64></value>",
            Value::Base64(vec![0, 255]),
        ),
        (
            "<value><array><data></data></array></value>",
            Value::Array(Vec::new()),
        ),
        (
            "<value><array><data/></array></value>",
            Value::Array(Vec::new()),
        ),
        (
            "<value><struct></struct></value>",
            Value::Struct(std::collections::BTreeMap::new()),
        ),
        (
            "<value><struct/></value>",
            Value::Struct(std::collections::BTreeMap::new()),
        ),
    ];
    for (xml, expected) in cases {
        let call = read(with_value(xml).as_bytes(), None);
        assert_eq!(call.map(|call| call.args), Ok(vec![expected]), "{xml}");
    }
}

/// As the crate `dxr` reads them, apart from what it loses or refuses without need.
#[test]
fn documents_are_read_as_others_read_them() {
    let long = format!("<value>{}</value>", "é&amp;\n".repeat(2000));
    let pair = "<value><struct><member><name>a</name><value>1</value></member>\n<member>\n<name>b</name> <value> <i4> 5 </i4> </value></member></struct></value>";
    for value in [
        "<value> bare </value>",
        "<value><string>  </string></value>",
        "<value>a<!-- no -->b</value>",
        "<value><string>a<?no no?>b</string></value>",
        "<value>a\r\nb\rc</value>",
        "<value><string>a\r\nb</string></value>",
        "<value>&#13;&#10;&#x1F600;&apos;&quot;&gt;</value>",
        "<value>]]&gt;<![CDATA[ a & <b> ]]>c</value>",
        "<value><int> +5\n</int></value>",
        "<value><int>-0</int></value>",
        "<value><double> 1e3 </double></value>",
        "<value><double>-.5</double></value>",
        "<value><base64> AP\n8= </base64></value>",
        "<value><base64></base64></value>",
        "<value><base64>AP8</base64></value>",
        "<value><dateTime.iso8601>20260131T03:00:00</dateTime.iso8601></value>",
        "<value><dateTime.iso8601>20260231T03:00:00</dateTime.iso8601></value>",
        "<value><nil></nil></value>",
        "<value><nil> </nil></value>",
        "<value><array/></value>",
        "<value><array> <data> <value/>\n<value>x</value> </data> </array></value>",
        "<value><struct><member><name> a </name><value/></member></struct></value>",
        "<value><int></int></value>",
        "<value>1<int>1</int></value>",
        "<value><int>1</int>1</value>",
        "<value><int>1</int><int>1</int></value>",
        "<value><int>1<b/></int></value>",
        pair,
        &long,
    ] {
        let document = with_value(value);
        let ours = read(document.as_bytes(), None).map(|call| call.args).ok();
        let theirs = dxr::MethodCall::from_xml(&document).ok();
        let theirs = theirs.map(|call| call.params);
        assert_eq!(ours, theirs, "{value}");
    }
    let text = |text: &str| Value::String(text.into());
    for (value, read_as) in [
        ("<value>  </value>", text("  ")),
        ("<value>\n</value>", text("\n")),
        ("<value a='b'><string c=\"d\">x</string></value>", text("x")),
        (
            "<value><boolean> 1 </boolean></value>",
            Value::Boolean(true),
        ),
        (
            "<value><struct><member><name/><value>x</value></member></struct></value>",
            Value::Struct([(String::new(), text("x"))].into()),
        ),
    ] {
        let call = read(with_value(value).as_bytes(), None);
        assert_eq!(call.map(|call| call.args), Ok(vec![read_as]), "{value}");
    }
}

#[test]
fn invalid_calls_are_refused_without_quoting_them() {
    let deep = format!(
        "{}{}",
        "<value><array><data>".repeat(45_000),
        "</data></array></value>".repeat(45_000)
    );
    let bomb =
        "<!DOCTYPE a [<!ENTITY x 'secret'>]><methodCall><methodName>&x;</methodName></methodCall>";
    let cases: Vec<(Vec<u8>, Check)> = vec![
        (b"".to_vec(), |e| *e == NoCall::Root),
        (b"secret".to_vec(), |e| *e == NoCall::Root),
        (b"<secret></secret>".to_vec(), |e| *e == NoCall::Root),
        (b"<methodCall/>".to_vec(), |e| *e == NoCall::Name),
        (b"<methodCall></methodCall>".to_vec(), |e| {
            *e == NoCall::Name
        }),
        (b"<methodCall><methodName>secret".to_vec(), |e| {
            matches!(e, NoCall::Malformed(_))
        }),
        (b"<methodCall></secret>".to_vec(), |e| {
            matches!(e, NoCall::Malformed(_))
        }),
        (bomb.into(), |e| *e == NoCall::DocType),
        (bomb.to_lowercase().into(), |e| *e == NoCall::DocType),
        (with_value(&deep).into(), |e| *e == NoCall::Depth),
        (
            with_value("<value><int>99999999999</int></value>").into(),
            |e| matches!(e, NoCall::Form { parameter: 1, .. }),
        ),
        (with_value("<value><int>secret</int></value>").into(), |e| {
            matches!(e, NoCall::Form { parameter: 1, .. })
        }),
        (with_value("<value>&secret;</value>").into(), |e| {
            matches!(e, NoCall::Form { parameter: 1, .. })
        }),
        (
            format!("{}<methodCall/>", with_value("<value/>")).into(),
            |e| *e == NoCall::Root,
        ),
        (b"<methodCall>\xff</methodCall>".to_vec(), |e| {
            *e == NoCall::Charset
        }),
    ];
    for (body, expected) in cases {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(80)
            .collect::<String>();
        let error = read(&body, None).expect_err(&shown);
        assert!(expected(&error), "{shown}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{shown}");
    }
}

#[test]
fn of_a_wrong_value_its_parameter_and_its_form_are_told() {
    let fine = "<param><value><i8>5</i8></value></param><param><value>a &amp; b</value></param>";
    let third = |value: &str| {
        format!(
            "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params>{fine}<param>{value}</param>\
             <param><value><int>secret</int></value></param></params></methodCall>"
        )
    };
    let within = |value: &str| {
        format!(
            "<value><struct><member><name>s</name><value><array><data><value/>\
             <value><string>x</string></value>{value}</data></array></value></member></struct></value>"
        )
    };
    for (value, form) in [
        ("<int>1.5</int>", "`int` is a whole number from -2147483648"),
        ("<i4>secret</i4>", "`i4` is a whole number"),
        ("<i8>9223372036854775808</i8>", "`i8` is a whole number"),
        ("<ex:i8>x</ex:i8>", "`i8` is a whole number"),
        ("<boolean>true</boolean>", "`boolean` is 0 or 1"),
        ("<double>secret</double>", "`double` is a number"),
        (
            "<dateTime.iso8601>2026-01-31T03:00:00Z</dateTime.iso8601>",
            "`dateTime.iso8601` is written 20260131T03:00:00",
        ),
        ("<base64>secret!</base64>", "base64"),
        ("<string>&secret;</string>", "text has the entities"),
        ("&secret;", "text has the entities"),
        ("<secret>1</secret>", "no type of XML-RPC"),
        ("<secret/>", "no type of XML-RPC"),
    ] {
        let value = format!("<value>{value}</value>");
        for value in [within(&value), value] {
            let error = read(third(&value).as_bytes(), None)
                .expect_err(&value)
                .to_string();
            assert!(
                error.contains("parameter 3: ") && error.contains(form),
                "{value}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

#[test]
fn a_name_that_stands_twice_in_a_struct_is_refused() {
    let member = |name: &str, value: &str| {
        format!("<member><name>{name}</name><value>{value}</value></member>")
    };
    let holder = |members: &[String]| {
        with_value(&format!(
            "<value><struct>{}</struct></value>",
            members.concat()
        ))
    };
    let inner = format!("<struct>{}</struct>", member("a", "1"));
    let fine = [member("a", &inner), member("b", &inner), member("A", "1")];
    assert!(read(holder(&fine).as_bytes(), None).is_ok());
    for again in ["a", "&#97;", "&#x61;", "<![CDATA[a]]>"] {
        let twice = holder(&[member("a", "1"), member("b", "2"), member(again, "3")]);
        assert_eq!(read(twice.as_bytes(), None), Err(NoCall::Twice), "{again}");
    }
    let entities = holder(&[member("&lt;", "1"), member("<![CDATA[<]]>", "2")]);
    assert_eq!(read(entities.as_bytes(), None), Err(NoCall::Twice));
    let deep = format!("<struct>{}{}</struct>", member("x", "1"), member("x", "1"));
    let deep = holder(&[member("a", &deep)]);
    assert_eq!(read(deep.as_bytes(), None), Err(NoCall::Twice));
}

#[test]
fn another_charset_is_accepted_only_where_it_makes_no_difference() {
    let plain = with_value("<value>plain</value>");
    let accented = with_value("<value>é</value>");
    assert!(read(plain.as_bytes(), Some("ISO-8859-1")).is_ok());
    assert!(read(accented.as_bytes(), Some("utf-8")).is_ok());
    assert_eq!(
        read(accented.as_bytes(), Some("ISO-8859-1")),
        Err(NoCall::Charset)
    );
    let declared = accented.replace("version='1.0'", "version='1.0' encoding='latin1'");
    assert_eq!(read(declared.as_bytes(), None), Err(NoCall::Charset));
}
