//! Seeds of the simulated world: anything may fail, then all must agree and nothing promised be gone.

/// Seeds that once failed.
fn remembered() -> impl Iterator<Item = u64> {
    include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        line.split(' ')
            .next()
            .and_then(|seed| seed.parse().ok())
            .expect("a line starts with its seed")
    })
}

/// Runs seeds on all cores; every one must pass, and together they must have met every kind of trouble.
#[test]
fn members_agree_and_keep_their_promises_whatever_fails() {
    let seeds: Vec<u64> = (0..48).chain(remembered()).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let reports = std::sync::Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let take = || seeds.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                while let Some(seed) = take() {
                    let report = meshwork_sim::run(*seed);
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap();
    for report in &reports {
        assert!(report.failures.is_empty(), "{}\n{:?}", report.plan, report.failures);
        assert!(report.converged);
    }
    let sum = |of: fn(&meshwork_sim::Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(sum(|report| report.granted as u64) > 1_000);
    assert!(sum(|report| report.crashes) > 20);
    assert!(reports.iter().any(|report| report.plan.stranger));
    assert!(reports.iter().any(|report| report.plan.chain));
    assert!(reports.iter().any(|report| report.plan.late_devices > 0));
    assert!(reports.iter().any(|report| report.plan.faults.corruption_per_mille > 0));
}
