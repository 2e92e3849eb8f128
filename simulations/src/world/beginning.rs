//! The beginning of a world: who starts when, who makes which space, who asks to be let in, who looks for whom.

use meshwork_protocol::{Outcome, Role, Time, Wish, limits};

use super::{What, World};

impl World {
    /// Everybody starts; the founders make the spaces, the others join.
    pub(super) fn begin(&mut self) {
        for device in 0..self.devices.len() {
            self.first_start(device);
        }
        self.shares = match &self.scene {
            Some(scene) => scene.spaces.iter().map(|space| space.members.clone()).collect(),
            None => vec![(0..self.members()).collect(); self.plan.spaces],
        };
        for n in 0..self.shares.len() {
            if !self.found(n) {
                self.fail("wishes", "a space was not created");
                return;
            }
        }
        for device in 0..self.members() {
            let late = self.scene.is_none() && device >= self.plan.devices;
            if !late {
                self.join_all(device);
            }
        }
        self.contacts = self.neighbours().into_iter().collect();
        for (a, b) in self.contacts.clone() {
            self.after(1, What::Connect { a, b });
        }
        if self.scene.is_none() {
            for device in 0..self.members() {
                let delay = self.about(self.plan.edit_every_ms);
                self.after(delay, What::Edit { device });
            }
        }
        let delay = self.about(self.plan.govern_every_ms);
        self.after(delay, What::Govern);
        let delay = self.about(self.faults.break_every_ms);
        self.after(delay, What::BreakLink);
        let delay = self.about(self.faults.crash_every_ms);
        self.after(delay, What::Crash);
        self.plan_troubles();
        self.plan_scene();
        self.plot();
    }

    /// Starts a device, unless its time comes later.
    fn first_start(&mut self, n: usize) {
        let starts = self.scene.as_ref().and_then(|scene| scene.group(n)).map(|g| g.starts_ms);
        match starts {
            Some(ms) if ms > 0 => {
                self.devices[n].away_until = self.now_ms + ms;
                self.after(ms, What::Restart { device: n });
            }
            _ => self.start(n),
        }
    }

    /// Lets the first of its members make a space.
    fn found(&mut self, n: usize) -> bool {
        let Some(founder) = self.shares[n].first().copied() else { return false };
        let outcome = self.wish(
            founder,
            Wish::CreateSpace { name: format!("secret space {n}"), history: self.plan.history },
        );
        let Some(Outcome::Created(space)) = outcome else { return false };
        self.spaces.push(space);
        let relays = self.shares[n].iter().any(|n| self.relays(*n));
        let role = if self.scene.is_some() { Role::Write } else { Role::Admin };
        // Disks that rot make new devices, and those want in as well.
        let uses = u32::try_from(self.shares[n].len()).unwrap_or(1).saturating_mul(20);
        let mut tickets = [None, None];
        for (ticket, role) in tickets.iter_mut().zip([Some(role), relays.then_some(Role::Relay)]) {
            let Some(role) = role else { continue };
            let (expires, addresses) = (Time(u64::MAX), Vec::new());
            let wish = Wish::Invite { space, role, expires, uses, addresses };
            if let Some(Outcome::Invited(made)) = self.wish(founder, wish) {
                *ticket = Some(*made);
            }
        }
        self.tickets.push(tickets);
        true
    }

    pub(super) fn relays(&self, n: usize) -> bool {
        let group = self.scene.as_ref().and_then(|scene| scene.group(n));
        group.is_some_and(|group| group.relay)
    }

    /// Lets a device ask to be let into every space it is to be in.
    pub(super) fn join_all(&mut self, device: usize) {
        let relays = usize::from(self.relays(device));
        for place in 0..self.tickets.len() {
            let founder = self.shares[place].first() == Some(&device);
            let known = self.devices[device].replica.as_ref();
            let known = known.and_then(|replica| replica.space(self.spaces[place])).is_some();
            if founder || known || !self.shares[place].contains(&device) {
                continue;
            }
            if let Some(ticket) = self.tickets[place][relays].clone() {
                self.wish(device, Wish::Join { ticket: Box::new(ticket) });
            }
        }
    }

    /// The pairs of devices that look for each other. A stranger looks for everybody. In a small space everybody does,
    /// in a large one each for some of those who came before: the rest is the overlay's affair.
    fn neighbours(&self) -> Vec<(usize, usize)> {
        let members = self.members();
        let Some(scene) = &self.scene else {
            let all = (1..self.devices.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
            return all.filter(|(a, b)| *b >= members || !self.plan.chain || *b == a + 1).collect();
        };
        let mut pairs = Vec::new();
        for share in &self.shares {
            let small = share.len() <= limits::FULL_MESH_MAX;
            for (place, b) in share.iter().enumerate() {
                let before = if small { place } else { (place / 6 + 1).min(place) };
                let reachable = share.iter().take(before).rev();
                let mut found = reachable.filter(|a| scene.reachable(**a, *b)).peekable();
                let few = if small { usize::MAX } else { 2 };
                if found.peek().is_none() {
                    let any = share.iter().take(place).find(|a| scene.reachable(**a, *b));
                    pairs.extend(any.map(|a| (*a.min(b), *a.max(b))));
                }
                pairs.extend(found.take(few).map(|a| (*a.min(b), *a.max(b))));
            }
        }
        pairs
    }
}
