//! The command line, as people read it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// AI decision audit and compliance gateway.
///
/// Put it in front of a model API by changing one base URL. Every request and response is
/// classified, your policy decides, the decision is signed into a ledger that anyone can verify
/// offline, and reports come out of the verified ledger.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    after_help = "Start with `countersign demo`."
)]
pub(crate) struct Cli {
    /// Form of log lines; JSON unless standard error is a terminal
    #[arg(long, global = true, value_enum, env = "COUNTERSIGN_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See the whole product work, on this machine, with a stand-in model
    Demo(DemoArgs),
    /// Run the gateway
    Serve(ServeArgs),
    /// Classify JSON Lines of text
    Classify(ClassifyArgs),
    /// Verify a ledger offline
    Verify(VerifyArgs),
    /// Write the receipt of a record to a file
    Receipt(ReceiptArgs),
    /// Find what is wrong in a data directory, and mend what needs no key
    Fsck(FsckArgs),
    /// Let old records go; their hashes stay, and receipts still verify
    Prune(PruneArgs),
    /// Copy the published ledger for a static file server
    Export(ExportArgs),
    /// Cosign the checkpoints of other ledgers
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Make, show or rotate the ledger's keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check, test or explain a policy document
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Take in what people report: outcomes, human reviews, incidents, complaints and others
    Intake(IntakeArgs),
    /// Write a report over the verified ledger
    Report(ReportArgs),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to leave the data and the reports; must be empty or absent
    #[arg(long, default_value = "countersign-demo")]
    pub(crate) out: PathBuf,
    /// Keep the gateway and the stand-in model running until Ctrl-C
    #[arg(long)]
    pub(crate) keep_serving: bool,
}

