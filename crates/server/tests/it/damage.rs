//! What becomes of everybody else when what is stored of one profile is damaged.

use crate::server::{ORGANIZATION, TestServer};
use crate::storage::Place;

const PROFILES: &str = "/v1/user_profiles";
const HEADER: &str = "x-rollcall-damaged-profiles";

async fn server_in(place: &Place, seed: u64) -> TestServer {
    let place = place.clone();
    TestServer::with(move |options| {
        options.place = Some(place);
        options.seed = seed;
    })
    .await
}

/// Damages what is stored of a profile, while no server runs.
async fn damage(place: &Place, id: &str) {
    place
        .execute(&format!(
            "UPDATE profiles SET document = replace(document, '\"external\"', 'external') WHERE id = '{id}'"
        ))
        .await;
}

#[tokio::test]
async fn a_list_leaves_a_damaged_profile_out_and_names_it() {
    let place = Place::new().await;
    let server = server_in(&place, 1).await;
    let mut ids = Vec::new();
    for name in ["Ana", "Ben", "Cleo", "Dara"] {
        ids.push(server.create(&format!(r#"{{"name":"{name}"}}"#)).await);
    }
    server.stop().await;
    damage(&place, &ids[1]).await;

    let server = server_in(&place, 2).await;
    let platform = server.platform();
    for order in ["", "&order_by=name", "&order=desc"] {
        // The page of one is not empty, which would end a client's walk.
        for limit in [1, 2, 100] {
            let (mut seen, mut named, mut page) = (Vec::new(), Vec::new(), String::new());
            loop {
                let answer = platform
                    .get(&format!("{PROFILES}?limit={limit}{order}{page}"))
                    .await;
                named.extend(answer.header(HEADER).map(str::to_owned));
                let list = answer.ok();
                let data = list["data"].as_array().unwrap();
                assert!(!data.is_empty() || list["next_page"].is_null(), "{list}");
                seen.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
                match list["next_page"].as_str() {
                    Some(cursor) => page = format!("&page={cursor}"),
                    None => break,
                }
            }
            assert_eq!(named, [ids[1].as_str()], "{order} {limit}");
            let sound = ids.iter().enumerate().filter(|(number, _)| *number != 1);
            for (_, id) in sound {
                assert!(
                    seen.contains(id),
                    "{order} {limit}: {id} is not in {seen:?}"
                );
            }
            // And the profile that is there from the start.
            assert_eq!(seen.len(), 4, "{order} {limit}");
        }
    }
    let found = server.operator().get("/operator/v1/user_profiles").await;
    assert_eq!(found.header(HEADER), Some(ids[1].as_str()));
    found.ok();
    let get = platform.get(&format!("{PROFILES}/{}", ids[1])).await;
    assert_eq!(get.status, 500);
    let metrics = server.stranger().get("/metrics").await;
    assert!(
        !metrics
            .text()
            .contains("rollcall_damaged_profiles_total 0\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_damaged_profile_does_not_keep_the_expiries_of_others_from_being_recorded() {
    let place = Place::new().await;
    let server = server_in(&place, 1).await;
    let operator = server.operator();
    for number in 0..4 {
        let record = format!(
            r#"{{"organization_id":"{ORGANIZATION}","enforcement_actions":[{{"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T15:0{number}:00Z"}}]}}"#
        );
        let path = format!("/operator/v1/user_profiles/uprof_{number}");
        operator.put(&path, &record).await.ok();
    }
    server.stop().await;
    // The one that comes first.
    damage(&place, "uprof_0").await;

    let server = server_in(&place, 2).await;
    let operator = server.operator();
    let advance = r#"{"advance":"2h"}"#;
    operator.post("/operator/v1/dev/clock", advance).await.ok();
    let trail = "/operator/v1/audit_events?action=enforcement_action.expired";
    let mut recorded = Vec::new();
    for _ in 0..200 {
        let events = operator.get(trail).await.ok();
        let events = events["data"].as_array().unwrap().clone();
        recorded = events
            .iter()
            .map(|event| event["target"]["id"].to_string())
            .collect();
        if recorded.len() == 3 {
            break;
        }
        // The sweeper is another task: there is nothing to wait for but its work.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(recorded.len(), 3, "{recorded:?}");
}
