//! Completions and man pages.

use std::fs;
use std::process::{Command, Stdio};

use crate::kit::{printed, program};

#[test]
fn shells_get_scripts_with_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(program().args(["completions", shell]));
        for word in ["compare", "explore", "set"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // The one that is there runs it.
    let script = printed(program().args(["completions", "bash"]));
    let check = "source /dev/stdin && complete -p apfsim";
    let mut bash = Command::new("bash");
    let bash = bash.args(["-c", check]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = bash.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("_apfsim"));
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("man1");
    printed(program().arg("man").arg(&folder));
    let page = |name: &str| fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    assert!(page("apfsim").contains("compare"));
    assert!(page("apfsim-compare").contains("policy"));
    assert!(page("apfsim-fit-device").contains("fio"));
    assert!(!folder.join("apfsim-help.1").exists());
}
