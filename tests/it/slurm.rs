//! A sweep as an array of Slurm's jobs: a real controller, a real node on the loopback interface and
//! `cluster/sweep.sbatch`, with a job that is killed and requeued in the middle.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::commands::shard::{files, stored};
use crate::kit::{PROGRAM, printed, program};

/// Two hundred runs: 25 latencies, 4 replications of 2 policies.
const SWEEP: [&str; 12] = [
    "smoke",
    "--axis",
    "host.swap.device.read_latency,host.swap.device.write_latency=20us..20ms/25",
    "--set",
    "duration=300ms",
    "--policy",
    "sync",
    "--policy",
    "apf-v7-2010",
    "--replications",
    "4",
    "--seed=9",
];
const JOBS: usize = 8;
const RUNS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(240);

/// A cluster of one node, which ends with the test.
struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        for name in ["state", "spool"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        // Munge takes no key and no socket that others could have put there.
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        let key = root.join("munge.key");
        let mut random = File::open("/dev/urandom").unwrap();
        let mut made = File::create(&key).unwrap();
        std::io::copy(&mut std::io::Read::take(&mut random, 128), &mut made).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
        fs::write(root.join("slurm.conf"), configuration(root)).unwrap();

        let mut cluster = Self { folder, daemons: Vec::new() };
        let option = |name: &str, file: &str| format!("--{name}={}", cluster.path(file).display());
        let munge = [
            option("key-file", "munge.key"),
            option("socket", "munge.socket"),
            option("pid-file", "munge.pid"),
            option("log-file", "munge.log"),
            option("seed-file", "munge.seed"),
            "--foreground".to_owned(),
            "--force".to_owned(),
        ];
        let munge: Vec<&str> = munge.iter().map(String::as_str).collect();
        cluster.daemon("munged", &munge);
        cluster.wait_for("munged", |cluster| cluster.path("munge.socket").exists());
        cluster.daemon("slurmctld", &["-D"]);
        cluster.daemon("slurmd", &["-D"]);
        cluster.wait_for("the node", |cluster| {
            let state = cluster.slurm("sinfo").args(["-h", "-o", "%T"]).output().unwrap();
            String::from_utf8_lossy(&state.stdout).trim() == "idle"
        });
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn slurm(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.path("slurm.conf")).current_dir(self.folder.path());
        command
    }

    fn daemon(&mut self, name: &str, args: &[&str]) {
        let log = || File::options().append(true).create(true).open(self.path("log")).unwrap();
        let mut command = self.slurm(name);
        command.args(args).stdin(Stdio::null()).stdout(log()).stderr(log());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        self.daemons.push(child);
    }

    #[track_caller]
    fn wait_for(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            if begin.elapsed() > PATIENCE {
                let log = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
                let queue = self.slurm("scontrol").args(["show", "jobs"]).output().unwrap();
                let queue = String::from_utf8_lossy(&queue.stdout).into_owned();
                panic!("{what} is not there\n{}\n{}\n{queue}", log("log"), log("munge.log"));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// The state of a job of an array and how often it was requeued.
    fn job(&self, array: &str, job: usize) -> (String, String) {
        let name = format!("{array}_{job}");
        let text = printed(self.slurm("scontrol").args(["--oneliner", "show", "job", &name]));
        let field = |name: &str| {
            let value = text.split_whitespace().find_map(|field| field.strip_prefix(name));
            value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
        };
        (field("JobState="), field("Restarts="))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The node first, so that it does not look for its controller.
        while let Some(mut daemon) = self.daemons.pop() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let begin = Instant::now();
            while matches!(daemon.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10)
            {
                sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A controller and a node of two processors on this machine, reached by loopback alone.
fn configuration(root: &Path) -> String {
    let port = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (controller, node) = (port(), port());
    let number = |port: &TcpListener| port.local_addr().unwrap().port();
    let host = printed(Command::new("hostname").arg("-s"));
    let (root, host) = (root.display(), host.trim());
    format!(
        "ClusterName=apfsim\n\
         SlurmctldHost={host}(127.0.0.1)\n\
         SlurmctldPort={}\n\
         SlurmdPort={}\n\
         SlurmUser=root\n\
         AuthType=auth/munge\n\
         AuthInfo=socket={root}/munge.socket\n\
         CommunicationParameters=NoInAddrAny\n\
         StateSaveLocation={root}/state\n\
         SlurmdSpoolDir={root}/spool\n\
         SlurmctldPidFile={root}/slurmctld.pid\n\
         SlurmdPidFile={root}/slurmd.pid\n\
         ProctrackType=proctrack/pgid\n\
         TaskPlugin=task/none\n\
         SelectType=select/cons_tres\n\
         SelectTypeParameters=CR_CPU\n\
         SchedulerType=sched/builtin\n\
         MpiDefault=none\n\
         JobRequeue=1\n\
         MinJobAge=3600\n\
         ReturnToService=2\n\
         SlurmdParameters=config_overrides\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
         PartitionName=main Nodes={host} Default=YES State=UP\n",
        number(&controller),
        number(&node)
    )
}

#[test]
fn an_array_of_jobs_gives_the_sweep_and_a_requeued_job_goes_on() {
    let cluster = Cluster::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/sweep.sbatch");
    let (parts, whole, merged) =
        (cluster.path("parts"), cluster.path("whole"), cluster.path("all"));
    let mut submit = cluster.slurm("sbatch");
    submit.env("APFSIM", PROGRAM).arg("--parsable").arg(format!("--array=1-{JOBS}"));
    let array = printed(submit.arg(script).arg(&parts).args(SWEEP)).trim().to_owned();
    let part = |job: usize| parts.join(format!("part-{job}"));

    // Killed when some of its runs are stored, and requeued by the operator.
    let victim = 2;
    cluster.wait_for("a job with runs", |_| stored(&part(victim)) > 3);
    let name = format!("{array}_{victim}");
    printed(cluster.slurm("scontrol").args(["requeue", &name]));
    let before = stored(&part(victim));
    assert!(before < RUNS / JOBS, "it was finished before it was killed");
    // Slurm waits two minutes before it starts such a job again.
    cluster.wait_for("the requeued job", |cluster| cluster.job(&array, victim).0 == "PENDING");
    printed(cluster.slurm("scontrol").args(["update", &format!("JobId={name}"), "StartTime=now"]));
    cluster.wait_for("the end of all jobs", |cluster| {
        (1..=JOBS).all(|job| {
            let (state, _) = cluster.job(&array, job);
            assert!(
                !["FAILED", "NODE_FAIL", "TIMEOUT"].contains(&state.as_str()),
                "{job}: {state}"
            );
            state == "COMPLETED"
        })
    });
    assert_eq!(cluster.job(&array, victim).1, "1", "it was not requeued");
    // Each with its header.
    assert_eq!((1..=JOBS).map(|job| stored(&part(job))).sum::<usize>(), JOBS + RUNS);

    let folders = (1..=JOBS).map(part);
    let mut merge = program();
    merge.args(["sweep", "merge", "-q", "--out"]).arg(&merged).args(folders);
    let table = printed(&mut merge);
    let mut one = program();
    one.arg("sweep").args(SWEEP).args(["-q", "--out"]).arg(&whole);
    assert_eq!(table, printed(&mut one));
    assert!(files(&merged) == files(&whole), "the files differ");
}
