//! The records that led to a finding as a sequence chart: a column an actor, a line a record.

/// Columns of a chart, left of the text of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Task,
    Vcpu,
    Host,
    Worker,
}

impl Side {
    /// What a name without number stands for.
    const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Vcpu => "vcpu",
            Self::Host => "host",
            Self::Worker => "worker",
        }
    }
}

/// Who acts in a record: a side and, but for the host, a number.
type Actor<'a> = (Side, &'a str);

/// A record, taken apart.
#[derive(Debug)]
struct Step<'a> {
    /// Picoseconds since the start of the run; none where the text is not a record.
    time: Option<u128>,
    name: &'a str,
    /// Fields besides those that name the actor, those that tell items apart first.
    fields: Vec<(&'a str, &'a str)>,
    /// The text in the place of fields, where there are none.
    text: &'a str,
    actor: Actor<'a>,
}

/// Width of the times: microseconds before the finding.
const TIME: usize = 14;
/// Mark of the actor of a record.
const MARK: char = '*';

/// The records of a story, one a line, after a line that names the columns. Times are microseconds
/// relative to the last record, which is the one at which the finding was made.
pub(super) fn chart(story: &[String], indent: usize, width: usize) -> String {
    let steps: Vec<Step<'_>> = story.iter().map(|line| Step::of(line)).collect();
    let mut actors: Vec<Actor<'_>> = steps.iter().map(|step| step.actor).collect();
    actors.sort_by_key(|&(side, number)| (side, number.len(), number));
    actors.dedup();
    let names: Vec<String> = actors.iter().map(|&actor| label(actor)).collect();
    let last = steps.iter().filter_map(|step| step.time).max();
    let room = width.saturating_sub(indent);
    let heads: String = names.iter().map(|name| format!(" {name}")).collect();
    let until = story.last().and_then(|line| line.split_once(' ')).map_or("", |(time, _)| time);
    let mut text = format!("{:indent$}the last records, in us before {until} s:\n", "");
    text.push_str(&format!("{:indent$}{:>TIME$} {heads}\n", "", "us"));
    for step in &steps {
        let time = match (step.time, last) {
            (Some(time), Some(last)) => before(last - time),
            _ => String::new(),
        };
        let mut line = format!("{time:>TIME$} ");
        for (actor, name) in actors.iter().zip(&names) {
            let mark = if *actor == step.actor { MARK } else { '|' };
            line.push_str(&format!(" {mark:<0$}", name.chars().count()));
        }
        line.push_str(&format!("  {}", step.name));
        for (name, value) in &step.fields {
            let field = format!(" {name}={value}");
            if line.chars().count() + field.chars().count() <= room {
                line.push_str(&field);
            }
        }
        line.push_str(step.text);
        let cut: String = line.chars().take(room).collect();
        text.push_str(&format!("{:indent$}{}\n", "", cut.trim_end()));
    }
    text
}

impl<'a> Step<'a> {
    /// `0.004000001 item_link: vcpu=1 token=4097`; anything else is kept as a name.
    fn of(line: &'a str) -> Self {
        let (time, rest) = line.split_once(' ').unwrap_or(("", line));
        let time = picoseconds(time);
        let rest = if time.is_some() { rest } else { line };
        let (name, text) = rest.split_once(':').unwrap_or((rest, ""));
        let fields: Vec<(&str, &str)> =
            text.split_whitespace().filter_map(|field| field.split_once('=')).collect();
        let text = if fields.is_empty() { text } else { "" };
        let actor = actor(name, &fields);
        // The column says who it is.
        let told = |&(name, value): &(&str, &str)| name == actor.0.name() && value == actor.1;
        let mut fields: Vec<_> = fields.into_iter().filter(|field| !told(field)).collect();
        fields.sort_by_key(|(name, _)| !matches!(*name, "token" | "cr2" | "gfn" | "item"));
        Self { time, name, fields, text, actor }
    }
}

/// Who acts: the guest's tasks sleep and run, the guest's processors read and are interrupted,
/// workers fetch; the rest is the host's doing.
fn actor<'a>(name: &str, fields: &[(&'a str, &'a str)]) -> Actor<'a> {
    let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|&(_, v)| v);
    let side = match name {
        "apf_wait" | "task_run" | "task_work" | "major_fault_begin" | "major_fault_end" => {
            Side::Task
        }
        "kvm_async_pf_completed" | "workqueue_execute_start" | "workqueue_execute_end" => {
            Side::Worker
        }
        "kvm_entry" | "kvm_exit" | "kvm_inj_exception" | "kvm_inj_virq" | "kvm_msr"
        | "kvm_page_fault" | "vcpu_block" | "vcpu_unblock" | "shared_word_read" | "apf_wake"
        | "apf_dummy" | "guest_tick" | "guest_sched_switch" | "guest_sched_wakeup" => Side::Vcpu,
        _ => Side::Host,
    };
    match (side, field(side.name())) {
        (Side::Host, _) | (_, None) => (Side::Host, ""),
        (side, Some(number)) => (side, number),
    }
}

fn label((side, number): Actor<'_>) -> String {
    format!("{}{number}", side.name())
}

/// Seconds with a fraction as picoseconds.
fn picoseconds(text: &str) -> Option<u128> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = fraction.len();
    if digits == 0 || digits > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u128.pow(12 - u32::try_from(digits).ok()?);
    Some(
        seconds.parse::<u64>().map(u128::from).ok()? * 1_000_000_000_000
            + fraction.parse::<u128>().ok()? * scale,
    )
}

/// A time before the last record, in microseconds.
fn before(ps: u128) -> String {
    let (us, rest) = (ps / 1_000_000, ps % 1_000_000);
    if ps == 0 { "0".to_owned() } else { format!("-{us}.{:03}", rest / 1_000) }
}

#[cfg(test)]
mod tests {
    use super::chart;

    /// A page ready that is lost, as the runner stores it.
    const STORY: [&str; 9] = [
        "0.004000000001 kvm_page_fault: vcpu=1 address=130023424 error_code=2 cpl=3",
        "0.004000000001 item_link: vcpu=1 token=4097 gfn=31744",
        "0.004002000000 not_present_queued: vcpu=1 token=4097 cpl=3 interrupts_on=true send_always=false",
        "0.004003000000 kvm_inj_exception: vcpu=1 vector=14 error_code=0 cr2=4097",
        "0.004004500000 apf_wait: vcpu=1 task=3 token=4097",
        "0.009000000000 kvm_async_pf_completed: worker=2 vcpu=1 gva=130023424 address=1",
        "0.009000000000 item_done: vcpu=1 token=4097",
        "0.009100000000 item_unlink: vcpu=1 token=4097",
        "0.009100000250 kvm_entry: vcpu=1",
    ];

    #[test]
    fn a_story_is_told_by_actor() {
        let story = STORY.map(str::to_owned);
        insta::assert_snapshot!(chart(&story, 6, 78));
    }

    #[test]
    fn lines_are_cut_where_the_page_ends() {
        let story = STORY.map(str::to_owned);
        assert!(chart(&story, 6, 60).lines().all(|line| line.chars().count() <= 60));
    }

    #[test]
    fn what_is_no_record_is_told_as_it_is() {
        let text = chart(&["0.1 apf_halt".to_owned(), "nonsense: of all kinds".to_owned()], 0, 78);
        assert!(text.contains("0  *     apf_halt"), "{text}");
        assert!(
            text.lines().nth(3).is_some_and(|line| line.ends_with("*     nonsense of all kinds")),
            "{text}"
        );
    }
}
