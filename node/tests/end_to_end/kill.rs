//! A device that is killed again and again in the middle of writing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value as Json, json};

use crate::device::{Device, PATIENCE, pair};

const KILLS: usize = 50;
const WRITERS: usize = 4;
/// Fewer acknowledged writes than this would prove too little.
const ACKNOWLEDGED_MIN: usize = 500;

/// Writes from several threads until the daemon is killed under them; notes what was acknowledged.
fn write_until_killed(
    device: &mut Device,
    round: usize,
    acknowledged: &Mutex<BTreeMap<String, Json>>,
) {
    let api = device.started["api"].as_str().expect("the API's address is text").to_owned();
    let bearer = device.bearer();
    let count = AtomicUsize::new(0);
    let enough = 3 + round * 7 % 23;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (api, bearer, count) = (&api, &bearer, &count);
            scope.spawn(move || {
                let agent: ureq::Agent =
                    ureq::Agent::config_builder().proxy(None).build().new_agent();
                for n in 0.. {
                    let (key, value) = (format!("{round}-{writer}-{n}"), json!(n));
                    let answer = agent
                        .put(format!("{api}/v1/spaces/home/objects/survivors"))
                        .header("authorization", bearer)
                        .send_json(json!({"value": value, "at": key}));
                    if answer.is_err() {
                        break;
                    }
                    acknowledged.lock().unwrap().insert(key, value);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let began = Instant::now();
        while count.load(Ordering::Relaxed) < enough {
            assert!(began.elapsed() < PATIENCE, "nothing is acknowledged");
            std::thread::yield_now();
        }
        device.kill();
    });
}

#[test]
fn no_acknowledged_write_is_lost_over_fifty_kills() {
    let (mut a, b) = pair();
    a.ok(&["put", "home", "survivors", "{}", "--shape", "map"]);
    let acknowledged = Mutex::new(BTreeMap::new());
    for round in 0..KILLS {
        write_until_killed(&mut a, round, &acknowledged);
        a.start(&[]);
        let kept = a.json(&["get", "home", "survivors"]);
        for (key, value) in acknowledged.lock().unwrap().iter() {
            assert_eq!(kept["value"][key], *value, "{key} was acknowledged before kill {round}");
        }
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= ACKNOWLEDGED_MIN, "only {} writes were met", acknowledged.len());
    let began = Instant::now();
    while a.digest("home") != b.digest("home") {
        assert!(began.elapsed() < PATIENCE, "the two do not agree");
        std::thread::yield_now();
    }
    let kept = b.json(&["get", "home", "survivors"]);
    assert!(acknowledged.iter().all(|(key, value)| kept["value"][key] == *value));
}
