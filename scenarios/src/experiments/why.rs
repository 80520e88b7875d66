//! Why one request or one fault took so long: the policy runs once to find it, and once to look at who held
//! what meanwhile.

use std::ops::ControlFlow;
use std::str::FromStr;

use models::base::record::Record;
use models::config::Policy;
use models::machine::{Prefix, RunOutput, Watch};
use models::trace::anatomy::{FaultSeen, Kept, LEAD, Pick, Timed};
use models::trace::digest::DigestValue;
use models::trace::requests::{RequestKey, RequestSeen};
use models::trace::why::{Chain, Scene, SceneLog, of_fault, of_request};
use sim_core::{SimDuration, SimTime};

use super::first_replication::FirstReplication;
use crate::run::error::RunnerError;
use crate::run::runner::Progress;
use crate::scenario::resolve::Scenario;

/// Which of all requests or faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// By the share that is not slower.
    Pick(Pick),
    /// By its place among the slowest, from 1.
    Slowest(u32),
}

impl FromStr for Rank {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Pick::ALL.into_iter().find(|pick| pick.name() == text);
        match (known, text, text.parse()) {
            (Some(pick), ..) => Ok(Self::Pick(pick)),
            (_, "slowest", _) => Ok(Self::Slowest(1)),
            (_, _, Ok(number)) if number > 0 => Ok(Self::Slowest(number)),
            _ => {
                Err("`slowest`, `median`, `p90`, `p99`, `p999`, or N for the N-th slowest"
                    .to_owned())
            }
        }
    }
}

impl Rank {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Pick(Pick::Worst) | Self::Slowest(1) => "slowest".to_owned(),
            Self::Pick(pick) => pick.name().to_owned(),
            Self::Slowest(number) => format!("number {number} of the slowest"),
        }
    }

    fn of<T: Timed + Clone>(self, all: &Kept<T>) -> Option<T> {
        match self {
            Self::Pick(pick) => all.pick(pick),
            Self::Slowest(number) => all.slowest(number as usize),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A request.
    Request(Rank),
    /// A major fault.
    Fault(Rank),
    /// A request where the scenario has some, else a fault: the slowest.
    Any,
}

/// Why something took so long.
#[derive(Clone, Debug, PartialEq)]
pub struct WhyReport {
    /// Name of the scenario.
    pub scenario: String,
    /// Version of the program that ran it.
    pub version: String,
    /// [`Scenario::hash`](crate::scenario::resolve::Scenario::hash).
    pub scenario_hash: String,
    /// Seed of the scenario; the first replication is shown.
    pub seed: u64,
    /// Measured time of the run.
    pub duration: SimDuration,
    /// Virtual processors of the guests.
    pub vcpus: u16,
    /// Names of the guests' tasks, by number.
    pub tasks: Vec<String>,
    /// Names of locks, barriers and semaphores, by number.
    pub syncs: Vec<String>,
    /// Names of the host's threads behind those of the vCPUs, up to the first worker.
    pub threads: Vec<String>,
    /// Name of the policy.
    pub policy: String,
    /// Digest of the run.
    pub digest: DigestValue,
    /// Which one it is.
    pub rank: Rank,
    /// Of how many.
    pub count: u64,
    /// Whether `rank` is exact: not where there were so many that the list was thinned out.
    pub exact: bool,
    /// What took so long.
    pub subject: Subject,
    /// The links.
    pub chain: Chain,
}

/// What took so long.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A request, with its parts and stretches.
    Request(Box<RequestSeen>),
    /// A fault.
    Fault(FaultSeen),
}

impl Subject {
    /// When it arrived or began.
    pub fn begin(&self) -> SimTime {
        match self {
            Self::Request(request) => {
                let (begin, waited) = (request.key.begin.as_ps(), request.waited.as_ps());
                SimTime::from_ps(begin.saturating_sub(waited))
            }
            Self::Fault(fault) => fault.begin,
        }
    }

