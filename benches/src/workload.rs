//! What is scheduled when.

/// How many events enter a digest. Engines cannot always stop at an exact number.
pub const DIGESTED: u64 = 100_000;

/// An event of a benchmark, as small as events of simulators are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An entity goes on with what it does.
    Step(u32),
    /// An entity receives a message.
    Message(u32),
}

impl Event {
    /// The entity that it is about.
    #[inline]
    pub fn entity(self) -> u32 {
        match self {
            Self::Step(entity) | Self::Message(entity) => entity,
        }
    }
}

/// Marsaglia's xorshift with a multiplication (xorshift64*).
#[derive(Clone, Debug)]
pub struct Xorshift(u64);

impl Xorshift {
    /// A generator; `seed` must not be zero.
    pub fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "xorshift stays at zero");
        Self(seed)
    }

    /// The next number.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// How far ahead events are scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Uniform with mean 10^6.
    Uniform,
    /// Exponential with mean 10^6.
    Exponential,
    /// Nine in ten exponential with mean 200, one in ten with mean 10^6: steps of processors mixed
    /// with timers and requests.
    Bimodal,
    /// 1023 in 1024 exponential with mean 50, the rest with mean 10^7: hard on calendar queues.
    Skewed,
}

impl Mix {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Uniform, Self::Exponential, Self::Bimodal, Self::Skewed];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Exponential => "exponential",
            Self::Bimodal => "bimodal",
            Self::Skewed => "skewed",
        }
    }
}

const TABLE: usize = 1024;

/// Increments of a mix, drawn from two tables without a branch. None is zero, because some engines
/// cannot schedule for now.
#[derive(Clone, Debug)]
pub struct Increments {
    /// The common table, then the rare one.
    table: Vec<u64>,
    /// Draws below this are rare, in 2^32.
    rare: u32,
}

impl Increments {
    /// The tables of a mix.
    pub fn new(mix: Mix) -> Self {
        let quantile = |i: usize| (i as f64 + 0.5) / TABLE as f64;
        let uniform = |i| 2e6 * quantile(i);
        let exponential = |mean: f64| move |i| -mean * quantile(i).ln();
        let table = |of: &dyn Fn(usize) -> f64| (0..TABLE).map(|i| of(i).max(1.0) as u64).collect();
        let (common, rare, share): (Vec<u64>, Vec<u64>, f64) = match mix {
            Mix::Uniform => (table(&uniform), Vec::new(), 0.0),
            Mix::Exponential => (table(&exponential(1e6)), Vec::new(), 0.0),
            Mix::Bimodal => (table(&exponential(200.0)), table(&exponential(1e6)), 0.1),
            Mix::Skewed => (table(&exponential(50.0)), table(&exponential(1e7)), 1.0 / 1024.0),
        };
        Self { table: [common, rare].concat(), rare: (share * 2f64.powi(32)) as u32 }
    }

    /// The next increment.
    #[inline]
    pub fn draw(&self, random: u64) -> u64 {
        let rare = ((random >> 32) as u32) < self.rare;
        self.table[random as usize % TABLE + usize::from(rare) * TABLE]
    }
}

/// A digest of events in their order.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    value: u64,
    count: u64,
}

impl Digest {
    /// Takes in the next event.
    #[inline]
    pub fn event(&mut self, time: u64, entity: u32) {
        if self.count < DIGESTED {
            self.count += 1;
            let mixed = self.value.rotate_left(9) ^ time ^ u64::from(entity) << 44;
            self.value = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    /// The digest so far.
    pub fn value(&self) -> u64 {
        self.value
    }
}

/// What happens at an event.
pub trait Load {
    /// The events pending at time zero, with their times.
    fn initial(&mut self) -> Vec<(u64, Event)>;

    /// Lets `event` happen at `time`; returns what it schedules, and how much later.
    fn event(&mut self, time: u64, event: Event) -> (u64, Event);

    /// A digest of the first events.
    fn digest(&self) -> u64;
}

/// The hold model: every event schedules itself again.
#[derive(Clone, Debug)]
pub struct Hold {
    pending: u32,
    random: Xorshift,
    increments: Increments,
    digest: Digest,
}

impl Hold {
    /// A hold model with so many pending events.
    pub fn new(pending: u32, mix: Mix) -> Self {
        let increments = Increments::new(mix);
        Self { pending, random: Xorshift::new(1), increments, digest: Digest::default() }
    }
}

impl Load for Hold {
    fn initial(&mut self) -> Vec<(u64, Event)> {
        let Self { random, increments, .. } = self;
        let step = |i| (increments.draw(random.draw()), Event::Step(i));
        (0..self.pending).map(step).collect()
    }

    #[inline]
    fn event(&mut self, time: u64, event: Event) -> (u64, Event) {
        self.digest.event(time, event.entity());
        (self.increments.draw(self.random.draw()), event)
    }

    fn digest(&self) -> u64 {
        self.digest.value()
    }
}

/// Entities on a ring that send each other messages: one that receives a message updates its state
/// and sends one to one of four neighbours, with exponential delay.
#[derive(Clone, Debug)]
pub struct Phold {
    entities: Vec<u64>,
    messages: u32,
    random: Xorshift,
    increments: Increments,
    digest: Digest,
}

/// Entities of [`Phold`].
pub const ENTITIES: usize = 1024;

impl Phold {
    /// So many messages for each entity.
    pub fn new(messages: u32) -> Self {
        Self {
            entities: vec![0; ENTITIES],
            messages,
            random: Xorshift::new(2),
            increments: Increments::new(Mix::Exponential),
            digest: Digest::default(),
        }
    }
}

impl Load for Phold {
    fn initial(&mut self) -> Vec<(u64, Event)> {
        let messages = (0..self.messages).flat_map(|_| 0..ENTITIES as u32);
        let Self { random, increments, .. } = self;
        messages.map(|to| (increments.draw(random.draw()), Event::Message(to))).collect()
    }

    #[inline]
    fn event(&mut self, time: u64, event: Event) -> (u64, Event) {
        let entity = event.entity();
        self.digest.event(time, entity);
        let state = &mut self.entities[entity as usize % ENTITIES];
        *state = state.wrapping_mul(5).wrapping_add(time);
        let random = self.random.draw();
        const NEIGHBOURS: [u32; 4] = [1, 32, ENTITIES as u32 - 1, ENTITIES as u32 - 32];
        let to = (entity + NEIGHBOURS[(random >> 20) as usize % 4]) % ENTITIES as u32;
        (self.increments.draw(random), Event::Message(to))
    }

    fn digest(&self) -> u64 {
        self.digest.value()
    }
}
