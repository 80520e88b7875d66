//! EEVDF against arithmetic and against its definition.

use super::*;
use crate::config::SchedParams;
use proptest::prelude::*;

const US: Vruntime = 1_000_000;

fn eevdf() -> EevdfParams {
    EevdfParams {
        base_slice: SimDuration::from_us(750),
        run_to_parity: true,
        place_lag: true,
        delay_dequeue: true,
        preempt_short: true,
        wakeup_preemption: true,
        tick: SimDuration::from_ms(4),
    }
}

struct Cpu {
    queue: RunQueue,
    entities: Vec<Entity>,
    params: SchedParams,
}

impl Cpu {
    fn new(count: usize, params: EevdfParams) -> Self {
        let (queue, params) = (RunQueue::default(), SchedParams::Eevdf(params));
        let mut cpu = Self { queue, entities: vec![Entity::default(); count], params };
        for id in 0..count as u32 {
            cpu.queue.enqueue_new(id, &mut cpu.entities, &cpu.params);
        }
        cpu.pick();
        cpu
    }

    fn pick(&mut self) -> Option<u32> {
        self.queue.pick_again(false, &mut self.entities, &self.params)
    }

    fn sleep(&mut self) -> Option<u32> {
        self.queue.pick_again(true, &mut self.entities, &self.params)
    }

    fn run(&mut self, us: u64) -> bool {
        self.queue.charge(&mut self.entities, SimDuration::from_us(us), &self.params)
    }

    fn wake(&mut self, id: u32) -> bool {
        self.queue.enqueue_woken(id, &mut self.entities, &self.params);
        self.queue.wakeup_preempts(id, &self.entities, &self.params)
    }
}

/// Who was picked again has no protection: it gives way once it has had more than its share, not at its next
/// deadline only.
#[test]
fn who_runs_on_is_looked_at_again() {
    for preempt_short in [true, false] {
        let mut cpu = Cpu::new(1, EevdfParams { preempt_short, ..eevdf() });
        cpu.run(100);
        cpu.entities.push(Entity { lag: -1000 * US, ..Entity::default() });
        assert!(!cpu.wake(1), "it stands at 2100 us, in debt");
        // Deadlines at 375, 1125 and 1875 us; the running one is picked again each time.
        for (us, at) in [(275, 375), (800, 1175), (750, 1925)] {
            assert!(cpu.run(us), "the slice is over at {at} us");
            assert_eq!(cpu.pick(), Some(0));
        }
        assert!(!cpu.run(150), "at 2075 us it has not had its share yet");
        assert_eq!(
            cpu.run(50),
            preempt_short,
            "at 2125 us it has, and the next deadline is 2675 us"
        );
    }
}

#[test]
fn equal_entities_share_equally_and_change_at_ticks() {
    let mut cpu = Cpu::new(3, eevdf());
    let mut had = [0u64; 3];
    for _ in 0..3000 {
        let current = cpu.queue.current.expect("somebody runs") as usize;
        had[current] += 4000;
        if cpu.run(4000) {
            cpu.pick();
        }
    }
    let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
    assert!(most - least <= 8000, "{had:?}");
}

#[test]
fn one_that_is_owed_time_preempts_when_it_wakes() {
    let mut cpu = Cpu::new(2, eevdf());
    assert_eq!(cpu.queue.current, Some(0));
    cpu.run(100);
    // Entity 0 has had more than its share, so that it stays in the queue, in debt.
    assert_eq!(cpu.sleep(), Some(1));
    assert!(cpu.entities[0].delayed && cpu.queue.running() == 1);
    assert!(!cpu.queue.is_of_one(), "who only pays its debt counts in `nr_running`");
    cpu.run(50);
    assert!(!cpu.wake(0), "it is still in debt");
    assert!(!cpu.entities[0].delayed);
    // Now 1 sleeps, with a lag that it keeps, and 0 runs on alone.
    assert_eq!(cpu.sleep(), Some(0));
    let lag = cpu.entities[1].lag;
    assert!(lag > 0);
    cpu.run(400);
    assert!(cpu.wake(1), "owed {lag}");
    // It asks for more than its lag, because joining moves the average.
    let average = cpu.queue.average(&cpu.entities);
    assert!((average - cpu.entities[1].vruntime - lag).abs() <= 1);
}

#[test]
fn one_without_lag_waits_for_the_end_of_a_slice() {
    let mut cpu = Cpu::new(2, eevdf());
    cpu.run(100);
    cpu.sleep();
    // Entity 1 runs until the debt of entity 0 is paid, and a choice lets that one go.
    cpu.run(300);
    assert_eq!(cpu.pick(), Some(1));
    assert!(!cpu.entities[0].delayed && cpu.entities[0].lag == 0);
    // It joins exactly at the average, where the running one stands too: nothing changes hands.
    assert!(!cpu.wake(0));
    // Half a slice less what has run: the rest of it ends the protection.
    assert!(cpu.run(4000), "the slice is over");
    assert_eq!(cpu.pick(), Some(0));
}

