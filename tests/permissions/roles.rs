//! Roles and who has them.

use serde_json::{Value, json};

use crate::support::Service;

#[test]
fn a_role_is_made_changed_assigned_and_deleted() {
    let mut service = Service::start();
    let text = service.organisation().text;
    let key = service.known_key(&text);
    let body =
        json!({"name": "clerk", "description": "reads orders", "capabilities": ["orders.*:read", "tenant:7:list"]});
    let made = key.post("/permissions/roles", &body).data(201);
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("role_"));
    assert_eq!(
        (&made["name"], &made["capabilities"]),
        (&body["name"], &body["capabilities"])
    );
    key.post("/permissions/roles", &body).refused(409, "CONFLICT");
    assert_eq!(
        key.assign("user", &json!([id, "viewer"])).data(200),
        json!({"roleIds": [id, "viewer"]})
    );
    assert_eq!(key.check("user", "orders.eu:write"), "none");
    let path = format!("/permissions/roles/{id}");
    let changed = key
        .call("PATCH", &path, Some(&json!({"capabilities": ["orders.*:write"]})))
        .data(200);
    assert_eq!(changed["description"], "reads orders", "what is not given stays");
    assert_eq!(key.check("user", "orders.eu:write"), "role", "the next check sees it");
    let capabilities = json!({"capabilities": ["orders.*:pack"]});
    let put = key.call("PUT", &format!("{path}/capabilities"), Some(&capabilities));
    assert_eq!(put.data(200), capabilities);
    service.restart();
    let key = service.known_key(&text);
    assert_eq!(key.get(&format!("{path}/capabilities")).data(200), capabilities);
    assert_eq!(key.check("user", "orders.eu:pack"), "role");
    assert_eq!(
        key.get("/permissions/users/user/roles").data(200),
        json!({"roleIds": [id, "viewer"]})
    );
    let error = key.call("DELETE", &path, None).refused(409, "CONFLICT");
    assert_eq!(error["details"]["holders"], 1);
    key.assign("user", &json!([])).data(200);
    assert_eq!(
        key.call("DELETE", &path, None).data(200),
        json!({"deleted": true, "id": id})
    );
    key.get(&path).refused(404, "NOT_FOUND");
    let listed = key.get("/permissions/roles").data(200);
    let ids: Vec<_> = listed["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| &role["id"])
        .collect();
    assert_eq!(ids, ["super-admin", "viewer"]);
}

#[test]
fn built_in_roles_never_change_and_unknown_ones_do_not_exist() {
    let service = Service::start();
    let (key, other) = (service.organisation(), service.organisation());
    let foreign = other.post("/permissions/roles", &json!({"name": "clerk"})).data(201)["id"].clone();
    let put = json!({"capabilities": []});
    for id in ["super-admin", "viewer"] {
        let path = format!("/permissions/roles/{id}");
        assert_eq!(key.get(&path).data(200)["builtIn"], true);
        key.call("PATCH", &path, Some(&json!({"name": "x"})))
            .refused(409, "CONFLICT");
        key.call("DELETE", &path, None).refused(409, "CONFLICT");
        key.call("PUT", &format!("{path}/capabilities"), Some(&put))
            .refused(409, "CONFLICT");
    }
    for id in [foreign.as_str().unwrap(), "role_x", "owner"] {
        let path = format!("/permissions/roles/{id}");
        key.get(&path).refused(404, "NOT_FOUND");
        key.call("PATCH", &path, Some(&json!({"name": "x"})))
            .refused(404, "NOT_FOUND");
        key.call("PATCH", &path, Some(&json!({"name": 7})))
            .bad_fields(&["name"]);
        key.call("DELETE", &path, None).refused(404, "NOT_FOUND");
        key.call("PUT", &format!("{path}/capabilities"), Some(&put))
            .refused(404, "NOT_FOUND");
    }
    key.assign("user", &json!(["viewer", foreign]))
        .refused(404, "NOT_FOUND");
    assert_eq!(
        key.get("/permissions/users/user/roles").data(200),
        json!({"roleIds": []})
    );
}

#[test]
fn the_fields_of_roles() {
    let service = Service::start();
    let key = service.organisation();
    let bad: Value = json!({"capabilities": ["orders", "a..b:read", "a:*", "*.a:read"]});
    key.post("/permissions/roles", &bad)
        .bad_fields(&["name", "capabilities[0]", "capabilities[1]", "capabilities[3]"]);
    key.post(
        "/permissions/roles",
        &json!({"name": "x", "capabilities": vec!["a:b"; 257]}),
    )
    .bad_fields(&["capabilities"]);
    let id = key.post("/permissions/roles", &json!({"name": "x"})).data(201)["id"].clone();
    let path = format!("/permissions/roles/{}/capabilities", id.as_str().unwrap());
    key.call("PUT", &path, Some(&json!({}))).bad_fields(&["capabilities"]);
    key.call("PUT", "/permissions/users/u/roles", Some(&json!({})))
        .bad_fields(&["roleIds"]);
    key.call(
        "PUT",
        "/permissions/users/u/roles",
        Some(&json!({"roleIds": ["owner"]})),
    )
    .bad_fields(&["roleIds[0]"]);
}
