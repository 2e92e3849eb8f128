//! Smaller plans that fail in the same way: what a person wants to look at.
//!
//! A plan that breaks an invariant in → the smallest found that breaks the same one. One thing at a time is made
//! kinder or smaller, and kept so if the run still fails; again, until nothing helps. No search but this one: a run
//! that is changed is another run, so there is no telling which change will keep the failure.

use meshwork_protocol::History;

use crate::plan::{NEVER, Plan, Scene};
use crate::run_plan;
use crate::world::Report;

/// Shortest storm that is tried, in milliseconds.
const STORM_MS_MIN: u64 = 1_000;

/// What became of a plan that was made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest run that failed.
    pub report: Report,
    /// What was taken away, in order.
    pub steps: Vec<String>,
    /// Runs that were tried.
    pub runs: u64,
}

/// Makes a plan that failed smaller, within so many runs. `None` if it does not fail at all.
#[must_use]
pub fn shrink(plan: &Plan, runs_max: u64, say: &dyn Fn(&str)) -> Option<Shrunk> {
    let report = run_plan(plan.clone());
    let invariant = report.failures.first()?.invariant;
    let mut best = Shrunk { report, steps: Vec::new(), runs: 1 };
    loop {
        let mut smaller = false;
        for (step, plan) in candidates(&best.report.plan) {
            if best.runs >= runs_max {
                return Some(best);
            }
            best.runs += 1;
            let report = run_plan(plan);
            if report.failures.first().is_some_and(|failure| failure.invariant == invariant) {
                say(&step);
                best.steps.push(step);
                best.report = report;
                smaller = true;
                break;
            }
        }
        if !smaller {
            return Some(best);
        }
    }
}

/// Plans that are a little smaller or kinder, those first that save most.
fn candidates(plan: &Plan) -> Vec<(String, Plan)> {
    let mut all: Vec<(String, Plan)> = Vec::new();
    let mut offer = |step: String, change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        if smaller != *plan {
            all.push((step, smaller));
        }
    };
    for (from, to) in [(1, 2), (3, 4), (9, 10)] {
        let storm_ms = plan.storm_ms * from / to;
        if storm_ms >= STORM_MS_MIN {
            offer(format!("a storm of {} s", storm_ms / 1_000), &|it| it.storm_ms = storm_ms);
        }
    }
    match &plan.scene {
        None => smaller_chaos(plan, &mut offer),
        Some(scene) => smaller_scene(scene, &mut offer),
    }
    offer("no stranger".to_owned(), &|it| it.stranger = false);
    offer("all of the past for newcomers".to_owned(), &|it| it.history = History::All);
    for (name, mischief) in plan.mischief.without_each() {
        offer(format!("without {name}"), &|it| it.mischief = mischief.clone());
    }
    for (name, faults) in plan.faults.without_each() {
        offer(format!("no {name}"), &|it| it.faults = faults);
    }
    all
}

/// Takes a name for a step and what it does to a plan.
type Offer<'a> = dyn FnMut(String, &dyn Fn(&mut Plan)) + 'a;

/// Fewer devices and spaces, which are all alike.
fn smaller_chaos(plan: &Plan, offer: &mut Offer<'_>) {
    offer("no device that comes late".to_owned(), &|it| it.late_devices = 0);
    if plan.devices > 2 {
        offer(format!("{} devices", plan.devices - 1), &|it| {
            it.devices -= 1;
            it.liars.retain(|(liar, _)| *liar < it.devices);
        });
    }
    if plan.spaces > 1 {
        offer(format!("{} spaces", plan.spaces - 1), &|it| it.spaces -= 1);
    }
    offer("each linked with each".to_owned(), &|it| it.chain = false);
    offer("members stay".to_owned(), &|it| it.govern_every_ms = NEVER);
    offer("clocks that are right".to_owned(), &|it| it.skew_ms_max = 0);
    offer("one version".to_owned(), &|it| {
        it.older_devices = 0;
        it.newer_devices = 0;
    });
    for (n, (device, lies)) in plan.liars.iter().enumerate() {
        offer(format!("device {device} does not lie"), &|it| drop(it.liars.remove(n)));
        for (at, lie) in lies.iter().enumerate() {
            if lies.len() > 1 {
                offer(format!("device {device} without {lie:?}"), &|it| {
                    it.liars[n].1.remove(at);
                });
            }
        }
    }
}

/// Fewer things that happen and that people do.
fn smaller_scene(scene: &Scene, offer: &mut Offer<'_>) {
    for (n, occasion) in scene.occasions.iter().enumerate() {
        offer(format!("no {}", occasion.deed.told().0), &|it| {
            if let Some(scene) = &mut it.scene {
                scene.occasions.remove(n);
            }
        });
    }
    for (n, group) in scene.groups.iter().enumerate() {
        for at in 0..group.work.len() {
            offer(format!("{} do less", group.name), &|it| {
                if let Some(scene) = &mut it.scene {
                    scene.groups[n].work.remove(at);
                }
            });
        }
        for at in 0..group.lies.len() {
            offer(format!("{} without a lie", group.name), &|it| {
                if let Some(scene) = &mut it.scene {
                    scene.groups[n].lies.remove(at);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Expect;
    use crate::world::World;

    /// A scenario that expects what cannot be fails for that alone, whatever else goes on in it.
    #[test]
    fn what_a_failure_does_not_need_is_taken_away() {
        let mut plan = crate::scenario::plan("power-cuts", 1, true).unwrap();
        plan.storm_ms = 20_000;
        let expect = Expect { sent_bytes_max: Some(1), ..Expect::default() };
        plan.scene.as_mut().unwrap().expect = expect;
        let shrunk = shrink(&plan, 60, &|_| {}).unwrap();
        assert_eq!(shrunk.report.failures[0].invariant, "expectation");
        let smaller = &shrunk.report.plan;
        assert!(smaller.storm_ms < 2_000);
        assert_eq!(smaller.faults.crash_every_ms, NEVER);
        assert!(smaller.scene.as_ref().unwrap().occasions.is_empty());
        let again = World::new(smaller.clone()).run();
        assert_eq!(again.trace_hash, shrunk.report.trace_hash);
    }

    #[test]
    fn a_plan_that_does_not_fail_is_left_alone() {
        assert!(shrink(&Plan::draw_storm(11), 10, &|_| {}).is_none());
    }
}