#[test]
fn parity_protects_an_eligible_entity_only() {
    let mut cpu = Cpu::new(3, eevdf());
    let first = cpu.queue.current;
    // It is ahead of the others now, so that somebody else is eligible and it is not.
    cpu.run(10);
    assert_ne!(cpu.pick(), first);
    let relaxed = EevdfParams { run_to_parity: false, ..eevdf() };
    let mut cpu = Cpu::new(1, relaxed);
    cpu.run(300);
    cpu.entities.push(Entity { lag: -100 * US, ..Entity::default() });
    assert!(!cpu.wake(1), "in debt, it is not eligible");
}

#[test]
fn lag_is_limited() {
    let mut cpu = Cpu::new(2, EevdfParams { delay_dequeue: false, ..eevdf() });
    cpu.run(100_000);
    cpu.sleep();
    assert_eq!(cpu.entities[0].lag, -4000 * US, "one tick");
}

#[test]
fn an_entity_moves_with_its_lag_and_the_rest_of_its_slice() {
    let mut cpu = Cpu::new(3, eevdf());
    cpu.run(200);
    let (before, average) = (cpu.entities[2], cpu.queue.average(&cpu.entities));
    let mut other = RunQueue::default();
    assert!(cpu.queue.migrate(2, &mut other, &mut cpu.entities, &cpu.params));
    assert!(!cpu.queue.migrate(2, &mut other, &mut cpu.entities, &cpu.params));
    let after = cpu.entities[2];
    assert_eq!(after.lag, average - before.vruntime);
    assert_eq!(after.deadline - after.vruntime, before.deadline - before.vruntime);
    assert_eq!(other.pick(&mut cpu.entities, &cpu.params), Some(2));
}

/// The kernel's rule again, from its definition: the earliest deadline among the eligible.
fn best(cpu: &Cpu) -> Option<u32> {
    let ids: Vec<u32> = (0..cpu.entities.len() as u32)
        .filter(|id| {
            cpu.queue.current == Some(*id) || cpu.queue.waiting.iter().any(|w| w.id == *id)
        })
        .collect();
    let total: i128 = ids.iter().map(|&id| i128::from(cpu.entities[id as usize].vruntime)).sum();
    let count = ids.len() as i128;
    let owed = |id: &u32| i128::from(cpu.entities[*id as usize].vruntime) * count <= total;
    ids.into_iter().filter(owed).min_by_key(|&id| {
        let waits = cpu.queue.current != Some(id);
        (cpu.entities[id as usize].deadline, !waits, id)
    })
}

proptest! {
    /// Whatever tasks do: everybody is in one place, somebody is always eligible, the choice is
    /// the earliest eligible deadline, and nobody is owed more than the limit.
    #[test]
    fn the_queue_keeps_its_promises(ops in prop::collection::vec((0u8..4, 1u64..2000, 0u32..5), 1..200)) {
        let mut cpu = Cpu::new(5, EevdfParams { run_to_parity: false, ..eevdf() });
        let mut asleep = [false; 5];
        for (op, us, id) in ops {
            match op {
                0 | 1 => { cpu.run(us); cpu.pick(); }
                2 => if let Some(current) = cpu.queue.current {
                    cpu.run(us);
                    asleep[current as usize] = true;
                    cpu.sleep();
                },
                _ => if asleep[id as usize] {
                    asleep[id as usize] = false;
                    if !RunQueue::is_delayed(id, &cpu.entities) { cpu.run(us); }
                    cpu.wake(id);
                    if cpu.queue.current.is_none() { cpu.pick(); }
                },
            }
            let awake = asleep.iter().filter(|asleep| !**asleep).count();
            prop_assert_eq!(cpu.queue.running(), awake);
            prop_assert_eq!(cpu.queue.waiting(&cpu.entities).count() + usize::from(cpu.queue.current.is_some()), awake);
            let SchedParams::Eevdf(params) = &cpu.params else { unreachable!() };
            let choice = cpu.queue.choice(&cpu.entities, params);
            if cpu.queue.waiting.len() + usize::from(cpu.queue.current.is_some()) > 1 {
                prop_assert_eq!(choice, best(&cpu));
            }
            prop_assert!(cpu.entities.iter().all(|entity| entity.lag.abs() <= 4000 * US));
        }
    }
}

#[test]
fn who_yields_forfeits_its_slice_if_it_has_had_no_more_than_its_share() {
    for (ran, forfeits) in [(0, true), (10, false)] {
        let mut cpu = Cpu::new(2, eevdf());
        let first = cpu.queue.current.expect("somebody runs");
        cpu.run(ran);
        let before = cpu.entities[first as usize];
        cpu.queue.yield_current(&mut cpu.entities, &cpu.params);
        let after = cpu.entities[first as usize];
        assert_eq!(after.vruntime == before.deadline, forfeits);
        assert_eq!(after.deadline - before.deadline, if forfeits { 750 * US } else { 0 });
        assert_ne!(cpu.pick(), Some(first));
    }
}
