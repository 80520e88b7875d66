//! `apfsim new`: a scenario of one's own to begin with.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use models::presets::{self, policies};
use scenarios::scenario::start::{Kind, Wishes};
use scenarios::{Bytes, suggestion};

use crate::cli::{KindArg, NewArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &NewArgs) -> Result<Outcome, CliError> {
    let path = args.file.as_path();
    let to_output = path == Path::new("-");
    if path.exists() && !to_output {
        return Err(CliError::Exists { path: path.to_owned() });
    }
    let mut wishes = given(args);
    if io::stdin().is_terminal() && io::stderr().is_terminal() && !args.yes {
        let (mut input, mut out) = (io::stdin().lock(), io::stderr().lock());
        ask(args, &mut wishes, &mut input, &mut out)?;
    }
    wishes.device = seen_from(path, &wishes.device);
    let text = wishes.text(&path.to_string_lossy())?;
    if to_output {
        output::result(&text)?;
        return Ok(Outcome::Fine);
    }
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    // Made only if it is not there: nobody's file is lost.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    output::note(&format!("wrote {}; next: apfsim compare {}", path.display(), pasted(path)));
    Ok(Outcome::Fine)
}

/// A path as a shell takes it for one word.
fn pasted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    match path.chars().all(plain) && !path.starts_with('-') {
        true => path.into_owned(),
        // A word in quotes has no quote: it ends, one stands by itself, and it begins again.
        false if path.starts_with('-') => format!("'./{}'", path.replace('\'', "'\\''")),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// The path of a device's file as a scenario has it: seen from its own folder, not from where it was typed.
fn seen_from(scenario: &Path, device: &str) -> String {
    let folder = scenario.parent().filter(|folder| !folder.as_os_str().is_empty());
    let there = Path::new(device).canonicalize().ok().filter(|_| device.ends_with(".json"));
    let (Some(folder), Some(there)) = (folder, there) else { return device.to_owned() };
    let Ok(folder) = folder.canonicalize() else { return device.to_owned() };
    if Path::new(device).is_absolute() {
        return device.to_owned();
    }
    let common = folder.components().zip(there.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(there.components().skip(common)).collect();
    path.to_string_lossy().into_owned()
}

/// What was typed, and the usual of the rest.
fn given(args: &NewArgs) -> Wishes {
    let usual = Wishes::default();
    let memory = args.memory.unwrap_or(usual.memory);
    let name = args
        .name
        .clone()
        .or_else(|| name_of(&args.file).filter(|name| name != "-"))
        .unwrap_or(usual.name);
    Wishes {
        name,
        kind: args.kind.map_or(usual.kind, Kind::from),
        memory,
        limit: args.limit.unwrap_or_else(|| usual_limit(args.kind, memory)),
        working_set: args.working_set,
        vcpus: args.vcpus.unwrap_or(usual.vcpus),
        device: args.device.clone().unwrap_or(usual.device),
        host_kernel: args.host_kernel.clone().unwrap_or(usual.host_kernel),
        cpu: args.cpu.clone(),
        policies: args.policies.clone(),
    }
}

/// A quarter stays, of a restored guest everything that it asks for.
fn usual_limit(kind: Option<KindArg>, memory: Bytes) -> Bytes {
    const PAGE: u64 = 4096;
    match kind {
        Some(KindArg::Restore) => memory,
        _ => Bytes(memory.0 / 4 / PAGE * PAGE),
    }
}

/// The file's name, as far as it is one of a scenario.
fn name_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = stem.chars().map(|c| if plain(c) { c } else { '-' }).take(64).collect();
    let name = name.trim_start_matches('.');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Asks for what was not typed.
fn ask(
    args: &NewArgs,
    wishes: &mut Wishes,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut asker = Asker { input, out };
    if args.kind.is_none() {
        for kind in Kind::ALL {
            writeln!(asker.out, "  {:10}{}", kind.name(), kind.meaning())?;
        }
        let kind = |text: &str| {
            let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
            found.ok_or_else(|| "compute, requests or restore".to_owned())
        };
        wishes.kind = asker.one("What does the guest run?", wishes.kind.name(), kind)?;
    }
    if args.memory.is_none() {
        wishes.memory = asker.one("Memory of the guest?", &wishes.memory.to_string(), bytes)?;
    }
    if args.limit.is_none() {
        let kind = if wishes.kind == Kind::Restore { Some(KindArg::Restore) } else { None };
        let usual = usual_limit(kind, wishes.memory).to_string();
        wishes.limit = asker.one("How much of it may stay in memory?", &usual, bytes)?;
    }
    if args.vcpus.is_none() {
        let number = |text: &str| {
            let number = text.parse::<u64>().ok().filter(|it| (1..=4096).contains(it));
            number.ok_or_else(|| "a number from 1 to 4096".to_owned())
        };
        wishes.vcpus = asker.one("How many vCPUs?", &wishes.vcpus.to_string(), number)?;
    }
    if args.device.is_none() {
        let names = presets::device_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let device = |text: &str| match text.ends_with(".json") {
            true => Ok(text.to_owned()),
            false => one_of(text, &names),
        };
        wishes.device = asker.one("On which device is the rest?", &wishes.device, device)?;
    }
    if args.host_kernel.is_none() {
        let names = presets::host_kernel_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let kernel = |text: &str| one_of(text, &names);
        wishes.host_kernel =
            asker.one("Which kernel has the host?", &wishes.host_kernel, kernel)?;
    }
    if args.policies.is_empty() {
        let usual = wishes.usual_policies().join(" ");
        let names = policies::policy_names();
        let all = |text: &str| {
            let policy = |name: &str| match policies::policy(name) {
                Some(_) => Ok(name.to_owned()),
                None => one_of(name, &names),
            };
            text.split([' ', ',']).filter(|name| !name.is_empty()).map(policy).collect()
        };
        wishes.policies = asker.one("Which policies, the baseline first?", &usual, all)?;
    }
    Ok(())
}

fn bytes(text: &str) -> Result<Bytes, String> {
    Bytes::from_str(text).map_err(|error| error.to_string())
}

fn one_of(text: &str, names: &[&str]) -> Result<String, String> {
    match (names.contains(&text), suggestion(text, names)) {
        (true, _) => Ok(text.to_owned()),
        (false, Some(near)) => {
            Err(format!("did you mean `{near}`? There are {}", names.join(", ")))
        }
        (false, None) => Err(format!("there are {}", names.join(", "))),
    }
}

struct Asker<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl Asker<'_> {
    /// An answer that can be read; nothing typed is the usual one.
    fn one<T>(
        &mut self,
        question: &str,
        usual: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        loop {
            write!(self.out, "{question} [{usual}] ")?;
            self.out.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "there is no answer");
                return Err(CliError::Answers(ended));
            }
            let text = line.trim();
            match read(if text.is_empty() { usual } else { text }) {
                Ok(answer) => return Ok(answer),
                Err(help) => writeln!(self.out, "  `{text}` does not do: {help}")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn a_command_that_is_named_can_be_pasted() {
        let pasted = |path: &str| pasted(Path::new(path));
        assert_eq!(pasted("runs/my-own.json"), "runs/my-own.json");
        assert_eq!(pasted("a b'c.json"), "'a b'\\''c.json'");
        assert_eq!(pasted("-n.json"), "'./-n.json'");
    }

    fn args(more: &[&str]) -> NewArgs {
        let all = [&["apfsim", "new", "my own.json"], more].concat();
        match crate::cli::Cli::parse_from(all).command {
            crate::cli::Command::New(args) => args,
            other => panic!("{other:?}"),
        }
    }

    /// Asks with these answers, and gives what comes of it and what was printed.
    fn asked(more: &[&str], answers: &str) -> (Result<Wishes, CliError>, String) {
        let (args, mut out) = (args(more), Vec::new());
        let mut wishes = given(&args);
        let result = ask(&args, &mut wishes, &mut answers.as_bytes(), &mut out);
        (result.map(|()| wishes), String::from_utf8(out).expect("text"))
    }

    #[test]
    fn nothing_typed_is_the_usual() {
        let (wishes, printed) = asked(&[], &"\n".repeat(7));
        let wishes = wishes.expect("all is answered");
        assert_eq!(wishes.policies, ["sync", "halt-6.12", "apf-6.12"]);
        assert_eq!((wishes.name.as_str(), wishes.limit), ("my-own", Bytes(256 << 20)));
        assert!(printed.contains("How many vCPUs? [4]"), "{printed}");
        assert!(wishes.text("new.json").is_ok());
    }

    #[test]
    fn only_what_was_not_typed_is_asked_and_a_wrong_answer_is_asked_again() {
        let more =
            ["--kind", "requests", "--memory", "2GiB", "--vcpus", "2", "--device", "hdd-7200"];
        let (wishes, printed) =
            asked(&more, "512MB\n512MiB\nlinux-6.13\nlinux-6.1\nsync apf-6.1\n");
        let wishes = wishes.expect("all is answered");
        assert_eq!((wishes.limit, wishes.vcpus), (Bytes(512 << 20), 2));
        assert_eq!(
            (wishes.host_kernel.as_str(), &wishes.policies[..]),
            ("linux-6.1", &["sync".to_owned(), "apf-6.1".to_owned()][..])
        );
        assert_eq!(printed.matches("does not do").count(), 2, "{printed}");
        assert!(!printed.contains("How many vCPUs"), "{printed}");
    }

    #[test]
    fn an_input_that_ends_ends_the_questions() {
        let (wishes, _) = asked(&[], "compute\n");
        assert!(matches!(wishes, Err(CliError::Answers(_))));
    }
}