    /// How long it took.
    pub fn latency(&self) -> SimDuration {
        match self {
            Self::Request(request) => request.latency(),
            Self::Fault(fault) => fault.latency(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// There is nothing of the kind, or not so many.
    #[error(
        "`{policy}` has no such {what} in {duration} of `{scenario}`: there are {count}\n  help: {help}"
    )]
    None {
        /// The scenario.
        scenario: String,
        /// The policy.
        policy: String,
        /// A request or a fault.
        what: &'static str,
        /// Its measured time.
        duration: SimDuration,
        /// How many there are.
        count: u64,
        /// What would help.
        help: &'static str,
    },
}

/// Runs the first replication of a scenario under the first of its policies and says why what is asked for
/// took so long.
///
/// # Errors
/// When a run fails, and when there is no such request or fault.
pub fn find_why(
    scenario: &Scenario,
    question: Question,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<WhyReport, WhyError> {
    let policy = scenario.policies[0].name.clone();
    let only = Scenario { policies: vec![scenario.policies[0].clone()], ..scenario.clone() };
    let runs = FirstReplication::new(&only, progress);
    let ask = Asked { runs: &runs, scenario: &only };
    let mut answers = runs.each_policy(|prefix, policy| ask.about(question, prefix, policy))?;
    let Some(answer) = answers.pop() else { unreachable!("there is one policy") };
    answer.map_err(|count| none(scenario, policy, question, count))
}

fn none(scenario: &Scenario, policy: String, question: Question, count: u64) -> WhyError {
    let (what, help) = match question {
        Question::Request(_) => (
            "request",
            "mark requests with the operation `request`, or say `\"requests\": \"passes\"` of a group of \
             tasks, or choose a longer --duration or a lower rank",
        ),
        Question::Fault(_) | Question::Any => (
            "major fault",
            "choose a longer --duration, a lower rank, or a scenario whose memory does not fit into \
             host.memory_limit",
        ),
    };
    let (scenario, duration) = (scenario.name.clone(), scenario.duration);
    WhyError::None { scenario, policy, what, duration, count, help }
}

struct Asked<'a> {
    runs: &'a FirstReplication<'a>,
    scenario: &'a Scenario,
}

/// An answer, or how many there are of what was asked for.
type Answer = Result<WhyReport, u64>;

impl Asked<'_> {
    fn about(
        &self,
        question: Question,
        prefix: &Prefix,
        policy: &Policy,
    ) -> Result<Answer, RunnerError> {
        match question {
            Question::Request(rank) => self.request(rank, prefix, policy),
            Question::Fault(rank) => self.fault(rank, prefix, policy),
            Question::Any => {
                let slowest = Rank::Slowest(1);
                match self.request(slowest, prefix, policy)? {
                    Ok(found) => Ok(Ok(found)),
                    Err(_) => self.fault(slowest, prefix, policy),
                }
            }
        }
    }

    fn request(&self, rank: Rank, prefix: &Prefix, policy: &Policy) -> Result<Answer, RunnerError> {
        let no_list = || self.runs.internal(policy, "no list of requests");
        let first = self.runs.run(prefix, policy, Watch::Requests(Vec::new()))?;
        let all = &first.requests.as_ref().ok_or_else(no_list)?.all;
        let Some(found) = rank.of(all) else { return Ok(Err(all.count)) };
        let span = (Subject::Request(Box::new(found.clone())).begin(), found.end);
        let keys: Vec<RequestKey> = vec![found.key];
        let (second, scene) =
            self.scene((prefix, policy), &first, Watch::Requests(keys), (found.key.task, span))?;
        let watched = second.requests.ok_or_else(no_list)?.watched;
        let seen = watched.into_iter().find(|seen| seen.key == found.key);
        let request =
            seen.ok_or_else(|| self.runs.internal(policy, "a request was not found again"))?;
        let chain = of_request(&request, &scene);
        let (subject, count) = (Subject::Request(Box::new(request)), (all.count, all.every == 1));
        Ok(Ok(self.report(policy, &first, (rank, count), subject, chain)))
    }

    fn fault(&self, rank: Rank, prefix: &Prefix, policy: &Policy) -> Result<Answer, RunnerError> {
        let no_list = || self.runs.internal(policy, "no list of faults");
        let first = self.runs.run(prefix, policy, Watch::Faults)?;
        let all = first.faults.as_ref().ok_or_else(no_list)?;
        let Some(fault) = rank.of(all) else { return Ok(Err(all.count)) };
        let span = (fault.begin, fault.end);
        let (_, scene) =
            self.scene((prefix, policy), &first, Watch::Nothing, (fault.task, span))?;
        let (subject, count) = (Subject::Fault(fault), (all.count, all.every == 1));
        Ok(Ok(self.report(policy, &first, (rank, count), subject, of_fault(&fault, &scene))))
    }

    /// The same run again, and who held what in the span.
    fn scene(
        &self,
        (prefix, policy): (&Prefix, &Policy),
        first: &RunOutput,
        watch: Watch,
        (task, (from, to)): (models::base::ids::TaskId, (SimTime, SimTime)),
    ) -> Result<(RunOutput, Scene), RunnerError> {
        let from = SimTime::from_ps(from.as_ps().saturating_sub(LEAD.as_ps()));
        let to = SimTime::from_ps(to.as_ps().saturating_add(LEAD.as_ps()));
        let mut log = SceneLog::new(self.scenario.machine.vcpus(), task, (from, to));
        let mut observe = |records: &[Record]| {
            log.observe(records);
            ControlFlow::Continue(())
        };
        let second = self.runs.again_observed(prefix, policy, first, watch, Some(&mut observe))?;
        Ok((second, log.finish()))
    }