#[derive(Debug, Args, Clone)]
pub(crate) struct ServeArgs {
    /// Configuration file (YAML); without one, ./countersign.yaml and /etc/countersign/ are tried
    #[arg(long, env = "COUNTERSIGN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Base URL of the model API; with this no file is needed
    #[arg(long)]
    pub(crate) upstream: Option<String>,
    /// Address of the data port
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of the admin port
    #[arg(long)]
    pub(crate) admin: Option<SocketAddr>,
    /// Data directory (ledger, keys, reports)
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SideArg {
    Input,
    Output,
}

#[derive(Debug, Args)]
pub(crate) struct ClassifyArgs {
    /// Judge as a request or as an answer
    #[arg(long, value_enum, default_value = "input")]
    pub(crate) side: SideArg,
    /// Folder of another model of the same format
    #[arg(long)]
    pub(crate) model: Option<PathBuf>,
    /// Device to run on
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceArg,
    /// JSON Lines with "id" and "text"; standard input without one
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceArg {
    Cpu,
    Cuda,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Data directory, tile directory, or with --follow the URL of a served ledger
    pub(crate) target: PathBuf,
    /// Verifier key, or a file that holds it; never taken from the target
    #[arg(long)]
    pub(crate) key: String,
    /// An older checkpoint that the ledger must extend; may be given several times
    #[arg(long, value_name = "CHECKPOINT_FILE")]
    pub(crate) since: Vec<PathBuf>,
    /// Keep a copy of the served ledger at TARGET in --dir, check what is new every so often, and
    /// alarm on a contradiction; ends with Ctrl-C, or after one round with --every-s 0
    #[arg(long, requires = "dir")]
    pub(crate) follow: bool,
    /// Where the copy is kept; also for a TARGET that is a URL without --follow
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Seconds between two looks
    #[arg(long, default_value = "60")]
    pub(crate) every_s: u64,
    /// Witnesses whose quorum must have cosigned (C2SP tlog-policy), for a served ledger
    #[arg(long)]
    pub(crate) policy: Option<PathBuf>,
    /// Roots of time stamping authorities (PEM): the tokens in the data directory are checked too
    #[arg(long, value_name = "PEM_FILE")]
    pub(crate) timestamps: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    /// Exchange id or record id
    pub(crate) id: String,
    /// File for the receipt (C2SP tlog-proof); the record goes beside it with `.entry.json`
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Write a COSE receipt (RFC 9942) as well, with `.cose`; the ledger's key signs it
    #[arg(long)]
    pub(crate) cose: bool,
    /// Data directory
    #[arg(long, default_value = "countersign-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key pair for a new ledger
    Init {
        /// Data directory
        #[arg(long, default_value = "countersign-data")]
        data: PathBuf,
        /// Name of the ledger, a URL without scheme
        #[arg(long, default_value = config_origin())]
        origin: String,
    },
    /// Print the verifier key, to be given to auditors
    Show {
        /// Data directory
        #[arg(long, default_value = "countersign-data")]
        data: PathBuf,
    },
    /// Let another key sign from now on; the gateway must not run meanwhile
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Configuration file, where witnesses or a second guard are named
    #[arg(long, env = "COUNTERSIGN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Data directory
    #[arg(long, default_value = "countersign-data")]
    pub(crate) data: PathBuf,
    /// Verifier key, or a file that holds it; the data directory's own without this
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Make wrong tiles again and remove leftovers; entries and signatures are never touched
    #[arg(long)]
    pub(crate) repair: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Data directory; the gateway must not run meanwhile
    #[arg(long, default_value = "countersign-data")]
    pub(crate) data: PathBuf,
    /// Keep the records of so many days
    #[arg(long)]
    pub(crate) keep_days: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Data directory; the gateway may run meanwhile
    #[arg(long, default_value = "countersign-data")]
    pub(crate) data: PathBuf,
    /// Folder for the copy; one that is there is brought up to date
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Make a witness's key and its empty state; prints the key for policy files
    Init {
        /// The witness's own directory
        #[arg(long)]
        data: PathBuf,
        /// Name of the witness, a URL without scheme
        #[arg(long)]
        name: String,
    },
    /// Serve cosignatures over HTTP (C2SP tlog-witness)
    Serve(WitnessServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WitnessServeArgs {
    /// The witness's own directory
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Address to listen on
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Verifier key of a ledger to watch, or a file that holds it; may be given several times
    #[arg(long, required = true)]
    pub(crate) log: Vec<String>,
}

fn config_origin() -> &'static str {
    crate::config::DEFAULT_ORIGIN
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Load a policy document and say what it holds, or what is wrong with it
    Check {
        /// The document; the shipped default policy without one
        file: Option<PathBuf>,
    },
    /// Run the tests inside a policy document
    Test {
        /// The document; the shipped default policy without one
        file: Option<PathBuf>,
    },
    /// Print the shipped default policy
    Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Json,
    Csv,
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct IntakeArgs {
    /// outcome, human-review, incident, evaluation, reconciliation, complaint, demographic-import,
    /// hold, hold-release, erasure, export or disclosure-to-authority
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// JSON Lines (.jsonl, .ndjson) or CSV with a header (.csv)
    pub(crate) file: PathBuf,
    /// Data directory; the gateway must not run meanwhile
    #[arg(long, visible_alias = "data-dir", default_value = "countersign-data")]
    pub(crate) data: PathBuf,
    /// Outcomes decided more than so many days ago are late, where their row does not say
    #[arg(long, default_value = "30")]
    pub(crate) late_after_days: u16,
    /// Only say what is wrong; add nothing
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// log-extract (R1), post-market (R2), serious-incident (R3), human-oversight (R6),
    /// individual-decision (R10), erasure-retention (R12), integrity (R15), change-access (R16),
    /// controls (R17), inventory (R19) or one-page (R21)
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// From this instant (RFC 3339)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Until this instant (RFC 3339)
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Only records that name this exchange; an individual decision file needs it
    #[arg(long)]
    pub(crate) exchange: Option<String>,
    /// One format; all of them without this
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
    /// Directory for the report
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Data directory
    #[arg(long, default_value = "countersign-data")]
    pub(crate) data: PathBuf,
    /// Verifier key or a file that holds it; the data directory's own without this
    #[arg(long)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a configuration is valid, and where it is not
    Check {
        /// Configuration file
        #[arg(long, env = "COUNTERSIGN_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print the effective configuration with secrets hidden
    Print {
        /// Configuration file
        #[arg(long, env = "COUNTERSIGN_CONFIG")]
        config: Option<PathBuf>,
    },
}
