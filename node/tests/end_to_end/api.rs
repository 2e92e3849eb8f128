//! The HTTP API as a program sees it.

use serde_json::{Value as Json, json};

use crate::device::{Device, pair};

#[test]
fn nothing_but_health_and_the_page_is_told_without_the_token() {
    let a = Device::up("a");
    assert_eq!(a.request("GET", "/healthz", &[], ""), (200, "ok\n".to_owned()));
    let (status, page) = a.request("GET", "/", &[], "");
    assert_eq!(status, 200);
    assert!(page.contains("<title>Meshwork</title>"));
    assert!(!page.contains(a.started["device"].as_str().unwrap()));
    for path in ["/v1/status", "/v1/spaces", "/v1/peers", "/v1/spaces/x/watch"] {
        let (status, body) = a.request("GET", path, &[], "");
        assert_eq!(status, 403, "{path}");
        assert_eq!(serde_json::from_str::<Json>(&body).unwrap()["kind"], "forbidden");
        let (status, _) = a.request("GET", path, &[("authorization", "Bearer wrong")], "");
        assert_eq!(status, 403, "{path}");
    }
}

#[test]
fn a_foreign_page_is_refused_even_with_the_token() {
    let a = Device::up("a");
    let bearer = a.bearer();
    let ask = |name, value| {
        a.request("GET", "/v1/status", &[("authorization", &bearer), (name, value)], "").0
    };
    assert_eq!(ask("accept", "*/*"), 200);
    assert_eq!(ask("origin", "http://evil.example"), 403);
    assert_eq!(ask("host", "evil.example"), 403);
}

#[test]
fn a_space_can_be_made_edited_and_read_over_http() {
    let a = Device::up("a");
    let bearer = a.bearer();
    let ask = |method: &str, path: &str, body: Json| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = a.request(method, path, &[("authorization", &bearer)], &body);
        (status, serde_json::from_str::<Json>(&answer).unwrap_or(Json::Null))
    };
    let (status, space) = ask("POST", "/v1/spaces", json!({"name": "home"}));
    assert_eq!(status, 201, "{space}");
    let space = format!("/v1/spaces/{}", space["id"].as_str().unwrap());

    let edits = json!({"edits": [
        {"target": {"named": {"name": "notes/a.md", "shape": "text"}},
         "action": {"change": {"replace": "hello"}}},
        {"target": {"named": {"name": "votes", "shape": "counter"}}, "action": "create"},
    ]});
    let (status, edited) = ask("POST", &format!("{space}/edits"), edits);
    assert_eq!(status, 200, "{edited}");
    assert_eq!(edited["objects"].as_array().unwrap().len(), 2);
    assert_eq!(edited["held_by"], json!([a.started["device"]]));
    let (_, object) = ask("GET", &format!("{space}/objects/notes/a.md"), Json::Null);
    assert_eq!((&object["value"], &object["shape"]), (&json!("hello"), &json!("text")));
    let (status, _) = ask("PUT", &format!("{space}/objects/votes"), json!({"value": 3}));
    assert_eq!(status, 200);
    let (_, listed) = ask("GET", &format!("{space}/objects"), Json::Null);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let (status, _) = ask("DELETE", &format!("{space}/objects/votes"), Json::Null);
    assert_eq!(status, 200);
    let (status, present) = ask("PUT", &format!("{space}/presence"), json!({"value": [1, "x"]}));
    assert_eq!((status, &present[0]["value"]), (200, &json!([1, "x"])));
    assert_eq!(present[0]["device"], a.started["device"]);
    assert_eq!(ask("GET", &format!("{space}/presence"), Json::Null), (200, present));
    assert_eq!(ask("DELETE", &format!("{space}/presence"), Json::Null), (200, json!([])));
    let (status, gone) = ask("GET", &format!("{space}/objects/votes"), Json::Null);
    assert_eq!((status, &gone["kind"]), (404, &json!("not_found")));
    let (status, failure) = ask("PUT", &format!("{space}/objects/x"), json!({"valeu": 3}));
    assert_eq!((status, &failure["kind"]), (400, &json!("usage")));
    let (status, failure) = ask("GET", "/v1/nothing", Json::Null);
    assert_eq!((status, &failure["kind"]), (404, &json!("not_found")));
    let (status, _) = ask("POST", "/v1/spaces", json!({"name": "x".repeat(9 * 1024 * 1024)}));
    assert_eq!(status, 400);
}

#[test]
fn devices_see_who_is_present_over_the_command_line() {
    let (a, b) = pair();
    let watching = b.watch(&["home"]);
    a.ok(&["presence", "home", r#"{"cursor": 7}"#]);
    loop {
        let message = watching.next();
        let snapshot = message["present"].as_array().is_some_and(|all| !all.is_empty());
        if message["type"] == "presence" {
            assert_eq!(message["value"], json!({"cursor": 7}));
            break;
        }
        if snapshot {
            break;
        }
    }
    let present = b.json(&["presence", "home"]);
    assert_eq!((&present[0]["name"], &present[0]["value"]), (&json!("a"), &json!({"cursor": 7})));
    assert!(a.ok(&["presence", "home"]).contains("this device"));
    assert_eq!(a.json(&["presence", "home", "--gone"]), json!([]));
}