    fn report(
        &self,
        policy: &Policy,
        run: &RunOutput,
        (rank, (count, exact)): (Rank, (u64, bool)),
        subject: Subject,
        chain: Chain,
    ) -> WhyReport {
        let scenario = self.scenario;
        let syncs = scenario.machine.workload.syncs.iter();
        WhyReport {
            scenario: scenario.name.clone(),
            version: crate::version::VERSION.into(),
            scenario_hash: scenario.hash(),
            seed: scenario.seed,
            duration: scenario.duration,
            vcpus: scenario.machine.vcpus(),
            tasks: self.runs.task_names(run),
            syncs: syncs.map(|sync| sync.name.to_string()).collect(),
            threads: scenario.machine.thread_names(),
            policy: policy.name.to_string(),
            digest: run.digest,
            rank,
            count,
            exact,
            subject,
            chain,
        }
    }
}

#[cfg(test)]
mod tests {
    use models::trace::anatomy::Part;
    use models::trace::requests::RequestPart;
    use models::trace::why::{Cause, Doing};

    use super::*;
    use crate::scenario::resolve::ScenarioOverrides;

    #[track_caller]
    fn why(name: &str, policy: &str, duration: &str, question: Question) -> WhyReport {
        let scenario =
            Scenario::load_with(name, &[format!("duration={duration}")]).expect("a scenario");
        let overrides =
            ScenarioOverrides { policies: vec![policy.to_owned()], ..Default::default() };
        let scenario = scenario.with_overrides(&overrides).expect("a policy");
        find_why(&scenario, question, &|_| {}).expect("there is one")
    }

