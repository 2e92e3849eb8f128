//! The overlay of a large space: it holds together, keeps few links, and heals.

use meshwork_protocol::limits;
use meshwork_sim::swarm::Swarm;

/// How long links settle, in milliseconds.
const SETTLED_MS: u64 = 180_000;

fn grown(seed: u64, devices: usize) -> Swarm {
    let mut swarm = Swarm::new(seed, 1);
    swarm.join(devices, 20_000, 2);
    let end = swarm.now_ms() + SETTLED_MS;
    swarm.run_until(end);
    swarm
}

fn wait(swarm: &mut Swarm, ms: u64) {
    let end = swarm.now_ms() + ms;
    swarm.run_until(end);
}

#[test]
fn up_to_sixteen_devices_everybody_links_with_everybody() {
    for seed in 0..8 {
        let devices = 2 + seed as usize * 2;
        let swarm = grown(seed, devices);
        let all = vec![devices - 1; devices];
        assert_eq!(swarm.degrees(), all, "seed {seed}");
    }
}

#[test]
fn a_large_overlay_holds_together_with_about_eight_links_each() {
    for seed in 0..10 {
        let devices = 40 + seed as usize * 31;
        let swarm = grown(seed, devices);
        let degrees = swarm.degrees();
        assert_eq!(swarm.parts(), 1, "seed {seed}");
        let (least, most) = (degrees.iter().min().unwrap(), degrees.iter().max().unwrap());
        let mean = degrees.iter().sum::<usize>() as f64 / devices as f64;
        assert!(*least >= limits::OVERLAY_LINKS - 2, "seed {seed}: {least}");
        assert!(*most <= limits::OVERLAY_LINKS_CAP + 1, "seed {seed}: {most}");
        assert!((7.9..9.0).contains(&mean), "seed {seed}: {mean}");
    }
}

#[test]
fn half_of_all_may_die_at_once() {
    for seed in 0..10 {
        let mut swarm = grown(seed, 200);
        for node in (0..200).filter(|node| node % 2 == (seed as usize) % 2) {
            swarm.kill(node);
        }
        wait(&mut swarm, 60_000);
        assert_eq!(swarm.parts(), 1, "seed {seed}");
        let degrees = swarm.degrees();
        let poor = degrees.iter().filter(|links| **links < limits::OVERLAY_LINKS - 2).count();
        assert!(poor <= degrees.len() / 50, "seed {seed}: {poor} lack links");
    }
}

#[test]
fn devices_come_and_go_and_those_that_stay_remain_one() {
    for seed in 0..8 {
        let mut swarm = grown(seed, 150);
        for round in 0..60_usize {
            let node = 2 + (round * 37 + seed as usize * 11) % 148;
            if swarm.up_since(node).is_some() {
                swarm.kill(node);
            } else {
                swarm.start(node, 2);
            }
            wait(&mut swarm, 1_000);
            let degrees = swarm.degrees();
            assert!(degrees.iter().all(|links| *links <= limits::OVERLAY_LINKS_MAX));
        }
        wait(&mut swarm, 30_000);
        assert_eq!(swarm.parts(), 1, "seed {seed}");
    }
}

#[test]
fn links_become_shorter_by_and_by() {
    let mut swarm = Swarm::new(5, 1);
    swarm.join(200, 10_000, 2);
    let before = swarm.latency_ms();
    wait(&mut swarm, 600_000);
    let after = swarm.latency_ms();
    assert!(after < before - 1.0, "{before} to {after}");
    assert_eq!(swarm.parts(), 1);
}

#[test]
fn a_member_that_lies_fills_no_more_than_its_share() {
    let mut swarm = grown(3, 60);
    for round in 0..200 {
        swarm.tell_lies(1, 7, round);
    }
    assert!(swarm.known(7) <= limits::OVERLAY_KNOWN_MAX);
    wait(&mut swarm, 60_000);
    assert_eq!(swarm.parts(), 1);
    assert!(swarm.degrees().iter().all(|links| *links >= limits::OVERLAY_LINKS - 2));
}

#[test]
fn the_same_seed_gives_the_same_links() {
    assert_eq!(grown(9, 120).hash(), grown(9, 120).hash());
    assert_ne!(grown(9, 120).hash(), grown(10, 120).hash());
}