    /// From begin to end without a gap, and no cause is longer than its link but those of several threads.
    #[track_caller]
    fn whole(report: &WhyReport) {
        let links = &report.chain.links;
        let begin = report.subject.begin();
        assert_eq!(links.first().map(|link| link.from), Some(begin));
        assert_eq!(links.last().map(|link| link.to.since(begin)), Some(report.subject.latency()));
        for pair in links.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
        }
        for link in links {
            for cause in &link.causes {
                match cause {
                    Cause::Serves { span, .. }
                    | Cause::Task { span, .. }
                    | Cause::Asleep { span, .. }
                    | Cause::Handler { span, .. }
                    | Cause::Thread { span, .. } => assert!(*span <= link.span(), "{link:?}"),
                    _ => {}
                }
            }
        }
    }

    /// The parts of the chain are those that the anatomy of the request has.
    #[test]
    fn a_request_is_explained_from_arrival_to_end() {
        for policy in ["sync", "apf-v6.12"] {
            for rank in [Rank::Slowest(1), Rank::Pick(Pick::P99), Rank::Slowest(5)] {
                let found = why("lab-requests-4f", policy, "300ms", Question::Request(rank));
                whole(&found);
                let Subject::Request(request) = &found.subject else {
                    unreachable!("asked for one")
                };
                let own: u64 = found
                    .chain
                    .links
                    .iter()
                    .map(|link| match link.doing {
                        Doing::Fault(..) | Doing::Request(RequestPart::Device) => {
                            link.span().as_ps()
                        }
                        Doing::Request(_) => 0,
                    })
                    .sum();
                assert_eq!(own, request.parts.get(RequestPart::Device).as_ps());
                let queue = |link: &&models::trace::why::Link| {
                    link.doing == Doing::Request(RequestPart::Queue)
                };
                let queued: u64 =
                    found.chain.links.iter().filter(queue).map(|link| link.span().as_ps()).sum();
                assert_eq!(queued, request.waited.as_ps());
            }
        }
    }

    /// The chain of a fault has the parts of its anatomy, and who waits for the device knows its read.
    #[test]
    fn a_fault_is_explained_from_begin_to_end() {
        let mut reads = 0;
        for policy in ["sync", "halt", "apf-v7-2010"] {
            for rank in [Rank::Slowest(1), Rank::Pick(Pick::Median)] {
                let found = why("smoke", policy, "200ms", Question::Fault(rank));
                whole(&found);
                let device = found
                    .chain
                    .links
                    .iter()
                    .filter(|link| matches!(link.doing, Doing::Fault(_, Part::Device)));
                let named = device.flat_map(|link| &link.causes);
                reads += named.filter(|it| matches!(it, Cause::Read { .. })).count();
            }
        }
        assert!(reads >= 4, "{reads}");
    }

    /// Where the VMM has the page, the time that its handler takes for the contents is neither a device's nor a wait
    /// for a processor, whoever sleeps meanwhile.
    #[test]
    fn the_latency_of_a_handler_is_called_so() {
        let latency = SimDuration::from_us(50);
        for policy in ["sync", "apf-v6.15", "sync-user-exit", "apf-user-exit", "apf-user-exitless"]
        {
            let text = Scenario::load("vmm-answered").expect("it is built in").text;
            assert!(text.contains(r#""latency": "0s""#) && text.contains(r#""duration": "3s""#));
            let text = text
                .replace(r#""latency": "0s""#, r#""latency": "50us""#)
                .replace(r#""duration": "3s""#, r#""duration": "20ms""#);
            let scenario = Scenario::from_str("f", &text).expect("a scenario");
            let overrides =
                ScenarioOverrides { policies: vec![policy.to_owned()], ..Default::default() };
            let scenario = scenario.with_overrides(&overrides).expect("a policy");
            let found = find_why(&scenario, Question::Fault(Rank::Pick(Pick::Median)), &|_| {});
            let found = found.expect("there is one");
            whole(&found);
            let links = &found.chain.links;
            let of = |wanted: Part| -> SimDuration {
                let own = links.iter().filter(|link| link.doing == Doing::Fault(0, wanted));
                SimDuration::from_ps(own.map(|link| link.span().as_ps()).sum())
            };
            assert!(of(Part::Contents) >= latency, "{policy}: {links:?}");
            assert!(
                !of(Part::Message).is_zero() && !of(Part::Install).is_zero(),
                "{policy}: {links:?}"
            );
            assert!(of(Part::Contents) < latency + SimDuration::from_us(10), "{policy}: {links:?}");
            assert!(of(Part::Processor) < SimDuration::from_us(10), "{policy}: {links:?}");
            assert!(of(Part::Device).is_zero(), "{policy}: {links:?}");
            assert!(of(Part::WorkerWait) < SimDuration::from_us(10), "{policy}: {links:?}");
            let causes = links.iter().flat_map(|link| &link.causes);
            let slept: Vec<_> = causes
                .filter_map(|cause| match cause {
                    Cause::Handler { span, .. } => Some(*span),
                    _ => None,
                })
                .collect();
            assert!(slept.len() == 1 && slept[0] >= latency, "{policy}: {slept:?}");
        }
    }

    /// An item whose worker has no processor waits for whoever runs there, and not for what other workers do.
    #[test]
    fn a_worker_waits_for_its_processor() {
        let found = why("smoke", "apf-v6.12", "200ms", Question::Fault(Rank::Slowest(1)));
        whole(&found);
        let longest = found.chain.links.iter().max_by_key(|link| link.span()).expect("a link");
        assert_eq!(longest.doing, Doing::Fault(0, Part::WorkerWait));
        let Some(Cause::Thread { thread, processor, span }) = longest.causes.first() else {
            unreachable!("{:?}", longest.causes)
        };
        let vcpus = found.vcpus;
        assert!(thread.0 < u32::from(vcpus), "a vCPU has the processor: {:?}", longest.causes);
        assert_eq!(u32::from(processor.0), thread.0, "the processor on which the vCPU runs");
        assert!(span.as_ps() * 10 > longest.span().as_ps() * 9, "{:?}", longest.causes);
        let others = longest.causes.iter().filter(|it| matches!(it, Cause::Worker { .. }));
        assert_eq!(others.count(), 0, "{:?}", longest.causes);
    }

    #[test]
    fn the_slowest_come_in_order() {
        let of = |number| why("smoke", "sync", "200ms", Question::Fault(Rank::Slowest(number)));
        let times: Vec<SimDuration> = (1..5).map(|n| of(n).subject.latency()).collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
        assert_eq!(of(1).subject, why("smoke", "sync", "200ms", Question::Any).subject);
    }

    #[test]
    fn what_there_is_not_is_told_with_a_number() {
        let scenario = Scenario::load("smoke").expect("it is built in");
        for question in
            [Question::Request(Rank::Slowest(1)), Question::Fault(Rank::Slowest(1 << 30))]
        {
            let error = find_why(&scenario, question, &|_| {}).expect_err("there are none");
            assert!(matches!(error, WhyError::None { .. }), "{error}");
        }
        assert_eq!("7".parse(), Ok(Rank::Slowest(7)));
        assert!("0".parse::<Rank>().is_err() && "p98".parse::<Rank>().is_err());
    }
}
